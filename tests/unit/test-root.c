/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-root.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>

void
test_root_set_up (TestRoot *self, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;

  self->path = g_dir_make_tmp ("ballast-test-XXXXXX", &error);
  g_assert_no_error (error);
}

static int
remove_one (const char *path, const struct stat *info, int type, struct FTW *place)
{
  return remove (path);
}

void
test_root_tear_down (TestRoot *self, gconstpointer user_data)
{
  g_assert_cmpint (nftw (self->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), ==, 0);
  g_free (self->path);
}

char *
test_root_path (const TestRoot *self, const char *path)
{
  return g_build_filename (self->path, path, NULL);
}

void
test_root_put_bytes (const TestRoot *self, const char *path, const void *data, gsize length)
{
  g_autofree char *full = test_root_path (self, path);
  g_autofree char *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_file_set_contents (full, data, (gssize)length, &error);
  g_assert_no_error (error);
}

void
test_root_put (const TestRoot *self, const char *path, const char *text)
{
  test_root_put_bytes (self, path, text, strlen (text));
}

char *
test_root_get (const TestRoot *self, const char *path)
{
  g_autofree char *full = test_root_path (self, path);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (full, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

guint
test_root_count (const TestRoot *self, const char *path)
{
  g_autofree char *full = test_root_path (self, path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) folder = g_dir_open (full, 0, &error);
  guint n = 0;

  g_assert_no_error (error);
  while (g_dir_read_name (folder) != NULL)
    n++;
  return n;
}
