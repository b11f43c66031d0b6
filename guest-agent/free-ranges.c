/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/free-ranges.h"

#include "guest-agent/page-runs.h"
#include "guest-agent/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define KPF_BUDDY_BIT (G_GUINT64_CONSTANT (1) << 10)
#define ENTRIES_PER_READ 32768u
#define SCAN_MAX_US (1 * G_USEC_PER_SEC)

typedef struct
{
  int fd;
  guint64 *entries; /* ENTRIES_PER_READ of them */
  guint64 scanned_pages;
  guint64 next_page; /* behind the last one read */
  gint64 end_us;
  BalPageRuns runs;
} Scan;

/* A block of free pages has hundreds of equal entries, so the loop looks for changes only. */
static void
scan_entries (const guint64 *entries, gsize count, guint64 first_page, BalPageRuns *runs)
{
  gsize i = 0;

  while (i < count && !runs->full)
    {
      guint64 wanted = runs->open ? 0 : KPF_BUDDY_BIT;

      while (i < count && (entries[i] & KPF_BUDDY_BIT) != wanted)
        i++;
      if (i < count)
        bal_page_runs_change (runs, first_page + i, wanted != 0);
    }
}

/* Reads frames [page, end). FALSE on a read error; the end of the file is a hole without free
 * pages. */
static gboolean
scan_window (Scan *scan, guint64 page, guint64 end)
{
  /* Across a hole no run goes on; across two windows that touch one may. */
  if (page != scan->next_page)
    bal_page_runs_finish (&scan->runs, scan->next_page);
  scan->next_page = page;
  while (page < end && !scan->runs.full)
    {
      gsize wanted = MIN (end - page, ENTRIES_PER_READ) * sizeof *scan->entries;
      gssize got = pread (scan->fd, scan->entries, wanted, (off_t)(page * sizeof *scan->entries));

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return FALSE;
      gsize count = (gsize)got / sizeof *scan->entries;
      if (count == 0)
        break;
      scan_entries (scan->entries, count, page, &scan->runs);
      page += count;
      scan->next_page = page;
      scan->scanned_pages += count;
      if (page < end && g_get_monotonic_time () >= scan->end_us)
        bal_page_runs_stop (&scan->runs, page);
    }
  return TRUE;
}

/* "00100000-bffdffff : System RAM", whatever its indentation. Shown as zeros to a reader without
 * CAP_SYS_ADMIN. */
static gboolean
parse_iomem_line (const char *line, guint64 page_bytes, guint64 *first_page, guint64 *end_page)
{
  guint64 start;
  guint64 last;
  int name_at = -1;

  if (sscanf (line, " %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x : %n", &start, &last,
              &name_at)
        != 2
      || name_at < 0 || !g_str_has_prefix (line + name_at, "System RAM") || last <= start)
    return FALSE;
  *first_page = (start + page_bytes - 1) / page_bytes;
  *end_page = (last + 1) / page_bytes;
  return TRUE;
}

static gboolean
scan_all (const char *root, Scan *scan, guint64 page_bytes)
{
  g_autofree char *iomem = bal_proc_read (root, "/proc/iomem", NULL);
  g_auto (GStrv) lines = g_strsplit (iomem != NULL ? iomem : "", "\n", -1);
  guint64 from = scan->runs.first_page;
  gboolean any = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      guint64 first;
      guint64 end;

      if (!parse_iomem_line (lines[i], page_bytes, &first, &end))
        continue;
      any = TRUE;
      first = MAX (first, from);
      if (first < end && !scan_window (scan, first, end))
        return FALSE;
      from = MAX (from, end);
    }
  if (!any && !scan_window (scan, from, BAL_ADDRESS_LIMIT / page_bytes))
    return FALSE;
  bal_page_runs_finish (&scan->runs, scan->next_page);
  return TRUE;
}

gboolean
bal_free_ranges_scan (const char *root,
                      const BalFreeRangesArguments *arguments,
                      BalFreeRanges *out,
                      GError **error)
{
  gint64 begin_us = g_get_monotonic_time ();
  guint64 page_bytes = (guint64)sysconf (_SC_PAGESIZE);
  Scan scan = {.end_us = begin_us + SCAN_MAX_US};
  g_autofree guint64 *entries = g_new (guint64, ENTRIES_PER_READ);

  *out = (BalFreeRanges){.ranges = bal_ranges_new ()};
  bal_page_runs_init (&scan.runs, out->ranges, (arguments->from + page_bytes - 1) / page_bytes,
                      page_bytes, MAX (arguments->min_length_bytes, page_bytes),
                      arguments->max_ranges);
  scan.entries = entries;
  scan.fd = bal_proc_open (root, "/proc/kpageflags", O_RDONLY, NULL);
  gboolean done = scan.fd >= 0 && scan_all (root, &scan, page_bytes);
  int saved = errno;
  if (scan.fd >= 0)
    close (scan.fd);
  if (!done)
    {
      bal_free_ranges_clear (out);
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
                   "Cannot read /proc/kpageflags: %s.", g_strerror (saved));
      return FALSE;
    }
  out->has_next = scan.runs.full;
  if (out->has_next)
    out->next = scan.runs.next_page * page_bytes;
  out->scanned_pages = scan.scanned_pages;
  out->elapsed_us = (guint64)(g_get_monotonic_time () - begin_us);
  return TRUE;
}
