/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hold policy: how much of a guest's free memory may be held. Pure decisions, no I/O.
 *
 * Two floors, both kept. The guest as a whole keeps the headroom. A NUMA node keeps the sum of its
 * zones' high watermarks and lowmem protections: the kernel empties the highest zone down to its
 * low watermark before it goes on with the next one, so a single zone may end a little below its
 * own, but kswapd, let alone direct reclaim, starts only when all zones of a node are at their low
 * watermarks. Amounts are bytes, multiples of the page size.
 */
#pragma once

#include "guest-agent/zoneinfo.h"

G_BEGIN_DECLS

/* Where a huge page of x86-64 begins; chunks are cut there as long as they are large enough. */
#define BAL_HUGE_PAGE_BYTES (G_GUINT64_CONSTANT (2) * 1024 * 1024)

/* The larger of @min_bytes and @percent of @total_bytes. */
guint64 bal_hold_policy_headroom (guint64 total_bytes, guint64 min_bytes, guint percent);

/* What a hold that leaves @headroom_bytes free could take just now. */
guint64
bal_hold_policy_holdable (const BalZones *zones, guint64 page_bytes, guint64 headroom_bytes);

typedef struct
{
  guint64 bytes; /* 0: nothing more may be taken */
  guint node;    /* from this NUMA node */
} BalHoldStep;

/* The next chunk on the way to @wanted_bytes more: at most @chunk_bytes, from the node with the
 * most to give. A multiple of the huge page size unless less than one huge page is wanted. */
BalHoldStep bal_hold_policy_step (const BalZones *zones,
                                  guint64 page_bytes,
                                  guint64 headroom_bytes,
                                  guint64 wanted_bytes,
                                  guint64 chunk_bytes);

/* What is known of the fragments of one node's free memory; zeroed at first. */
typedef struct
{
  /* What is left of them at most if the last chunk was made of them; 0: it was not to be. */
  guint64 expected_bytes;
  /* Chunks in a row that were not made of them. */
  guint misses;
} BalHoldFragments;

/* Whether the chunk @step, on a node with @free_bytes of which @huge_blocks are free blocks of a
 * huge page, is to be taken in huge pages.
 *
 * What a guest has written and freed again may lie about in fragments smaller than those, and then
 * the huge blocks are rather what it never touched: to hold those would cost the host memory
 * instead of saving it. So fragments go first, as the kernel hands out the smallest block that
 * will do. Some it keeps for itself (other migrate types, mm/page_alloc.c): when three chunks in a
 * row were not made of fragments, what is left of them is let be for good, as each try costs huge
 * pages. */
gboolean bal_hold_policy_wants_huge (BalHoldFragments *self,
                                     const BalHoldStep *step,
                                     guint64 free_bytes,
                                     guint64 huge_blocks);

/* Why a guest with these settings must not hold memory, as a sentence, or NULL.
 * overcommit_memory=2 counts held memory against what programs may map: malloc() would fail with
 * memory free. With panic_on_oom or oom_kill_allocating_task running out of memory does not kill
 * the holder first. (Documentation/admin-guide/sysctl/vm.rst) */
const char *bal_hold_policy_refusal (gint64 overcommit_mode,
                                     gint64 panic_on_oom,
                                     gboolean oom_kill_allocating_task);

G_END_DECLS
