/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/zoneinfo.h"

#include "guest-agent/proc-files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *
open_lines (const char *root, const char *path, GError **error)
{
  int fd = bal_proc_open (root, path, O_RDONLY, error);

  return fd < 0 ? NULL : fdopen (fd, "r");
}

/* "        protection: (0, 2975, 3933, 3933)": a page for user space may be taken from this zone
 * only above the reserve for the highest zone it could come from, which is the largest number. */
static guint64
largest_number (const char *list)
{
  guint64 largest = 0;

  while (*list != '\0')
    if (g_ascii_isdigit (*list))
      {
        char *end;
        guint64 number = g_ascii_strtoull (list, &end, 10);

        largest = MAX (largest, number);
        list = end;
      }
    else
      list++;
  return largest;
}

/* One line of the section that begins at "pages free". Per-CPU lines carry a colon, so that their
 * "high:" is not taken for the zone's. */
static void
parse_pages_line (BalZone *zone, const char *line)
{
  guint64 number;

  line += strspn (line, " ");
  if (bal_proc_find_number (line, "pages free", &number))
    zone->free_pages = number;
  else if (bal_proc_find_number (line, "high", &number))
    zone->high_pages = number;
  else if (bal_proc_find_number (line, "managed", &number))
    zone->managed_pages = number;
  else if (g_str_has_prefix (line, "protection:"))
    zone->protection_pages = largest_number (line);
  else if (bal_proc_find_number (line, "count:", &number))
    zone->per_cpu_pages += number;
}

static void
parse_zoneinfo (FILE *stream, BalZones *out)
{
  BalZone *zone = NULL;
  char *line = NULL;
  gsize size = 0;

  while (getline (&line, &size, stream) >= 0)
    {
      guint node;

      if (sscanf (line, "Node %u, zone", &node) == 1)
        {
          zone = out->count < BAL_ZONES_MAX ? &out->zones[out->count++] : NULL;
          if (zone != NULL)
            *zone = (BalZone){.node = node};
        }
      else if (zone != NULL)
        parse_pages_line (zone, line);
    }
  free (line);
}

gboolean
bal_zones_read (const char *root, BalZones *out, GError **error)
{
  FILE *stream = open_lines (root, "/proc/zoneinfo", error);

  out->count = 0;
  if (stream == NULL)
    return FALSE;
  parse_zoneinfo (stream, out);
  fclose (stream);
  if (out->count > 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s/proc/zoneinfo names no zone", root);
  return FALSE;
}

guint64
bal_zones_free_pages (const BalZones *self)
{
  guint64 pages = 0;

  for (guint i = 0; i < self->count; i++)
    pages += self->zones[i].free_pages;
  return pages;
}

guint64
bal_zones_node_free_pages (const BalZones *self, guint node)
{
  guint64 pages = 0;

  for (guint i = 0; i < self->count; i++)
    if (self->zones[i].node == node)
      pages += self->zones[i].free_pages + self->zones[i].per_cpu_pages;
  return pages;
}

guint64
bal_zones_managed_pages (const BalZones *self)
{
  guint64 pages = 0;

  for (guint i = 0; i < self->count; i++)
    pages += self->zones[i].managed_pages;
  return pages;
}

gboolean
bal_zones_many_nodes (const BalZones *self)
{
  for (guint i = 1; i < self->count; i++)
    if (self->zones[i].node != self->zones[0].node && self->zones[i].managed_pages > 0)
      return TRUE;
  return FALSE;
}

/* "Node 0, zone   Normal    216     55    189    101     84     38     37     27      5      3
 * 587": a count per order, from order 0 on. */
static guint64
blocks_in_line (const char *counts, guint order)
{
  guint64 blocks = 0;
  guint current = 0;
  char *end;

  for (;; counts = end, current++)
    {
      guint64 count = g_ascii_strtoull (counts, &end, 10);

      if (end == counts || current >= 64)
        return blocks;
      if (current >= order)
        blocks += count << (current - order);
    }
}

guint64
bal_buddy_blocks (const char *root, guint node, guint order)
{
  FILE *stream = open_lines (root, "/proc/buddyinfo", NULL);
  guint64 blocks = 0;
  char *line = NULL;
  gsize size = 0;

  if (stream == NULL)
    return 0;
  while (getline (&line, &size, stream) >= 0)
    {
      guint line_node;
      int counts_at = -1;

      if (sscanf (line, "Node %u, zone %*s%n", &line_node, &counts_at) == 1 && counts_at > 0
          && line_node == node)
        blocks += blocks_in_line (line + counts_at, order);
    }
  free (line);
  fclose (stream);
  return blocks;
}
