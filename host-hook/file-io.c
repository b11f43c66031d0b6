/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/file-io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP_BYTES 16384

/* @sentence: "Cannot read", and so on. Uses errno. */
static void
set_error (GError **error, const char *sentence, const char *path)
{
  int code = errno;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s %s: %s", sentence, path,
               g_strerror (code));
}

char *
bal_root_path (const char *root, const char *path)
{
  if (root == NULL || *root == '\0' || strcmp (root, "/") == 0)
    return g_strdup (path);
  return g_build_filename (root, path, NULL);
}

int
bal_open (const char *path, int flags, mode_t mode, GError **error)
{
  int fd;
  do
    fd = open (path, flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0)
    set_error (error, "Cannot open", path);
  return fd;
}

gssize
bal_read (int fd, void *buffer, gsize length_bytes, const char *path, GError **error)
{
  gssize n;
  do
    n = read (fd, buffer, length_bytes);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    set_error (error, "Cannot read", path);
  return n;
}

gssize
bal_pread (
  int fd, void *buffer, gsize length_bytes, guint64 offset, const char *path, GError **error)
{
  gssize n;
  do
    n = pread (fd, buffer, length_bytes, (off_t)offset);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    set_error (error, "Cannot read", path);
  return n;
}

gboolean
bal_write_all (int fd, const void *data, gsize length_bytes, const char *path, GError **error)
{
  const char *next = data;
  while (length_bytes > 0)
    {
      gssize n = write (fd, next, length_bytes);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          set_error (error, "Cannot write", path);
          return FALSE;
        }
      next += n;
      length_bytes -= (gsize)n;
    }
  return TRUE;
}

gboolean
bal_fsync (int fd, const char *path, GError **error)
{
  int result;
  do
    result = fsync (fd);
  while (result < 0 && errno == EINTR);
  if (result < 0)
    set_error (error, "Cannot write to disk", path);
  return result == 0;
}

gboolean
bal_rename (const char *from, const char *to, GError **error)
{
  if (rename (from, to) == 0)
    return TRUE;
  set_error (error, "Cannot replace", to);
  return FALSE;
}

gboolean
bal_unlink (const char *path, GError **error)
{
  if (unlink (path) == 0)
    return TRUE;
  set_error (error, "Cannot remove", path);
  return FALSE;
}

gboolean
bal_make_folder (const char *path, mode_t mode, GError **error)
{
  if (g_mkdir_with_parents (path, (int)mode) == 0)
    return TRUE;
  set_error (error, "Cannot make the folder", path);
  return FALSE;
}

char *
bal_read_file (const char *path, gsize max_bytes, gsize *length_bytes, GError **error)
{
  BAL_AUTO_FD fd = bal_open (path, O_RDONLY | O_NONBLOCK, 0, error);
  if (fd < 0)
    return NULL;

  /* By growing, because files in /proc have no size. */
  g_autoptr (GString) content = g_string_new (NULL);
  for (;;)
    {
      gsize length = content->len;
      g_string_set_size (content, length + READ_STEP_BYTES);
      gssize n = bal_read (fd, content->str + length, READ_STEP_BYTES, path, error);
      if (n < 0)
        return NULL;
      g_string_set_size (content, length + (gsize)n);
      if (n == 0)
        break;
      if (content->len > max_bytes)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                       "Cannot read %s: it is longer than %" G_GSIZE_FORMAT " bytes", path,
                       max_bytes);
          return NULL;
        }
    }
  if (length_bytes != NULL)
    *length_bytes = content->len;
  return g_string_free (g_steal_pointer (&content), FALSE);
}

static gboolean
sync_folder (const char *folder, GError **error)
{
  BAL_AUTO_FD fd = bal_open (folder, O_RDONLY | O_DIRECTORY, 0, error);
  return fd >= 0 && bal_fsync (fd, folder, error);
}

/* Writes a new file and makes sure that it is on the disk. */
static gboolean
write_new_file (const char *path, const void *data, gsize length_bytes, mode_t mode, GError **error)
{
  int fd = bal_open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = bal_write_all (fd, data, length_bytes, path, error) && bal_fsync (fd, path, error);
  if (ok)
    return g_close (fd, error);
  g_close (fd, NULL);
  return FALSE;
}

gboolean
bal_write_durably (const char *folder,
                   const char *name,
                   const void *data,
                   gsize length_bytes,
                   mode_t mode,
                   GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *temporary =
    g_strdup_printf ("%s/.%s.tmp-%08x%08x", folder, name, g_random_int (), g_random_int ());

  if (!write_new_file (temporary, data, length_bytes, mode, error)
      || !bal_rename (temporary, path, error))
    {
      unlink (temporary);
      return FALSE;
    }
  return sync_folder (folder, error);
}

gboolean
bal_remove_durably (const char *folder, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) local_error = NULL;

  /* A removal by a process that died before its fsync is made durable here, too. */
  if (!bal_unlink (path, &local_error)
      && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (local_error != NULL && !g_file_test (folder, G_FILE_TEST_IS_DIR))
    return TRUE;
  return sync_folder (folder, error);
}
