/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/file-io.h"

#include "test-root.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_path_below_root (void)
{
  static const struct
  {
    const char *root;
    const char *path;
  } cases[] = {
    {NULL, "/proc/1"},
    {"", "/proc/1"},
    {"/", "/proc/1"},
    {"/tmp/x", "/tmp/x/proc/1"},
    {"/tmp/x/", "/tmp/x/proc/1"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = bal_root_path (cases[i].root, "/proc/1");
      g_assert_cmpstr (path, ==, cases[i].path);
    }
}

static void
test_write_durably (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = test_root_path (root, "a");

  bal_write_durably (root->path, "a", "first", 5, 0600, &error);
  g_assert_no_error (error);
  bal_write_durably (root->path, "a", "second\0x", 8, 0600, &error);
  g_assert_no_error (error);

  gsize length_bytes = 0;
  g_autofree char *content = bal_read_file (path, 100, &length_bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (content, length_bytes, "second\0x", 8);
  GStatBuf info;
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  g_assert_cmpuint (test_root_count (root, ""), ==, 1);
}

static void
test_failed_write_leaves_the_old (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  /* A folder in the target's place makes the rename fail, as root too. */
  g_autofree char *path = test_root_path (root, "a");
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);

  g_assert_false (bal_write_durably (root->path, "a", "x", 1, 0600, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_cmpuint (test_root_count (root, ""), ==, 1);
}

static void
test_write_to_no_folder (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = test_root_path (root, "none");
  g_assert_false (bal_write_durably (folder, "a", "x", 1, 0600, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_full_disk (void)
{
  g_autoptr (GError) error = NULL;
  BAL_AUTO_FD fd = bal_open ("/dev/full", O_WRONLY, 0, &error);
  g_assert_no_error (error);
  g_assert_false (bal_write_all (fd, "x", 1, "/dev/full", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
}

static void
test_remove_durably (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  bal_write_durably (root->path, "a", "x", 1, 0600, &error);
  g_assert_no_error (error);
  g_assert_true (bal_remove_durably (root->path, "a", &error));
  g_assert_cmpuint (test_root_count (root, ""), ==, 0);
  g_assert_true (bal_remove_durably (root->path, "a", &error));
  g_assert_true (bal_remove_durably ("/nonexistent/folder", "a", &error));
  g_assert_no_error (error);

  g_autofree char *child = test_root_path (root, "folder");
  g_assert_cmpint (g_mkdir (child, 0700), ==, 0);
  g_assert_false (bal_remove_durably (root->path, "folder", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
}

static void
test_read_limit (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *path = test_root_path (root, "a");
  g_autofree char *data = g_strnfill (100000, 'x');
  g_autoptr (GError) error = NULL;
  test_root_put (root, "a", data);

  gsize length_bytes = 0;
  g_autofree char *whole = bal_read_file (path, 100000, &length_bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (length_bytes, ==, 100000);
  g_assert_cmpstr (whole, ==, data);

  g_autofree char *none = bal_read_file (path, 99999, NULL, &error);
  g_assert_null (none);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);

  /* Without an end, a limit all the same. */
  g_clear_error (&error);
  g_autofree char *zero = bal_read_file ("/dev/zero", 1000000, NULL, &error);
  g_assert_null (zero);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static void
test_read_proc (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *status = bal_read_file ("/proc/self/status", 100000, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (status, "Name:"));
}

static void
test_close_on_exec (void)
{
  BAL_AUTO_FD fd = bal_open ("/dev/null", O_RDONLY, 0, NULL);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/file-io/root-path", test_path_below_root);
  TEST_ROOT_ADD ("/file-io/write-durably", test_write_durably);
  TEST_ROOT_ADD ("/file-io/failed-write-leaves-the-old", test_failed_write_leaves_the_old);
  TEST_ROOT_ADD ("/file-io/write-to-no-folder", test_write_to_no_folder);
  g_test_add_func ("/file-io/full-disk", test_full_disk);
  TEST_ROOT_ADD ("/file-io/remove-durably", test_remove_durably);
  TEST_ROOT_ADD ("/file-io/read-limit", test_read_limit);
  g_test_add_func ("/file-io/read-proc", test_read_proc);
  g_test_add_func ("/file-io/close-on-exec", test_close_on_exec);
  return g_test_run ();
}
