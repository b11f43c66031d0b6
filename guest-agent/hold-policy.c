/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/hold-policy.h"

/* Page tables cost 1/512 of what 4 KiB pages map; they come out of free memory too. */
#define PAGE_TABLE_SHARE 512u

/* Chunks. The kernel's counters lag behind by some pages of each CPU. */
#define MISSES_MAX 3u

guint64
bal_hold_policy_headroom (guint64 total_bytes, guint64 min_bytes, guint percent)
{
  return MAX (min_bytes, total_bytes / 100 * percent);
}

static guint64
zone_spare_pages (const BalZone *zone)
{
  guint64 kept = zone->high_pages + zone->protection_pages;

  return zone->free_pages > kept ? zone->free_pages - kept : 0;
}

static guint64
node_spare_pages (const BalZones *zones, guint node)
{
  guint64 pages = 0;

  for (guint i = 0; i < zones->count; i++)
    if (zones->zones[i].node == node)
      pages += zone_spare_pages (&zones->zones[i]);
  return pages;
}

static guint64
above_headroom_bytes (const BalZones *zones, guint64 page_bytes, guint64 headroom_bytes)
{
  guint64 free_bytes = bal_zones_free_pages (zones) * page_bytes;

  return free_bytes > headroom_bytes ? free_bytes - headroom_bytes : 0;
}

static guint64
less_page_tables (guint64 bytes, guint64 page_bytes)
{
  bytes -= bytes / PAGE_TABLE_SHARE;
  return bytes - bytes % page_bytes;
}

guint64
bal_hold_policy_holdable (const BalZones *zones, guint64 page_bytes, guint64 headroom_bytes)
{
  guint64 spare = 0;

  for (guint i = 0; i < zones->count; i++)
    spare += zone_spare_pages (&zones->zones[i]);
  spare *= page_bytes;
  return less_page_tables (MIN (spare, above_headroom_bytes (zones, page_bytes, headroom_bytes)),
                           page_bytes);
}

static BalHoldStep
richest_node (const BalZones *zones, guint64 page_bytes)
{
  BalHoldStep best = {0};

  for (guint i = 0; i < zones->count; i++)
    {
      guint node = zones->zones[i].node;
      guint64 bytes = node_spare_pages (zones, node) * page_bytes;

      if (bytes > best.bytes)
        best = (BalHoldStep){.bytes = bytes, .node = node};
    }
  return best;
}

BalHoldStep
bal_hold_policy_step (const BalZones *zones,
                      guint64 page_bytes,
                      guint64 headroom_bytes,
                      guint64 wanted_bytes,
                      guint64 chunk_bytes)
{
  BalHoldStep step = richest_node (zones, page_bytes);
  guint64 huge_bytes = MAX (BAL_HUGE_PAGE_BYTES, page_bytes);
  guint64 allowed =
    less_page_tables (MIN (step.bytes, above_headroom_bytes (zones, page_bytes, headroom_bytes)),
                      page_bytes);

  step.bytes = MIN (MIN (allowed, chunk_bytes), wanted_bytes);
  if (wanted_bytes < huge_bytes)
    step.bytes = allowed >= wanted_bytes ? wanted_bytes - wanted_bytes % page_bytes : 0;
  else
    step.bytes -= step.bytes % huge_bytes;
  return step;
}

gboolean
bal_hold_policy_wants_huge (BalHoldFragments *self,
                            const BalHoldStep *step,
                            guint64 free_bytes,
                            guint64 huge_blocks)
{
  guint64 huge_bytes = huge_blocks * BAL_HUGE_PAGE_BYTES;
  guint64 fragment_bytes = free_bytes - MIN (free_bytes, huge_bytes);

  if (self->expected_bytes != 0)
    self->misses = fragment_bytes > self->expected_bytes ? self->misses + 1 : 0;
  self->expected_bytes = 0;
  /* With too few free huge pages they would start compaction. */
  if (huge_bytes <= step->bytes || step->bytes < BAL_HUGE_PAGE_BYTES)
    return FALSE;
  if (self->misses >= MISSES_MAX || fragment_bytes < step->bytes)
    return TRUE;
  /* Others free memory meanwhile, so half a chunk is enough. */
  self->expected_bytes = fragment_bytes - step->bytes / 2;
  return FALSE;
}

const char *
bal_hold_policy_refusal (gint64 overcommit_mode,
                         gint64 panic_on_oom,
                         gboolean oom_kill_allocating_task)
{
  if (overcommit_mode == 2)
    return "This guest must not hold memory because vm.overcommit_memory is 2, under which "
           "programs "
           "would be refused memory meanwhile; nothing is held.";
  if (panic_on_oom != 0)
    return "This guest must not hold memory because vm.panic_on_oom is set, under which running "
           "out "
           "of memory would stop it; nothing is held.";
  if (oom_kill_allocating_task)
    return "This guest must not hold memory because vm.oom_kill_allocating_task is set, under "
           "which "
           "running out of memory would kill a program instead of giving back; nothing is held.";
  return NULL;
}
