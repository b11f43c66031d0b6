/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "tests/unit/test-root.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);

static TestRoot root;

static GLogWriterOutput
drop (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return g_log_writer_standard_streams (level, fields, n_fields, user_data);
  return G_LOG_WRITER_HANDLED;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  g_log_set_writer_func (drop, NULL, NULL);
  return 0;
}

char *
fuzz_text (const guint8 *data, size_t size)
{
  gsize length = strnlen ((const char *)data, size);
  char *text = g_malloc (length + 1);

  memcpy (text, data, length);
  text[length] = '\0';
  return text;
}

char *
fuzz_bytes (const guint8 *data, size_t size)
{
  /* Not g_memdup2(), which gives NULL for nothing. */
  return size == 0 ? g_strdup ("") : g_memdup2 (data, size);
}

void
fuzz_check_error (gboolean accepted, const GError *error)
{
  g_assert_true (accepted == (error == NULL));
  if (error == NULL)
    return;
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strchr (error->message, '\n'));
}

static void
remove_root (void)
{
  test_root_tear_down (&root, NULL);
}

const char *
fuzz_root (void)
{
  if (root.path == NULL)
    {
      g_setenv ("TMPDIR", "/dev/shm", TRUE);
      test_root_set_up (&root, NULL);
      atexit (remove_root);
    }
  return root.path;
}

void
fuzz_put (const char *path, const void *data, gsize length)
{
  fuzz_root ();
  test_root_put_bytes (&root, path, data, length);
}
