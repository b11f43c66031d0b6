/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

char *
bal_proc_path (const char *root, const char *path)
{
  return g_strconcat (root, path, NULL);
}

int
bal_proc_open (const char *root, const char *path, int flags, GError **error)
{
  g_autofree char *full = bal_proc_path (root, path);
  int fd = open (full, flags | O_CLOEXEC | O_NOCTTY);

  if (fd < 0)
    {
      int saved = errno;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), "Cannot open %s: %s", full,
                   g_strerror (saved));
    }
  return fd;
}

char *
bal_proc_read (const char *root, const char *path, GError **error)
{
  g_autofree char *full = bal_proc_path (root, path);
  char *text = NULL;

  if (!g_file_get_contents (full, &text, NULL, error))
    return NULL;
  return text;
}

gboolean
bal_proc_write (const char *root, const char *path, const char *text, int *error_number)
{
  g_autofree char *full = bal_proc_path (root, path);
  int fd = open (full, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  gsize length = strlen (text);
  gssize written;
  int saved;

  written = fd < 0 ? -1 : write (fd, text, length);
  saved = errno;
  if (fd >= 0)
    close (fd);
  if (written == (gssize)length)
    return TRUE;
  if (error_number != NULL)
    *error_number = written < 0 ? saved : EIO;
  return FALSE;
}

gboolean
bal_proc_read_integer (const char *root, const char *path, gint64 *out, GError **error)
{
  g_autofree char *text = bal_proc_read (root, path, error);

  if (text == NULL)
    return FALSE;
  g_strstrip (text);
  if (g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, out, NULL))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s%s holds no number", root, path);
  return FALSE;
}

static gboolean
number_at (const char *text, guint64 *out)
{
  char *end;

  while (*text == ' ' || *text == '\t')
    text++;
  if (!g_ascii_isdigit (*text))
    return FALSE;
  *out = g_ascii_strtoull (text, &end, 10);
  return TRUE;
}

static const char *
next_line (const char *line)
{
  const char *newline = strchr (line, '\n');

  return newline != NULL ? newline + 1 : NULL;
}

gboolean
bal_proc_find_number (const char *text, const char *key, guint64 *out)
{
  gsize length = strlen (key);

  for (const char *line = text; line != NULL; line = next_line (line))
    if (strncmp (line, key, length) == 0 && (line[length] == ' ' || line[length] == '\t'))
      return number_at (line + length, out);
  return FALSE;
}

guint64
bal_proc_sum_numbers (const char *text, const char *prefix)
{
  guint64 sum = 0;

  for (const char *line = text; line != NULL; line = next_line (line))
    {
      guint64 number;

      if (g_str_has_prefix (line, prefix) && number_at (line + strcspn (line, " \n"), &number))
        sum += number;
    }
  return sum;
}

guint64
bal_meminfo_bytes (const char *meminfo, const char *key)
{
  guint64 kib = 0;

  if (!bal_proc_find_number (meminfo, key, &kib) || kib > G_MAXUINT64 / 1024)
    return 0;
  return kib * 1024;
}
