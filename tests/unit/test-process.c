/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/process.h"

#include "test-root.h"

#include <string.h>
#include <unistd.h>

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define STAT_AFTER_STATE                                                                           \
  " 1 2 3 0 -1 4194560 1 0 0 0 10 20 0 0 20 0 4 0 123456 4096 100 18446744073709551615\n"

static void
set_up (TestRoot *root, gconstpointer user_data)
{
  static const char cmdline[] = "/usr/bin/qemu\0-name\0guest=vm\0-uuid\0" UUID "\0-S";

  test_root_set_up (root, NULL);
  test_root_put (root, "run/libvirt/qemu/vm.pid", "4711\n");
  test_root_put (root, "proc/4711/stat", "4711 (a) S 9 (b) S" STAT_AFTER_STATE);
  test_root_put_bytes (root, "proc/4711/cmdline", cmdline, sizeof cmdline);
  test_root_put (
    root, "proc/4711/status",
    "Name:\tqemu\nVmHWM:\t  99 kB\nVmRSS:\t 3000 kB\nRssAnon:\t 2000 kB\nRssFile:\t 900 kB\n"
    "RssShmem:\t 100 kB\nVmSwap:\t 7 kB\nHugetlbPages:\t 2048 kB\n");
}

static void
test_find_qemu (TestRoot *root, gconstpointer user_data)
{
  BalIncarnation qemu = {0};
  g_autoptr (GError) error = NULL;
  bal_process_find_qemu (root->path, "vm", UUID, &qemu, &error);
  g_assert_no_error (error);
  g_assert_cmpint (qemu.pid, ==, 4711);
  g_assert_cmpuint (qemu.start_ticks, ==, 123456);
}

static void
assert_not_found (TestRoot *root, const char *name, const char *uuid, int code)
{
  BalIncarnation qemu = {1, 2};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_process_find_qemu (root->path, name, uuid, &qemu, &error));
  g_assert_error (error, BAL_PROCESS_ERROR, code);
  g_assert_cmpint (qemu.pid, ==, 1);
}

static void
test_not_found (TestRoot *root, gconstpointer user_data)
{
  assert_not_found (root, "off", UUID, BAL_PROCESS_ERROR_GONE);
  assert_not_found (root, "", UUID, BAL_PROCESS_ERROR_INVALID);
  assert_not_found (root, "../vm", UUID, BAL_PROCESS_ERROR_INVALID);
  assert_not_found (root, "vm", "00000000-0000-4000-8000-000000000000", BAL_PROCESS_ERROR_GONE);

  /* The UUID elsewhere on the command line is not the domain's. */
  static const char other[] = "/usr/bin/qemu\0-name\0" UUID "\0-uuid";
  test_root_put_bytes (root, "proc/4711/cmdline", other, sizeof other);
  assert_not_found (root, "vm", UUID, BAL_PROCESS_ERROR_GONE);
  test_root_put (root, "proc/4711/cmdline", "");
  assert_not_found (root, "vm", UUID, BAL_PROCESS_ERROR_GONE);

  static const char *const bad_pids[] = {"", "x", "-4711", "0", "99999999999", "4711 1"};
  for (gsize i = 0; i < G_N_ELEMENTS (bad_pids); i++)
    {
      test_root_put (root, "run/libvirt/qemu/vm.pid", bad_pids[i]);
      assert_not_found (root, "vm", UUID, BAL_PROCESS_ERROR_GONE);
    }
  test_root_put (root, "run/libvirt/qemu/vm.pid", "4712");
  assert_not_found (root, "vm", UUID, BAL_PROCESS_ERROR_GONE);
}

static void
test_bad_stat (TestRoot *root, gconstpointer user_data)
{
  static const char *const bad[] = {
    "",
    "4711",
    "4711 (a",
    "4711 (a)",
    "4711 (a) S 1 2 3",
    "4711 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20",
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      test_root_put (root, "proc/4711/stat", bad[i]);
      assert_not_found (root, "vm", UUID, BAL_PROCESS_ERROR_INVALID);
    }
}

static void
test_is_alive (TestRoot *root, gconstpointer user_data)
{
  BalIncarnation qemu = {4711, 123456};
  BalIncarnation earlier = {4711, 123455};
  BalIncarnation other = {4712, 123456};
  BalIncarnation none = {0, 0};
  g_assert_true (bal_process_is_alive (root->path, &qemu));
  g_assert_false (bal_process_is_alive (root->path, &earlier));
  g_assert_false (bal_process_is_alive (root->path, &other));
  g_assert_false (bal_process_is_alive (root->path, &none));

  test_root_put (root, "proc/4711/stat", "4711 (qemu) Z" STAT_AFTER_STATE);
  g_assert_false (bal_process_is_alive (root->path, &qemu));
}

static void
test_memory (TestRoot *root, gconstpointer user_data)
{
  BalIncarnation qemu = {4711, 123456};
  BalProcessMemory memory;
  g_autoptr (GError) error = NULL;
  bal_process_memory (root->path, &qemu, &memory, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (memory.rss_bytes, ==, 3000 * 1024);
  g_assert_cmpuint (memory.rss_anon_bytes, ==, 2000 * 1024);
  g_assert_cmpuint (memory.rss_shmem_bytes, ==, 100 * 1024);
  g_assert_cmpuint (memory.swap_bytes, ==, 7 * 1024);
  g_assert_cmpuint (memory.hugetlb_bytes, ==, 2048 * 1024);
}

static void
test_memory_refused (TestRoot *root, gconstpointer user_data)
{
  BalIncarnation qemu = {4711, 123456};
  BalIncarnation earlier = {4711, 1};
  BalProcessMemory memory;
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_process_memory (root->path, &earlier, &memory, &error));
  g_assert_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE);

  static const char *const bad[] = {"Name:\tqemu\n", "Name:\tq\nVmRSS:\tx kB\n",
                                    "Name:\tq\nVmRSS:\t1\n",
                                    "Name:\tq\nVmRSS:\t99999999999999999999 kB\n"};
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_clear_error (&error);
      test_root_put (root, "proc/4711/status", bad[i]);
      g_assert_false (bal_process_memory (root->path, &qemu, &memory, &error));
      g_assert_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_INVALID);
    }
}

static void
test_this_process (void)
{
  BalIncarnation self;
  BalProcessMemory memory;
  g_autoptr (GError) error = NULL;
  bal_process_incarnation ("/", getpid (), &self, &error);
  g_assert_no_error (error);
  g_assert_true (bal_process_is_alive ("/", &self));
  bal_process_memory ("/", &self, &memory, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (memory.rss_bytes, >, 100 * 1024);
  g_autofree char *boot_id = bal_host_boot_id ("/", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (boot_id), ==, 36);
}

static void
test_incarnation_text (void)
{
  BalIncarnation value = {4711, G_MAXUINT64};
  BalIncarnation again;
  g_autofree char *text = bal_incarnation_to_string (&value);
  g_assert_cmpstr (text, ==, "4711-18446744073709551615");
  g_assert_true (bal_incarnation_from_string (text, &again));
  g_assert_true (bal_incarnation_equal (&value, &again));

  static const char *const bad[] = {"",      "-",   "1",    "1-",           "-1",
                                    "1-2-3", "1-x", "1--2", "99999999999-1"};
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (bal_incarnation_from_string (bad[i], &again));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add (name, TestRoot, NULL, set_up, function, test_root_tear_down)
  ADD ("/process/find-qemu", test_find_qemu);
  ADD ("/process/not-found", test_not_found);
  ADD ("/process/bad-stat", test_bad_stat);
  ADD ("/process/is-alive", test_is_alive);
  ADD ("/process/memory", test_memory);
  ADD ("/process/memory-refused", test_memory_refused);
  g_test_add_func ("/process/this-process", test_this_process);
  g_test_add_func ("/process/incarnation-text", test_incarnation_text);
  return g_test_run ();
}
