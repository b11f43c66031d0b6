/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-vf [FOLDER]: how long a domain that starts waits for its VF, as the hook asks the service
 * for it, on a host of 64 PFs with 128 VFs each, 2000 requests until the host is a quarter full,
 * while one thread lists all VFs and another settles all ports without a pause. FOLDER, by default
 * a new one below /var/tmp, gets the ledger and should be on a disk such as /var has; the made-up
 * sysfs is in memory. Prints the figures as JSON, times in microseconds:
 *
 *   one-at-a-time   one request after another; the goal is a p99 of 5 ms
 *   fifty-at-once   50 threads that ask without a pause: each waits for the disk of the others
 */
#include "../unit/vf-scale-host.h"

#include <stdio.h>

#define P99_GOAL_US 5000

typedef struct
{
  VfScaleHost host;
  GMutex lock;
  GArray *times_us;
} Bench;

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 first = *(const gint64 *)a;
  gint64 second = *(const gint64 *)b;
  return first < second ? -1 : first > second;
}

static gint64
time_at (const GArray *times_us, guint percent)
{
  return g_array_index (times_us, gint64, (times_us->len - 1) * percent / 100);
}

static void
print_times (const char *name, GArray *times_us, gint64 took_us)
{
  g_array_sort (times_us, compare_times);
  printf (" \"%s\": {\"n\": %u, \"p50-us\": %" G_GINT64_FORMAT ", \"p99-us\": %" G_GINT64_FORMAT
          ", \"max-us\": %" G_GINT64_FORMAT ", \"all-us\": %" G_GINT64_FORMAT "},\n",
          name, times_us->len, time_at (times_us, 50), time_at (times_us, 99),
          time_at (times_us, 100), took_us);
}

static void
ask (gpointer data, guint domain)
{
  Bench *self = data;
  g_autofree char *xml = vf_scale_xml (domain, (domain % 40 + 1) * 50);
  g_autoptr (GError) error = NULL;
  gint64 began_us = g_get_monotonic_time ();

  bal_vf_service_prepare (self->host.service, xml, &error);
  gint64 took_us = g_get_monotonic_time () - began_us;
  g_assert_no_error (error);
  g_mutex_lock (&self->lock);
  g_array_append_val (self->times_us, took_us);
  g_mutex_unlock (&self->lock);
}

static void
measure (const char *folder, const char *name, guint n_threads)
{
  g_autofree char *ledger = g_build_filename (folder, name, NULL);
  Bench self = {.times_us = g_array_new (FALSE, FALSE, sizeof (gint64))};

  g_assert_cmpint (g_mkdir_with_parents (ledger, 0700), ==, 0);
  g_mutex_init (&self.lock);
  vf_scale_host_set_up (&self.host, ledger, 100000);
  gint64 began_us = g_get_monotonic_time ();
  vf_scale_host_run (&self.host, n_threads, ask, &self);
  print_times (name, self.times_us, g_get_monotonic_time () - began_us);
  vf_scale_host_tear_down (&self.host);
  g_mutex_clear (&self.lock);
  g_array_unref (self.times_us);
}

int
main (int argc, char **argv)
{
  TestRoot disk = {.path = NULL};

  /* glib looks at TMPDIR once: the tree's place is said, the ledger's is not asked of glib. */
  g_setenv ("TMPDIR", "/dev/shm", TRUE);
  disk.path = g_strdup (argc > 1 ? argv[1] : "/var/tmp/ballast-bench-XXXXXX");
  if (argc < 2)
    g_assert_nonnull (g_mkdtemp (disk.path));
  printf ("{\n");
  measure (disk.path, "one-at-a-time", 1);
  measure (disk.path, "fifty-at-once", VF_SCALE_THREADS);
  printf (" \"p99-goal-us\": %d\n}\n", P99_GOAL_US);
  if (argc < 2)
    test_root_tear_down (&disk, NULL);
  g_free (argc > 1 ? disk.path : NULL);
  return 0;
}
