/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Held ranges: where in guest-physical memory the holder's pages lie, from its /proc/PID/pagemap
 * (Documentation/admin-guide/mm/pagemap.rst; the opener needs CAP_SYS_ADMIN to see frame numbers).
 *
 * Virtual order is not physical order. So that memory use stays flat, one call marks pages in a
 * bitmap over a window of 64 GiB that begins at `from`, and gives the ranges in it; what lies
 * beyond comes with the next page of ranges.
 *
 * Failure: BAL_PROTOCOL_ERROR_GENERIC; the output is then cleared.
 */
#pragma once

#include "protocol/messages.h"

#include <sys/types.h>

G_BEGIN_DECLS

typedef struct
{
  pid_t pid;
  guint64 base;       /* virtual address, page-aligned */
  guint64 span_bytes; /* 0: no page is held */
} BalHeldRegion;

gboolean bal_held_ranges_read (const char *root,
                               const BalHeldRegion *region,
                               guint64 from,
                               guint max_ranges,
                               BalFreeRanges *out,
                               GError **error);

G_END_DECLS
