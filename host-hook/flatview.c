/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/flatview.h"

#include "protocol/limits.h"

#include <string.h>

G_DEFINE_QUARK (bal_flatview_error, bal_flatview_error)

static void
flat_range_clear (gpointer data)
{
  BalFlatRange *self = data;
  g_clear_pointer (&self->region, g_free);
}

void
bal_flatview_free (BalFlatView *self)
{
  g_array_unref (self->ranges);
  g_free (self);
}

static gboolean
fail_syntax (GError **error)
{
  g_set_error_literal (error, BAL_FLATVIEW_ERROR, BAL_FLATVIEW_ERROR_SYNTAX,
                       "QEMU's memory map does not read as expected");
  return FALSE;
}

/* Takes a hexadecimal number off the front of *@text. */
static gboolean
take_hex (const char **text, guint64 *out)
{
  const char *end = *text;
  while (g_ascii_isxdigit (*end))
    end++;
  if (end == *text || end - *text > 16)
    return FALSE;
  *out = g_ascii_strtoull (*text, NULL, 16);
  *text = end;
  return TRUE;
}

static gboolean
take_literal (const char **text, const char *literal)
{
  if (!g_str_has_prefix (*text, literal))
    return FALSE;
  *text += strlen (literal);
  return TRUE;
}

/* "pc.ram", "pc.ram KVM", "pc.ram @0000000080000000", "pc.ram @0000000080000000 KVM": the
 * accelerator follows when it has the range (mtree_print_flatview). Names may hold spaces. */
static gboolean
parse_region (const char *text, BalFlatRange *range)
{
  g_autofree char *name = g_strdup (text);
  if (g_str_has_suffix (name, " KVM"))
    name[strlen (name) - strlen (" KVM")] = '\0';

  char *at = g_strrstr (name, " @");
  if (at != NULL)
    {
      const char *offset = at + strlen (" @");
      if (!take_hex (&offset, &range->offset) || *offset != '\0')
        return FALSE;
      *at = '\0';
    }
  if (*name == '\0' || range->offset > BAL_ADDRESS_LIMIT)
    return FALSE;
  range->region = g_steal_pointer (&name);
  return TRUE;
}

/* An entry: "  START-END (prio N, TYPE): REGION". @is_ram says whether @range was set; the caller
 * frees its region then. */
static gboolean
parse_entry (const char *line, gboolean *is_ram, BalFlatRange *range)
{
  guint64 last;

  *is_ram = FALSE;
  if (!take_hex (&line, &range->start) || !take_literal (&line, "-") || !take_hex (&line, &last)
      || !take_literal (&line, " (prio ") || last < range->start)
    return FALSE;
  line += strspn (line, "-0123456789");
  if (!take_literal (&line, ", "))
    return FALSE;
  if (!take_literal (&line, "ram): ") && !take_literal (&line, "nv-ram): "))
    return strstr (line, "): ") != NULL;
  if (last >= BAL_ADDRESS_LIMIT)
    return FALSE;
  range->length = last - range->start + 1;
  *is_ram = TRUE;
  return parse_region (line, range);
}

/* Takes over the region's name on success. */
static gboolean
append_range (GArray *ranges, BalFlatRange *range)
{
  if (ranges->len > 0)
    {
      BalFlatRange *last = &g_array_index (ranges, BalFlatRange, ranges->len - 1);
      if (range->start < last->start + last->length)
        return FALSE;
      if (range->start == last->start + last->length && range->offset == last->offset + last->length
          && strcmp (range->region, last->region) == 0)
        {
          last->length += range->length;
          flat_range_clear (range);
          return TRUE;
        }
    }
  if (ranges->len == BAL_FLATVIEW_RANGES_MAX)
    return FALSE;
  g_array_append_val (ranges, *range);
  return TRUE;
}

static gboolean
add_line (GArray *ranges, const char *line, GError **error)
{
  BalFlatRange range = {0};
  gboolean is_ram;

  if (!parse_entry (line, &is_ram, &range) || (is_ram && !append_range (ranges, &range)))
    {
      flat_range_clear (&range);
      return fail_syntax (error);
    }
  return TRUE;
}

/* The lines of the FlatView that @lines is in, which name it and then list it; the next one begins
 * with its number. */
static gboolean
parse_view (char **lines, GArray *ranges, GError **error)
{
  for (; *lines != NULL && !g_str_has_prefix (*lines, "FlatView #"); lines++)
    if (g_str_has_prefix (*lines, "  ") && g_ascii_isxdigit ((*lines)[2])
        && !add_line (ranges, *lines + 2, error))
      return FALSE;
  return TRUE;
}

BalFlatView *
bal_flatview_parse (const char *text, GError **error)
{
  if (strlen (text) > BAL_FLATVIEW_TEXT_MAX_BYTES)
    {
      fail_syntax (error);
      return NULL;
    }
  g_autoptr (BalFlatView) self = g_new0 (BalFlatView, 1);
  self->ranges = g_array_new (FALSE, TRUE, sizeof (BalFlatRange));
  g_array_set_clear_func (self->ranges, flat_range_clear);

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean found = FALSE;
  for (char **line = lines; *line != NULL; line++)
    g_strchomp (*line);
  for (char **line = lines; *line != NULL && !found; line++)
    if (g_str_has_prefix (*line, " AS \"memory\", root: "))
      {
        found = TRUE;
        if (!parse_view (line, self->ranges, error))
          return NULL;
      }

  if (self->ranges->len == 0)
    {
      g_set_error_literal (error, BAL_FLATVIEW_ERROR, BAL_FLATVIEW_ERROR_NO_MEMORY,
                           "QEMU's memory map shows no guest memory");
      return NULL;
    }
  return g_steal_pointer (&self);
}

char *
bal_flatview_gpa2hva_command (const BalFlatRange *range)
{
  return g_strdup_printf ("gpa2hva 0x%" G_GINT64_MODIFIER "x", range->start);
}

gboolean
bal_flatview_gpa2hva_parse (const char *text,
                            const BalFlatRange *range,
                            guint64 *hva,
                            GError **error)
{
  g_autofree char *lead =
    g_strdup_printf ("Host virtual address for 0x%" G_GINT64_MODIFIER "x (%s) is 0x", range->start,
                     range->region);
  const char *rest = text;
  guint64 address;

  if (take_literal (&rest, lead) && take_hex (&rest, &address)
      && strspn (rest, "\r\n") == strlen (rest) && address != 0
      && address <= G_MAXUINT64 - range->length)
    {
      *hva = address;
      return TRUE;
    }
  g_set_error_literal (error, BAL_FLATVIEW_ERROR, BAL_FLATVIEW_ERROR_NOT_MAPPED,
                       "QEMU gives no host address for a part of the guest's memory");
  return FALSE;
}
