/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page runs: turns a walk over page frames, in rising order, into a page of ranges.
 *
 * The walker says where a run of wanted frames begins and ends. Runs shorter than the minimum are
 * left out. When the page of ranges is full, or the walker stops early, `next_page` says where the
 * next walk begins, and it never cuts a run in two unless the run has no beginning within this
 * walk, so that a minimum length sees whole runs.
 *
 * Ownership: the ranges are the caller's. Failure: none.
 */
#pragma once

#include "protocol/ranges.h"

G_BEGIN_DECLS

typedef struct
{
  BalRanges *ranges;
  guint64 page_bytes;
  guint64 min_pages;
  guint max_ranges;
  guint64 first_page; /* where this walk began */
  gboolean open;      /* in a run... */
  guint64 open_page;  /* ...that began here */
  gboolean full;      /* there is more, from next_page on */
  guint64 next_page;
} BalPageRuns;

void bal_page_runs_init (BalPageRuns *self,
                         BalRanges *ranges,
                         guint64 first_page,
                         guint64 page_bytes,
                         guint64 min_length_bytes,
                         guint max_ranges);

/* From @page on frames are @wanted, or not. No-op when that is so already. */
void bal_page_runs_change (BalPageRuns *self, guint64 page, gboolean wanted);

/* The walk has seen all there is; the last frame was @end_page - 1. */
void bal_page_runs_finish (BalPageRuns *self, guint64 end_page);

/* The walk stops before @page although there may be more. */
void bal_page_runs_stop (BalPageRuns *self, guint64 page);

G_END_DECLS
