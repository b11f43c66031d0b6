/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's configuration. What forbids a command must not be overlooked. */
#include "fuzz.h"

#include "guest-agent/config.h"
#include "protocol/limits.h"

static void
check_lists (const BalAgentConfig *config, const guint8 *data, size_t size)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_assert_true (g_key_file_load_from_data (file, (const char *)data, size, G_KEY_FILE_NONE, NULL));
  g_assert_true ((config->allow != NULL) == g_key_file_has_key (file, "agent", "allow", NULL));
  g_assert_true ((config->block != NULL) == g_key_file_has_key (file, "agent", "block", NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_auto (BalAgentConfig) config = {0};
  g_autofree char *path = g_build_filename (fuzz_root (), "agent.conf", NULL);

  fuzz_put ("agent.conf", data, size);
  if (!FUZZ_CHECK (bal_agent_config_load (path, TRUE, &config, &error)))
    return 0;
  check_lists (&config, data, size);
  g_assert_cmpuint (config.hold.headroom_percent, <=, 100);
  g_assert_cmpuint (config.hold.deadline_max_ms, <=, BAL_HOLD_DEADLINE_MAX_MS);
  g_assert_cmpuint (config.hold.lease_ms, >, 0);
  g_assert_true (bal_agent_config_allows (&config, "guest-return-memory"));
  return 0;
}
