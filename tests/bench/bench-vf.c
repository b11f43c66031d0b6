/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-vf [FOLDER]: what a decision about a VF takes on a host of 64 PFs with 128 VFs each, 2000
 * requests one after another until the host is a quarter full. FOLDER, by default a new one below
 * /var/tmp, gets the ledger and should be on a disk such as /var has; the made-up sysfs is in
 * memory. Prints the figures as JSON, times in microseconds:
 *
 *   decision  all of a request: choice, second look at sysfs, ledger; the goal is a p99 of 5 ms
 *   choice    the pure choice alone
 *   change    a change of state of one port, in the ledger alone
 */
#include "../unit/vf-fixture.h"

#include <stdio.h>

#define N_PFS 64
#define N_VFS 128
#define N_REQUESTS 2000
#define P99_GOAL_US 5000

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 first = *(const gint64 *)a;
  gint64 second = *(const gint64 *)b;
  return first < second ? -1 : first > second;
}

static void
print_times (const char *name, GArray *times_us)
{
  g_array_sort (times_us, compare_times);
  printf ("  \"%s\": {\"n\": %u, \"p50-us\": %" G_GINT64_FORMAT ", \"p99-us\": %" G_GINT64_FORMAT
          ", \"max-us\": %" G_GINT64_FORMAT "},\n",
          name, times_us->len, g_array_index (times_us, gint64, times_us->len / 2),
          g_array_index (times_us, gint64, times_us->len * 99 / 100),
          g_array_index (times_us, gint64, times_us->len - 1));
}

static void
add_time (GArray *times_us, gint64 began_us)
{
  gint64 took_us = g_get_monotonic_time () - began_us;
  g_array_append_val (times_us, took_us);
}

typedef struct
{
  GArray *decisions_us;
  GArray *choices_us;
  GArray *changes_us;
} Times;

static void
measure_one (const BalVfHost *host, const BalVfClock *clock, guint number, Times *times)
{
  g_auto (BalVfRequest) request = vf_request (number, (number % 40 + 1) * 50);
  const BalVfBook *book = bal_vf_ledger_book (host->ledger);
  g_autoptr (GError) error = NULL;
  BalVfChoice choice;

  gint64 began_us = g_get_monotonic_time ();
  bal_vf_allocate (host->inventory, book, &request, (int)(number % 2), host->config->policy,
                   &choice, &error);
  add_time (times->choices_us, began_us);
  g_assert_no_error (error);

  began_us = g_get_monotonic_time ();
  const BalVfEntry *entry =
    bal_vf_reserve (host, clock, &request, FALSE, (int)(number % 2), &error);
  add_time (times->decisions_us, began_us);
  g_assert_no_error (error);

  g_autoptr (BalVfEntry) attached = bal_vf_entry_copy (entry);
  attached->state = BAL_VF_ATTACHED;
  began_us = g_get_monotonic_time ();
  bal_vf_ledger_put (host->ledger, attached, &error);
  add_time (times->changes_us, began_us);
  g_assert_no_error (error);
}

static void
measure (const TestRoot *tree, const char *ledger_root, BalVfPolicy policy, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_auto (BalVfConfig) config = {0};
  Times times = {g_array_new (FALSE, FALSE, sizeof (gint64)),
                 g_array_new (FALSE, FALSE, sizeof (gint64)),
                 g_array_new (FALSE, FALSE, sizeof (gint64))};
  BalVfClock clock = vf_clock ();

  bal_vf_config_init (&config);
  config.policy = policy;
  gint64 began_us = g_get_monotonic_time ();
  g_autoptr (BalVfInventory) inventory = bal_vf_inventory_read (tree->path, &config, &error);
  gint64 inventory_us = g_get_monotonic_time () - began_us;
  g_assert_no_error (error);
  g_autofree char *root = g_build_filename (ledger_root, name, NULL);
  g_autoptr (BalVfLedger) ledger = bal_vf_ledger_open (root, &error);
  g_assert_no_error (error);
  BalVfHost host = {tree->path, &config, inventory, ledger};

  for (guint i = 1; i <= N_REQUESTS; i++)
    measure_one (&host, &clock, i, &times);
  bal_vf_ledger_free (g_steal_pointer (&ledger));
  began_us = g_get_monotonic_time ();
  ledger = bal_vf_ledger_open (root, &error);
  gint64 open_us = g_get_monotonic_time () - began_us;
  g_assert_no_error (error);

  printf (" \"%s\": {\n", name);
  print_times ("choice", times.choices_us);
  print_times ("decision", times.decisions_us);
  print_times ("change", times.changes_us);
  printf ("  \"open-ledger-us\": %" G_GINT64_FORMAT ", \"read-inventory-us\": %" G_GINT64_FORMAT
          "},\n",
          open_us, inventory_us);
  g_array_unref (times.decisions_us);
  g_array_unref (times.choices_us);
  g_array_unref (times.changes_us);
}

int
main (int argc, char **argv)
{
  TestRoot tree;
  TestRoot disk = {.path = NULL};

  /* glib looks at TMPDIR once: the tree's place is said, the ledger's is not asked of glib. */
  g_setenv ("TMPDIR", "/dev/shm", TRUE);
  test_root_set_up (&tree, NULL);
  disk.path = g_strdup (argc > 1 ? argv[1] : "/var/tmp/ballast-bench-XXXXXX");
  if (argc < 2)
    g_assert_nonnull (g_mkdtemp (disk.path));
  for (guint i = 0; i < N_PFS; i++)
    vf_tree_add_pf (&tree, i, N_VFS, 100000, (int)(i % 2));
  printf ("{\n");
  measure (&tree, disk.path, BAL_VF_POLICY_PACK, "pack");
  measure (&tree, disk.path, BAL_VF_POLICY_SPREAD, "spread");
  printf (" \"p99-goal-us\": %d\n}\n", P99_GOAL_US);
  test_root_tear_down (&tree, NULL);
  if (argc < 2)
    test_root_tear_down (&disk, NULL);
  return 0;
}
