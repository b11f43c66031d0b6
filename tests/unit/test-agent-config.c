/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/config.h"
#include "test-root.h"

#include <string.h>

static gboolean
load (TestRoot *root, const char *text, BalAgentConfig *config, GError **error)
{
  g_autofree char *path = test_root_path (root, "agent.conf");

  test_root_put (root, "agent.conf", text);
  return bal_agent_config_load (path, TRUE, config, error);
}

static void
assert_refused (TestRoot *root, const char *text, const char *reason)
{
  g_auto (BalAgentConfig) config = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (load (root, text, &config, &error));
  g_assert_nonnull (strstr (error->message, reason));
  g_assert_nonnull (strstr (error->message, "agent.conf"));
  g_assert_null (strchr (error->message, '\n'));
  g_assert_null (config.allow);
}

static void
test_config_defaults (void)
{
  g_auto (BalAgentConfig) config = {0};
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_agent_config_load ("/nonexistent/agent.conf", FALSE, &config, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (config.hold.headroom_min_bytes, ==, 128u << 20);
  g_assert_cmpuint (config.hold.headroom_percent, ==, 5);
  g_assert_cmpuint (config.hold.deadline_max_ms, ==, 900000);
  g_assert_cmpuint (config.hold.lease_ms, ==, 20000);
  g_assert_true (bal_agent_config_allows (&config, "guest-hold-free-memory"));
}

static void
test_config_missing_file (void)
{
  g_auto (BalAgentConfig) config = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_agent_config_load ("/nonexistent/agent.conf", TRUE, &config, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void
test_config_values (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalAgentConfig) config = {0};
  g_autoptr (GError) error = NULL;

  load (root, "[hold]\nheadroom-min-mib=64\nheadroom-percent=10\ndeadline-max-s=60\nlease-s=3\n",
        &config, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (config.hold.headroom_min_bytes, ==, 64u << 20);
  g_assert_cmpuint (config.hold.headroom_percent, ==, 10);
  g_assert_cmpuint (config.hold.deadline_max_ms, ==, 60000);
  g_assert_cmpuint (config.hold.lease_ms, ==, 3000);
}

static void
test_config_allow_and_block (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalAgentConfig) config = {0};
  g_autoptr (GError) error = NULL;

  load (
    root,
    "[agent]\nallow=guest-hold-free-memory;guest-get-hold-status\nblock=guest-hold-free-memory\n",
    &config, &error);
  g_assert_no_error (error);
  g_assert_false (bal_agent_config_allows (&config, "guest-hold-free-memory"));
  g_assert_true (bal_agent_config_allows (&config, "guest-get-hold-status"));
  g_assert_false (bal_agent_config_allows (&config, "guest-trim-page-cache"));
  g_assert_true (bal_agent_config_allows (&config, "guest-sync"));
  g_assert_true (bal_agent_config_allows (&config, "guest-return-memory"));
}

static void
test_config_refusals (TestRoot *root, gconstpointer user_data)
{
  assert_refused (root, "[nonsense]\n", "[nonsense]");
  assert_refused (root, "[hold]\nlease=3\n", "\"lease\"");
  assert_refused (root, "[agent]\nlease-s=3\n", "\"lease-s\"");
  assert_refused (root, "[hold]\nlease-s=0\n", "\"lease-s\"");
  assert_refused (root, "[hold]\nlease-s=3x\n", "\"lease-s\"");
  assert_refused (root, "[hold]\nheadroom-percent=101\n", "\"headroom-percent\"");
  assert_refused (root, "[hold]\nheadroom-min-mib=-1\n", "\"headroom-min-mib\"");
  assert_refused (root, "[hold]\ndeadline-max-s=99999999999999999999\n", "\"deadline-max-s\"");
  assert_refused (root, "[agent]\nallow=guest-exec\n", "\"guest-exec\"");
  assert_refused (root, "[agent]\nblock=guest-sync\n", "\"guest-sync\"");
  assert_refused (root, "[agent]\nblock=guest-return-memory\n", "\"guest-return-memory\"");
  assert_refused (root, "lease-s=3\n", "");
  /* A list that glib cannot read forbids nothing by itself. */
  assert_refused (root, "[agent]\nblock=guest-trim-page-cache\\q\n", "\"block\"");
  assert_refused (root, "[agent]\nblock=guest-trim-page-cache;\xff\n", "\"block\"");
  assert_refused (root, "[agent]\nblock=\\n\xc2\x85\n", "\\x0a\\xc2\\x85");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-config/defaults", test_config_defaults);
  g_test_add_func ("/agent-config/missing-file", test_config_missing_file);
  TEST_ROOT_ADD ("/agent-config/values", test_config_values);
  TEST_ROOT_ADD ("/agent-config/allow-and-block", test_config_allow_and_block);
  TEST_ROOT_ADD ("/agent-config/refusals", test_config_refusals);
  return g_test_run ();
}
