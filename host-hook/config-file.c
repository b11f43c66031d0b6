/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/config-file.h"

#include "host-hook/file-io.h"
#include "protocol/codec.h"

G_DEFINE_QUARK (bal_config_error, bal_config_error)

GKeyFile *
bal_config_file_parse (const char *text, gsize length_bytes, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) cause = NULL;

  if (g_key_file_load_from_data (file, text, length_bytes, G_KEY_FILE_NONE, &cause))
    return g_steal_pointer (&file);
  g_autofree char *shown = bal_escape_for_display (cause->message);
  g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, "%s: %s", path, shown);
  return NULL;
}

GKeyFile *
bal_config_file_load (const char *path, gboolean must_exist, GError **error)
{
  gsize length_bytes = 0;
  g_autoptr (GError) cause = NULL;
  g_autofree char *text = bal_read_file (path, BAL_CONFIG_MAX_BYTES, &length_bytes, &cause);

  if (text != NULL)
    return bal_config_file_parse (text, length_bytes, path, error);
  if (!must_exist && g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return g_key_file_new ();
  g_set_error_literal (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, cause->message);
  return NULL;
}
