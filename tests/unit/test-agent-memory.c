/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory info, kernel facts, pressure and trim against a made-up /proc. */
#include "guest-agent/memory-info.h"
#include "guest-agent/pressure.h"
#include "guest-agent/trim.h"
#include "test-agent-fixture.h"

#include <string.h>
#include <unistd.h>

#define KIB G_GUINT64_CONSTANT (1024)
#define MIB (KIB * KIB)

static const BalHoldLimits limits = {.headroom_min_bytes = 128 * MIB, .headroom_percent = 5};

static void
read_info (TestRoot *root, BalMemoryInfo *info)
{
  BalKernelFacts facts = {BAL_TRI_YES, BAL_TRI_NO, BAL_TRI_UNKNOWN};
  g_autoptr (GError) error = NULL;

  bal_memory_info_read (root->path, &facts, &limits, 7 * MIB, info, &error);
  g_assert_no_error (error);
}

static void
test_info_full (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalMemoryInfo) info = {0};

  agent_fixture_put_guest (root);
  test_root_put (root, "/sys/devices/system/memory/block_size_bytes", "8000000\n");
  test_root_put (root, "/proc/pressure/memory",
                 "some avg10=0.00 avg60=0.00 avg300=0.00 total=123\n"
                 "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n");
  read_info (root, &info);
  g_assert_cmpuint (info.total_bytes, ==, 4009396 * KIB);
  g_assert_cmpuint (info.free_bytes, ==, 3145728 * KIB);
  g_assert_cmpuint (info.available_bytes, ==, 3300000 * KIB);
  g_assert_cmpuint (info.swap_total_bytes, ==, 1048576 * KIB);
  g_assert_cmpuint (info.swap_free_bytes, ==, 1040384 * KIB);
  g_assert_cmpuint (info.block_bytes, ==, 128 * MIB);
  g_assert_cmpuint (info.held_bytes, ==, 7 * MIB);
  g_assert_true (info.has_psi);
  g_assert_cmpuint (info.psi_some_total_us, ==, 123);
  g_assert_cmpuint (info.psi_full_total_us, ==, 45);
  g_assert_cmpstr (info.boot_id, ==, "a07232b2-e769-4cc5-bc2f-0350a86d5b0a");
  g_assert_cmpint (info.init_on_alloc, ==, BAL_TRI_YES);
  g_assert_cmpint (info.page_poisoning, ==, BAL_TRI_UNKNOWN);
  /* Free less 5 % of the total, less page tables: the headroom is what limits here. */
  g_assert_cmpuint (info.holdable_bytes, <=, (3145728 - 4009396 / 20) * KIB);
  g_assert_cmpuint (info.holdable_bytes, >, (3145728 - 4009396 / 20 - 8192) * KIB);
}

static void
test_info_bare (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalMemoryInfo) info = {0};

  agent_fixture_put_guest (root);
  test_root_put (root, "/proc/sys/vm/overcommit_memory", "2\n");
  test_root_put (root, "/proc/sys/vm/panic_on_oom", "1\n");
  test_root_put (root, "/proc/sys/vm/oom_kill_allocating_task", "1\n");
  read_info (root, &info);
  g_assert_false (info.has_psi);
  g_assert_cmpuint (info.block_bytes, ==, 0);
  g_assert_cmpint (info.overcommit_mode, ==, 2);
  g_assert_cmpint (info.panic_on_oom, ==, 1);
  g_assert_true (info.oom_kill_allocating_task);
}

static void
test_info_unreadable (TestRoot *root, gconstpointer user_data)
{
  BalKernelFacts facts = {0};
  BalMemoryInfo info;
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_memory_info_read (root->path, &facts, &limits, 0, &info, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
  g_assert_null (info.boot_id);
}

static void
test_clean_cache (void)
{
  /* The smaller of the two views, less dirty pages. */
  g_assert_cmpuint (bal_memory_info_clean_cache ("Cached: 100 kB\nBuffers: 20 kB\nShmem: 30 kB\n"
                                                 "Active(file): 300 kB\nInactive(file): 0 kB\n"
                                                 "Dirty: 5 kB\nWriteback: 3 kB\n"),
                    ==, 82 * KIB);
  g_assert_cmpuint (bal_memory_info_clean_cache ("Cached: 100 kB\nBuffers: 0 kB\nShmem: 0 kB\n"
                                                 "Active(file): 10 kB\nInactive(file): 20 kB\n"),
                    ==, 30 * KIB);
  g_assert_cmpuint (bal_memory_info_clean_cache ("Cached: 10 kB\nShmem: 30 kB\nDirty: 5 kB\n"), ==,
                    0);
}

static void
test_cmdline (void)
{
  g_assert_cmpint (bal_cmdline_boolean ("quiet init_on_free=1", "init_on_free"), ==, BAL_TRI_YES);
  g_assert_cmpint (bal_cmdline_boolean ("init_on_free=on\n", "init_on_free"), ==, BAL_TRI_YES);
  g_assert_cmpint (bal_cmdline_boolean ("init-on-free=off", "init_on_free"), ==, BAL_TRI_NO);
  g_assert_cmpint (bal_cmdline_boolean ("init_on_free=1 init_on_free=0", "init_on_free"), ==,
                   BAL_TRI_NO);
  g_assert_cmpint (bal_cmdline_boolean ("quiet -- init_on_free=1", "init_on_free"), ==,
                   BAL_TRI_UNKNOWN);
  g_assert_cmpint (bal_cmdline_boolean ("xinit_on_free=1 init_on_free", "init_on_free"), ==,
                   BAL_TRI_UNKNOWN);
  g_assert_cmpint (bal_cmdline_boolean ("init_on_free=", "init_on_free"), ==, BAL_TRI_UNKNOWN);
}

static void
assert_facts (TestRoot *root, BalTri alloc, BalTri freed, BalTri poison)
{
  BalKernelFacts facts;

  bal_kernel_facts_read (root->path, "6.1.0", &facts);
  g_assert_cmpint (facts.init_on_alloc, ==, alloc);
  g_assert_cmpint (facts.init_on_free, ==, freed);
  g_assert_cmpint (facts.page_poisoning, ==, poison);
}

static void
test_kernel_facts (TestRoot *root, gconstpointer user_data)
{
  assert_facts (root, BAL_TRI_UNKNOWN, BAL_TRI_UNKNOWN, BAL_TRI_UNKNOWN);
  test_root_put (root, "/proc/cmdline", "quiet init_on_free=1 page_poison=on\n");
  assert_facts (root, BAL_TRI_UNKNOWN, BAL_TRI_YES, BAL_TRI_YES);
  test_root_put (root, "/dev/kmsg",
                 "6,1,0,-;mem auto-init: stack:all(zero), heap alloc:on, heap free:off\n");
  assert_facts (root, BAL_TRI_YES, BAL_TRI_YES, BAL_TRI_YES);
  test_root_put (root, "/proc/cmdline", "quiet\n");
  assert_facts (root, BAL_TRI_YES, BAL_TRI_NO, BAL_TRI_NO);
  test_root_put (root, "/boot/config-6.1.0",
                 "CONFIG_A=y\n# CONFIG_INIT_ON_ALLOC_DEFAULT_ON is not set\n"
                 "CONFIG_INIT_ON_FREE_DEFAULT_ON=y\n");
  assert_facts (root, BAL_TRI_NO, BAL_TRI_YES, BAL_TRI_NO);
}

static void
test_pressure (TestRoot *root, gconstpointer user_data)
{
  BalPressureSample before;
  BalPressureSample now;

  g_assert_false (bal_pressure_sample (root->path, &before));
  agent_fixture_put_guest (root);
  test_root_put (root, "/proc/vmstat",
                 "nr_free_pages 5\nallocstall_dma 1\nallocstall_normal 2\npgscan_kswapd 1000\n"
                 "pgscan_direct 30\npgscan_direct_throttle 0\npswpin 9\npswpout 400\n");
  g_assert_true (bal_pressure_sample (root->path, &before));
  g_assert_cmpuint (before.stalls, ==, 33);
  g_assert_cmpuint (before.swapped_pages, ==, 400);
  g_assert_cmpuint (before.scanned_pages, ==, 1030);
  g_assert_cmpuint (before.available_bytes, ==, 3300000 * KIB);
  now = before;
  g_assert_false (bal_pressure_decide (&before, &now, FALSE, FALSE));
  now.stalls++;
  g_assert_true (bal_pressure_decide (&before, &now, TRUE, FALSE));
  g_assert_false (bal_pressure_decide (&before, &now, FALSE, TRUE));
  now = before;
  now.swapped_pages++;
  g_assert_false (bal_pressure_decide (&before, &now, TRUE, TRUE));
  now.scanned_pages++;
  g_assert_true (bal_pressure_decide (&before, &now, TRUE, TRUE));
  now.swapped_pages--;
  g_assert_false (bal_pressure_decide (&before, &now, TRUE, TRUE));
  now = before;
  now.available_bytes /= 3;
  g_assert_true (bal_pressure_decide (&before, &now, FALSE, TRUE));
  g_assert_false (bal_pressure_decide (&before, &now, TRUE, TRUE));
}

static void
assert_trim (TestRoot *root, guint64 bytes, const char *method)
{
  g_auto (BalTrim) trim = {0};
  g_autoptr (GError) error = NULL;

  bal_trim (root->path, bytes, &trim, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (trim.method, ==, method);
  g_assert_cmpuint (trim.trimmed_bytes, ==, 0);
}

static void
test_trim (TestRoot *root, gconstpointer user_data)
{
  g_auto (BalTrim) trim = {0};
  g_autoptr (GError) error = NULL;

  agent_fixture_put_guest (root);
  g_assert_false (bal_trim (root->path, MIB, &trim, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
  test_root_put (root, "/proc/sys/vm/drop_caches", "");
  assert_trim (root, MIB, "drop_caches");
  g_autofree char *dropped = test_root_get (root, "/proc/sys/vm/drop_caches");
  g_assert_cmpstr (dropped, ==, "1");
  test_root_put (root, "/sys/fs/cgroup/memory.reclaim", "");
  assert_trim (root, MIB, "memory.reclaim");
  g_autofree char *reclaimed = test_root_get (root, "/sys/fs/cgroup/memory.reclaim");
  g_assert_cmpstr (reclaimed, ==, "1048576 swappiness=0");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/memory-info/full", test_info_full);
  TEST_ROOT_ADD ("/memory-info/bare", test_info_bare);
  TEST_ROOT_ADD ("/memory-info/unreadable", test_info_unreadable);
  g_test_add_func ("/memory-info/clean-cache", test_clean_cache);
  g_test_add_func ("/kernel-facts/cmdline", test_cmdline);
  TEST_ROOT_ADD ("/kernel-facts/sources", test_kernel_facts);
  TEST_ROOT_ADD ("/pressure/decides", test_pressure);
  TEST_ROOT_ADD ("/trim/methods", test_trim);
  return g_test_run ();
}
