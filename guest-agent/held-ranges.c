/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/held-ranges.h"

#include "guest-agent/page-runs.h"
#include "guest-agent/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WINDOW_PAGES (G_GUINT64_CONSTANT (1) << 24)
#define BITS_PER_WORD 64u
#define ENTRIES_PER_READ 16384u

#define PAGEMAP_PRESENT (G_GUINT64_CONSTANT (1) << 63)
#define PAGEMAP_FRAME_MASK ((G_GUINT64_CONSTANT (1) << 55) - 1)

typedef struct
{
  guint64 first_page;  /* of the window */
  guint64 *bits;       /* WINDOW_PAGES of them */
  guint64 beyond_page; /* lowest page above the window, or G_MAXUINT64 */
  guint64 end_page;    /* behind the highest one in the window */
} Window;

static void
mark_page (Window *window, guint64 page)
{
  guint64 index = page - window->first_page;

  if (page < window->first_page)
    return;
  if (index >= WINDOW_PAGES)
    {
      window->beyond_page = MIN (window->beyond_page, page);
      return;
    }
  window->bits[index / BITS_PER_WORD] |= G_GUINT64_CONSTANT (1) << (index % BITS_PER_WORD);
  window->end_page = MAX (window->end_page, page + 1);
}

static gboolean
read_pagemap (int fd, const BalHeldRegion *region, guint64 page_bytes, Window *window)
{
  g_autofree guint64 *entries = g_new (guint64, ENTRIES_PER_READ);
  guint64 next = region->base / page_bytes;
  guint64 end = next + region->span_bytes / page_bytes;

  while (next < end)
    {
      gsize wanted = MIN (end - next, ENTRIES_PER_READ) * sizeof *entries;
      gssize got = pread (fd, entries, wanted, (off_t)(next * sizeof *entries));

      if (got < 0 && errno == EINTR)
        continue;
      if (got < (gssize)sizeof *entries)
        return FALSE;
      gsize count = (gsize)got / sizeof *entries;
      for (gsize i = 0; i < count; i++)
        /* Frame 0 is what a reader without CAP_SYS_ADMIN is shown. */
        if ((entries[i] & PAGEMAP_PRESENT) != 0 && (entries[i] & PAGEMAP_FRAME_MASK) != 0)
          mark_page (window, entries[i] & PAGEMAP_FRAME_MASK);
      next += count;
    }
  return TRUE;
}

static void
collect (const Window *window, BalPageRuns *runs)
{
  guint64 end = window->end_page;

  for (guint64 page = window->first_page; page < end && !runs->full; page += BITS_PER_WORD)
    {
      guint64 word = window->bits[(page - window->first_page) / BITS_PER_WORD];

      if (word == 0 || word == G_MAXUINT64)
        bal_page_runs_change (runs, page, word != 0);
      else
        for (guint bit = 0; bit < BITS_PER_WORD; bit++)
          bal_page_runs_change (runs, page + bit, (word >> bit & 1) != 0);
    }
  bal_page_runs_finish (runs, end);
}

gboolean
bal_held_ranges_read (const char *root,
                      const BalHeldRegion *region,
                      guint64 from,
                      guint max_ranges,
                      BalFreeRanges *out,
                      GError **error)
{
  gint64 begin_us = g_get_monotonic_time ();
  guint64 page_bytes = (guint64)sysconf (_SC_PAGESIZE);
  Window window = {.first_page = (from + page_bytes - 1) / page_bytes, .beyond_page = G_MAXUINT64};
  BalPageRuns runs;

  *out = (BalFreeRanges){.ranges = bal_ranges_new ()};
  if (region->span_bytes == 0)
    return TRUE;
  g_autofree char *path = g_strdup_printf ("/proc/%d/pagemap", (int)region->pid);
  int fd = bal_proc_open (root, path, O_RDONLY, error);
  g_autofree guint64 *bits = g_new0 (guint64, WINDOW_PAGES / BITS_PER_WORD);
  window.bits = bits;
  window.end_page = window.first_page;
  gboolean done = fd >= 0 && read_pagemap (fd, region, page_bytes, &window);
  if (fd >= 0)
    close (fd);
  if (!done)
    {
      bal_free_ranges_clear (out);
      g_clear_error (error);
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
                   "Cannot read the holder's pagemap; it may just have ended.");
      return FALSE;
    }
  bal_page_runs_init (&runs, out->ranges, window.first_page, page_bytes, page_bytes, max_ranges);
  collect (&window, &runs);
  out->has_next = runs.full || window.beyond_page != G_MAXUINT64;
  if (out->has_next)
    out->next = (runs.full ? runs.next_page : window.beyond_page) * page_bytes;
  out->scanned_pages = region->span_bytes / page_bytes;
  out->elapsed_us = (guint64)(g_get_monotonic_time () - begin_us);
  return TRUE;
}
