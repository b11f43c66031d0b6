/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/config.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

static void
parse (const char *text, BalConfig *out)
{
  g_autoptr (GError) error = NULL;
  bal_config_parse (text, strlen (text), "a.conf", out, &error);
  g_assert_no_error (error);
}

static void
assert_order (const BalConfig *config, const char *expected)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (guint i = 0; i < config->policy.mechanisms->len; i++)
    g_string_append_printf (names, "%s ",
                            bal_mechanism_name (
                              g_array_index (config->policy.mechanisms, BalMechanism, i)));
  g_assert_cmpstr (names->str, ==, expected);
}

static void
assert_defaults (const BalConfig *config)
{
  assert_order (config, "virtio-mem hold balloon ");
  g_assert_cmpuint (config->policy.min_gain_bytes, ==, 64 * MIB);
  g_assert_cmpuint (config->policy.headroom_min_bytes, ==, 128 * MIB);
  g_assert_cmpuint (config->policy.headroom_percent, ==, 5);
  g_assert_cmpint (config->policy.page_cache, ==, BAL_PAGE_CACHE_KEEP);
  g_assert_true (config->use_qmp);
  g_assert_cmpuint (config->hold_deadline_ms, ==, 900000);
  g_assert_cmpuint (config->agent_timeout_ms, ==, 2000);
  g_assert_false (config->cluster_wide);
  g_assert_cmpuint (config->window_ms, ==, 3000);
}

static void
test_defaults (void)
{
  static const char *const texts[] = {"", "# nothing\n", "[memory]\n"};
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_auto (BalConfig) config = {0};
      parse (texts[i], &config);
      assert_defaults (&config);
    }
  g_auto (BalConfig) missing = {0};
  g_autoptr (GError) error = NULL;
  bal_config_load ("/nonexistent/ballast.conf", FALSE, &missing, &error);
  g_assert_no_error (error);
  assert_defaults (&missing);
}

static void
test_all_keys (void)
{
  g_auto (BalConfig) config = {0};
  parse ("[memory]\nmechanisms = balloon ; hold;\nmin-gain-mib=0\nheadroom-min-mib=256\n"
         "headroom-percent=90\npage-cache=drop\nuse-qmp=no\nhold-deadline-s=86400\n"
         "agent-timeout-ms=100\ncluster-wide=yes\nwindow-ms=0\n",
         &config);
  assert_order (&config, "balloon hold ");
  g_assert_cmpuint (config.policy.min_gain_bytes, ==, 0);
  g_assert_cmpuint (config.policy.headroom_min_bytes, ==, 256 * MIB);
  g_assert_cmpuint (config.policy.headroom_percent, ==, 90);
  g_assert_cmpint (config.policy.page_cache, ==, BAL_PAGE_CACHE_DROP);
  g_assert_false (config.use_qmp);
  g_assert_cmpuint (config.hold_deadline_ms, ==, 86400000);
  g_assert_cmpuint (config.agent_timeout_ms, ==, 100);
  g_assert_true (config.cluster_wide);
  g_assert_cmpuint (config.window_ms, ==, 0);
}

/* What is shipped says the defaults, and each key in it is one. */
static void
test_shipped_file (void)
{
  g_autofree char *path =
    g_test_build_filename (G_TEST_DIST, "..", "..", "host-hook", "ballast.conf", NULL);
  g_auto (BalConfig) as_shipped = {0};
  g_autoptr (GError) error = NULL;
  bal_config_load (path, TRUE, &as_shipped, &error);
  g_assert_no_error (error);
  assert_defaults (&as_shipped);

  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) switched_on = g_string_new (NULL);
  guint n_keys = 0;
  for (char **line = lines; *line != NULL; line++)
    {
      gboolean is_key = (*line)[0] == '#' && g_ascii_islower ((*line)[1]) && strchr (*line, '=');
      n_keys += is_key ? 1 : 0;
      g_string_append_printf (switched_on, "%s\n", is_key ? *line + 1 : *line);
    }
  g_assert_cmpuint (n_keys, ==, 10);
  g_auto (BalConfig) explicit = {0};
  parse (switched_on->str, &explicit);
  assert_defaults (&explicit);
}

static void
test_refuses (void)
{
  static const struct
  {
    const char *text;
    const char *named; /* in the error */
  } cases[] = {
    {"[memroy]\nuse-qmp=no\n", "[memroy]"},
    {"[memory]\nuse_qmp=no\n", "[memory] use_qmp"},
    {"[memory]\nuse-qmp=maybe\n", "[memory] use-qmp"},
    {"[memory]\nuse-qmp=\n", "[memory] use-qmp"},
    {"[memory]\nuse-qmp=Yes\n", "[memory] use-qmp"},
    {"[memory]\nmechanisms=\n", "[memory] mechanisms"},
    {"[memory]\nmechanisms=;\n", "[memory] mechanisms"},
    {"[memory]\nmechanisms=hold;;balloon\n", "[memory] mechanisms"},
    {"[memory]\nmechanisms=hold;hold\n", "[memory] mechanisms"},
    {"[memory]\nmechanisms=hold,balloon\n", "[memory] mechanisms"},
    {"[memory]\nmechanisms=page-cache\n", "[memory] mechanisms"},
    {"[memory]\nmin-gain-mib=-1\n", "[memory] min-gain-mib"},
    {"[memory]\nmin-gain-mib=64M\n", "[memory] min-gain-mib"},
    {"[memory]\nmin-gain-mib=99999999999999999999\n", "[memory] min-gain-mib"},
    {"[memory]\nheadroom-min-mib=4294967297\n", "[memory] headroom-min-mib"},
    {"[memory]\nheadroom-percent=91\n", "[memory] headroom-percent"},
    {"[memory]\npage-cache=some\n", "[memory] page-cache"},
    {"[memory]\nhold-deadline-s=0\n", "[memory] hold-deadline-s"},
    {"[memory]\nhold-deadline-s=86401\n", "[memory] hold-deadline-s"},
    {"[memory]\nagent-timeout-ms=99\n", "[memory] agent-timeout-ms"},
    {"[memory]\nagent-timeout-ms=60001\n", "[memory] agent-timeout-ms"},
    {"[memory]\nwindow-ms=10001\n", "[memory] window-ms"},
    {"use-qmp=no\n", "a.conf"},
    {"[memory\n", "a.conf"},
    {"\xff\xfe", "a.conf"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BalConfig config;
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", cases[i].named);
      g_assert_false (
        bal_config_parse (cases[i].text, strlen (cases[i].text), "a.conf", &config, &error));
      g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, "a.conf: "));
      g_assert_nonnull (strstr (error->message, cases[i].named));
      g_assert_null (strchr (error->message, '\n'));
      g_assert_null (config.policy.mechanisms);
    }
}

static void
test_escapes (void)
{
  static const char text[] = "[memory]\nuse-qmp=\x1b[31mred\n";
  g_auto (BalConfig) config = {0};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_config_parse (text, strlen (text), "a.conf", &config, &error));
  g_assert_null (strchr (error->message, '\x1b'));
}

static void
test_named_file_must_exist (void)
{
  g_auto (BalConfig) config = {0};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_config_load ("/nonexistent/ballast.conf", TRUE, &config, &error));
  g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "/nonexistent/ballast.conf"));

  /* One that is there and cannot be read is not "no file". */
  g_clear_error (&error);
  g_assert_false (bal_config_load ("/", FALSE, &config, &error));
  g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (bal_config_load ("/dev/zero", FALSE, &config, &error));
  g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
}

static void
test_command_line_list (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) mechanisms = bal_config_parse_mechanisms ("hold,virtio-mem", ',', &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mechanisms->len, ==, 2);
  g_assert_cmpint (g_array_index (mechanisms, BalMechanism, 0), ==, BAL_MECHANISM_HOLD);
  g_assert_null (bal_config_parse_mechanisms ("hold;balloon", ',', &error));
  g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/defaults", test_defaults);
  g_test_add_func ("/config/all-keys", test_all_keys);
  g_test_add_func ("/config/shipped-file", test_shipped_file);
  g_test_add_func ("/config/refuses", test_refuses);
  g_test_add_func ("/config/escapes", test_escapes);
  g_test_add_func ("/config/named-file-must-exist", test_named_file_must_exist);
  g_test_add_func ("/config/command-line-list", test_command_line_list);
  return g_test_run ();
}
