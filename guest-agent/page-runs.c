/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/page-runs.h"

void
bal_page_runs_init (BalPageRuns *self,
                    BalRanges *ranges,
                    guint64 first_page,
                    guint64 page_bytes,
                    guint64 min_length_bytes,
                    guint max_ranges)
{
  *self = (BalPageRuns){.ranges = ranges,
                        .page_bytes = page_bytes,
                        .min_pages = (min_length_bytes + page_bytes - 1) / page_bytes,
                        .max_ranges = max_ranges,
                        .first_page = first_page};
}

static void
close_run (BalPageRuns *self, guint64 end_page)
{
  guint64 pages = end_page - self->open_page;

  self->open = FALSE;
  if (pages < self->min_pages || pages == 0)
    return;
  if (bal_ranges_count (self->ranges) == self->max_ranges)
    {
      self->full = TRUE;
      self->next_page = self->open_page;
      return;
    }
  /* Cannot fail: runs come in rising order, and frame numbers stay below the address limit. */
  bal_ranges_append (self->ranges, self->open_page * self->page_bytes, pages * self->page_bytes,
                     NULL);
}

void
bal_page_runs_change (BalPageRuns *self, guint64 page, gboolean wanted)
{
  if (self->full || wanted == self->open)
    return;
  if (!wanted)
    {
      close_run (self, page);
      return;
    }
  self->open = TRUE;
  self->open_page = page;
}

void
bal_page_runs_finish (BalPageRuns *self, guint64 end_page)
{
  bal_page_runs_change (self, end_page, FALSE);
}

void
bal_page_runs_stop (BalPageRuns *self, guint64 page)
{
  guint64 next_page = page;

  if (self->full)
    return;
  if (self->open && self->open_page > self->first_page)
    {
      next_page = self->open_page;
      self->open = FALSE;
    }
  bal_page_runs_change (self, page, FALSE);
  if (self->full)
    return;
  self->full = TRUE;
  self->next_page = next_page;
}
