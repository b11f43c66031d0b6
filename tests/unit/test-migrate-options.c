/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/migrate-options.h"

#include "test-root.h"

static gboolean
parse (const char *line, BalMigrateOptions *out, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autofree char *full = g_strconcat ("migrate ", line, NULL);
  g_auto (GStrv) words = g_strsplit (full, " ", -1);

  *out = (BalMigrateOptions){0};
  g_option_context_add_group (context, bal_migrate_options_group (out));
  return g_option_context_parse_strv (context, &words, error)
         && bal_migrate_options_finish (out, words + 1, error);
}

static void
assert_refused (const char *line, const char *part)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (parse (line, &options, &error));
  g_assert_nonnull (error);
  g_assert_cmpuint (error->domain, ==, G_OPTION_ERROR);
  if (!strstr (error->message, part))
    g_error ("\"%s\" does not mention \"%s\"", error->message, part);
}

static void
test_flags_and_positionals (void)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;
  const char *value = NULL;

  parse ("--live vm --p2p qemu+tcp://b/system --tunnelled tcp://m", &options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (options.domain, ==, "vm");
  g_assert_cmpstr (options.destination_uri, ==, "qemu+tcp://b/system");
  g_assert_cmpuint (options.flags, ==,
                    VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_TUNNELLED);
  g_assert_cmpint (virTypedParamsGetString (options.params, options.n_params, VIR_MIGRATE_PARAM_URI,
                                            &value),
                   ==, 1);
  g_assert_cmpstr (value, ==, "tcp://m");
}

static void
test_named_positionals (void)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;
  const char *value = NULL;

  parse ("--desturi qemu:///b --domain vm --dname other", &options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (options.domain, ==, "vm");
  g_assert_cmpstr (options.destination_uri, ==, "qemu:///b");
  virTypedParamsGetString (options.params, options.n_params, VIR_MIGRATE_PARAM_DEST_NAME, &value);
  g_assert_cmpstr (value, ==, "other");
}

static void
test_numbers_and_lists (void)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;
  unsigned long long bandwidth = 0;
  int port = 0, disks = 0;

  parse (
    "--bandwidth=119 --disks-port 49152 --migrate-disks vda,vdb --timeout 5 --live vm qemu:///b",
    &options, &error);
  g_assert_no_error (error);
  virTypedParamsGetULLong (options.params, options.n_params, VIR_MIGRATE_PARAM_BANDWIDTH,
                           &bandwidth);
  g_assert_cmpuint (bandwidth, ==, 119);
  virTypedParamsGetInt (options.params, options.n_params, VIR_MIGRATE_PARAM_DISKS_PORT, &port);
  g_assert_cmpint (port, ==, 49152);
  for (int i = 0; i < options.n_params; i++)
    disks += g_str_equal (options.params[i].field, VIR_MIGRATE_PARAM_MIGRATE_DISKS);
  g_assert_cmpint (disks, ==, 2);
  g_assert_cmpuint (options.timeout_s, ==, 5);
  g_assert_cmpint (options.timeout_action, ==, BAL_TIMEOUT_SUSPEND);
}

static void
test_files (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;
  g_autofree char *path = test_root_path (root, "xml");
  g_autofree char *line = g_strdup_printf ("--xml %s vm qemu:///b", path);
  const char *value = NULL;

  test_root_put (root, "xml", "<domain/>");
  parse (line, &options, &error);
  g_assert_no_error (error);
  g_assert_true (options.has_destination_xml);
  virTypedParamsGetString (options.params, options.n_params, VIR_MIGRATE_PARAM_DEST_XML, &value);
  g_assert_cmpstr (value, ==, "<domain/>");
}

static void
test_every_flag_of_virsh (void)
{
  static const struct
  {
    const char *line;
    unsigned int flag;
  } flags[] = {
    {"--offline", VIR_MIGRATE_OFFLINE},
    {"--persistent", VIR_MIGRATE_PERSIST_DEST},
    {"--undefinesource", VIR_MIGRATE_UNDEFINE_SOURCE},
    {"--suspend", VIR_MIGRATE_PAUSED},
    {"--copy-storage-all", VIR_MIGRATE_NON_SHARED_DISK},
    {"--copy-storage-inc", VIR_MIGRATE_NON_SHARED_INC},
    {"--copy-storage-synchronous-writes", VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
    {"--change-protection", VIR_MIGRATE_CHANGE_PROTECTION},
    {"--unsafe", VIR_MIGRATE_UNSAFE},
    {"--compressed", VIR_MIGRATE_COMPRESSED},
    {"--auto-converge", VIR_MIGRATE_AUTO_CONVERGE},
    {"--rdma-pin-all", VIR_MIGRATE_RDMA_PIN_ALL},
    {"--abort-on-error", VIR_MIGRATE_ABORT_ON_ERROR},
    {"--postcopy", VIR_MIGRATE_POSTCOPY},
    {"--postcopy-resume", VIR_MIGRATE_POSTCOPY_RESUME},
    {"--zerocopy", VIR_MIGRATE_ZEROCOPY},
    {"--tls", VIR_MIGRATE_TLS},
    {"--parallel", VIR_MIGRATE_PARALLEL},
    {"--direct", 0},
    {"--verbose", 0},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      g_autofree char *line = g_strdup_printf ("vm qemu:///b %s", flags[i].line);
      g_auto (BalMigrateOptions) options = {0};
      g_autoptr (GError) error = NULL;

      parse (line, &options, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (options.flags, ==, flags[i].flag);
    }
}

static void
test_refusals (void)
{
  assert_refused ("vm", "destination");
  assert_refused ("vm b c d e f g", "more arguments");
  assert_refused ("vm b --no-such", "no-such");
  assert_refused ("vm b --bandwidth -1", "bandwidth");
  assert_refused ("vm b --bandwidth 12x", "12x");
  assert_refused ("vm b --disks-port 99999999999", "disks-port");
  assert_refused ("vm b --migrate-disks vda,,vdb", "migrate-disks");
  assert_refused ("vm b --tunnelled", "--p2p");
  assert_refused ("vm b --timeout 3", "--live");
  assert_refused ("vm b --live --timeout-suspend", "--timeout");
  assert_refused ("vm b --live --timeout 3 --timeout-postcopy", "--postcopy");
  assert_refused ("vm b --live --timeout 3 --timeout-suspend --timeout-postcopy", "exclude");
  assert_refused ("vm b --postcopy-after-precopy", "--postcopy");
}

static void
test_missing_file (void)
{
  g_auto (BalMigrateOptions) options = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (parse ("vm b --xml /nonexistent/file", &options, &error));
  g_assert_nonnull (strstr (error->message, "--xml"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/migrate-options/flags-and-positionals", test_flags_and_positionals);
  g_test_add_func ("/migrate-options/named-positionals", test_named_positionals);
  g_test_add_func ("/migrate-options/numbers-and-lists", test_numbers_and_lists);
  TEST_ROOT_ADD ("/migrate-options/files", test_files);
  g_test_add_func ("/migrate-options/every-flag-of-virsh", test_every_flag_of_virsh);
  g_test_add_func ("/migrate-options/refusals", test_refusals);
  g_test_add_func ("/migrate-options/missing-file", test_missing_file);
  return g_test_run ();
}
