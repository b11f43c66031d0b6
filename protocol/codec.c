/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/codec.h"

#include "protocol/json-parse.h"
#include "protocol/limits.h"

#include <string.h>

G_DEFINE_QUARK (bal_codec_error, bal_codec_error)

JsonObject *
bal_json_parse_line (const char *line, gsize length_bytes, GError **error)
{
  return bal_json_parse_object (line, length_bytes, error);
}

char *
bal_json_to_line (JsonObject *object, gboolean sentinel, gsize *length_bytes)
{
  g_autoptr (JsonNode) root = json_node_init_object (json_node_alloc (), object);
  g_autofree char *text = json_to_string (root, FALSE);
  char *line = g_strconcat (sentinel ? "\xff" : "", text, "\n", NULL);

  *length_bytes = strlen (line);
  return line;
}

/* TRUE for what a terminal shows as itself, in its place. */
static gboolean
is_harmless (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* bidirectional overrides and invisible characters */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
      return FALSE;
    default:
      return TRUE;
    }
}

static char *
escape (const char *text, gsize max_chars)
{
  static const char ellipsis[] = "...";
  GString *out = g_string_new (NULL);
  gsize cut_at = 0; /* where the ellipsis goes if all does not fit */
  gsize chars = 0;

  while (*text != '\0')
    {
      gunichar c = g_utf8_get_char_validated (text, -1);
      gboolean is_valid = c != (gunichar)-1 && c != (gunichar)-2;
      gsize bytes = is_valid ? (gsize)(g_utf8_next_char (text) - text) : 1;
      gboolean is_plain = is_valid && is_harmless (c);

      chars += is_plain ? 1 : 4 * bytes;
      if (chars > max_chars)
        {
          g_string_truncate (out, cut_at);
          g_string_append (out, ellipsis);
          break;
        }
      if (is_plain)
        g_string_append_len (out, text, (gssize)bytes);
      else
        for (gsize i = 0; i < bytes; i++)
          g_string_append_printf (out, "\\x%02x", (guchar)text[i]);
      if (chars <= max_chars - strlen (ellipsis))
        cut_at = out->len;
      text += bytes;
    }
  return g_string_free (out, FALSE);
}

char *
bal_escape_for_display (const char *text)
{
  return escape (text, BAL_STRING_MAX_CHARS);
}

char *
bal_escape_whole (const char *text)
{
  return escape (text, G_MAXSIZE);
}
