/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's two configurations. */
#include "fuzz.h"

#include "host-hook/config.h"
#include "host-hook/vf-config.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_auto (BalConfig) config = {0};
  g_auto (BalVfConfig) vf_config = {0};
  const char *text = (const char *)data;

  if (FUZZ_CHECK (bal_config_parse (text, size, "ballast.conf", &config, &error)))
    {
      g_assert_cmpuint (config.policy.mechanisms->len, >, 0);
      g_assert_cmpuint (config.policy.headroom_percent, <=, 90);
      g_assert_cmpuint (config.window_ms, <=, 10000);
      g_assert_cmpuint (config.agent_timeout_ms, >, 0);
    }
  if (FUZZ_CHECK (bal_vf_config_parse (text, size, "vf.conf", &vf_config, &error)))
    {
      g_assert_cmpuint (vf_config.expiry_s, >=, 10);
      for (guint i = 0; i < vf_config.pfs->len; i++)
        {
          const BalVfPfConfig *pf = vf_config.pfs->pdata[i];

          g_assert_true (bal_vf_config_find (&vf_config, pf->name, NULL) == pf);
        }
    }
  return 0;
}
