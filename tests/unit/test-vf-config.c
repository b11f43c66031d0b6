/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-config.h"

#include "host-hook/config.h"

#include <string.h>

static void
parse (const char *text, BalVfConfig *out)
{
  g_autoptr (GError) error = NULL;
  bal_vf_config_parse (text, strlen (text), "vf.conf", out, &error);
  g_assert_no_error (error);
}

static void
assert_defaults (const BalVfConfig *config)
{
  g_assert_cmpint (config->policy, ==, BAL_VF_POLICY_PACK);
  g_assert_cmpuint (config->expiry_s, ==, 300);
  g_assert_cmpuint (config->pfs->len, ==, 0);
}

static void
test_defaults (void)
{
  g_auto (BalVfConfig) config = {0};
  g_auto (BalVfConfig) missing = {0};
  g_autoptr (GError) error = NULL;
  parse ("[vf]\n", &config);
  assert_defaults (&config);
  bal_vf_config_load ("/nonexistent/vf.conf", FALSE, &missing, &error);
  g_assert_no_error (error);
  assert_defaults (&missing);
  g_auto (BalVfConfig) named = {0};
  g_assert_false (bal_vf_config_load ("/nonexistent/vf.conf", TRUE, &named, &error));
  g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
}

static void
test_all_keys (void)
{
  g_auto (BalVfConfig) config = {0};
  parse ("[vf]\npolicy=spread\nreservation-expiry-s=10\n"
         "[pf enp3s0f0]\ncapacity=2.5Gbit\nnetwork=physnet1\nnumvfs=7\n"
         "[pf 0000:04:00.0]\nexcluded=yes\n",
         &config);
  g_assert_cmpint (config.policy, ==, BAL_VF_POLICY_SPREAD);
  g_assert_cmpuint (config.expiry_s, ==, 10);
  const BalVfPfConfig *first = bal_vf_config_find (&config, "enp3s0f0", "0000:03:00.0");
  const BalVfPfConfig *second = bal_vf_config_find (&config, "enp4s0f0", "0000:04:00.0");
  g_assert_cmpuint (first->capacity_mbps, ==, 2500);
  g_assert_cmpstr (first->network, ==, "physnet1");
  g_assert_cmpuint (first->num_vfs, ==, 7);
  g_assert_false (first->excluded);
  g_assert_true (second->excluded);
  g_assert_null (bal_vf_config_find (&config, "enp5s0f0", "0000:05:00.0"));
}

/* What is shipped says the defaults, with its keys in comments or not. */
static void
test_shipped_file (void)
{
  g_autofree char *path =
    g_test_build_filename (G_TEST_DIST, "..", "..", "host-hook", "vf.conf", NULL);
  g_auto (BalVfConfig) as_shipped = {0};
  g_autoptr (GError) error = NULL;
  bal_vf_config_load (path, TRUE, &as_shipped, &error);
  g_assert_no_error (error);
  assert_defaults (&as_shipped);

  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) halves = g_strsplit (text, "#policy", 2);
  g_autofree char *switched_on = g_strdup_printf ("%spolicy%s", halves[0], halves[1]);
  g_auto (GStrv) others = g_strsplit (switched_on, "#reservation", 2);
  g_autofree char *both = g_strdup_printf ("%sreservation%s", others[0], others[1]);
  g_auto (BalVfConfig) explicit = {0};
  parse (both, &explicit);
  assert_defaults (&explicit);
}

static void
test_refuses (void)
{
  static const struct
  {
    const char *text;
    const char *named;
  } cases[] = {
    {"[fv]\npolicy=pack\n", "[fv]"},
    {"[vf]\npolcy=pack\n", "polcy"},
    {"[vf]\npolicy=\n", "policy"},
    {"[vf]\npolicy=Pack\n", "policy"},
    {"[vf]\nreservation-expiry-s=9\n", "reservation-expiry-s"},
    {"[vf]\nreservation-expiry-s=86401\n", "reservation-expiry-s"},
    {"[pf]\nexcluded=yes\n", "[pf]"},
    {"[pf a/b]\nexcluded=yes\n", "a/b"},
    {"[pf eth0]\ncapacity=0Gbit\n", "capacity"},
    {"[pf eth0]\ncapacity=1000\n", "capacity"},
    {"[pf eth0]\ncapacity=2Tbit\n", "capacity"},
    {"[pf eth0]\nnetwork=a b\n", "network"},
    {"[pf eth0]\nnumvfs=0\n", "numvfs"},
    {"[pf eth0]\nnumvfs=65536\n", "numvfs"},
    {"[pf eth0]\nexcluded=true\n", "excluded"},
    {"[pf eth0]\nspeed=1Gbit\n", "speed"},
    {"policy=pack\n", "vf.conf"},
    {"[vf\n", "vf.conf"},
    {"[vf]\npolicy=\x1b[31m\n", "policy"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BalVfConfig config;
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", cases[i].named);
      g_assert_false (
        bal_vf_config_parse (cases[i].text, strlen (cases[i].text), "vf.conf", &config, &error));
      g_assert_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, "vf.conf: "));
      g_assert_nonnull (strstr (error->message, cases[i].named));
      g_assert_null (strpbrk (error->message, "\x1b\n"));
      g_assert_null (config.pfs);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vf-config/defaults", test_defaults);
  g_test_add_func ("/vf-config/all-keys", test_all_keys);
  g_test_add_func ("/vf-config/shipped-file", test_shipped_file);
  g_test_add_func ("/vf-config/refuses", test_refuses);
  return g_test_run ();
}
