/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hold: the agent's hold on free memory, with its process, timers and watches.
 *
 * At most one hold at a time. It ends when the host asks, at its deadline, after the host's silence
 * for a lease, under memory pressure in the guest, when the holder dies, and when the agent stops.
 * All of them are one act: the holder is killed and the kernel has the memory back.
 *
 * Ownership: bal_hold_free() gives everything back and waits for it, at most 10 s.
 * Failure: BAL_PROTOCOL_ERROR; what is held is then left as it was.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 headroom_min_bytes;
  guint headroom_percent;  /* of MemTotal; the larger of the two is the default headroom */
  guint64 deadline_max_ms; /* also the default */
  guint64 lease_ms;
} BalHoldLimits;

typedef struct _BalHold BalHold;

BalHold *bal_hold_new (const char *root, const BalHoldLimits *limits);
void bal_hold_free (BalHold *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalHold, bal_hold_free)

/* Starts a hold or raises the one of the same token; returns at once. The target never falls;
 * headroom counts when it is more than the guest's own; the deadline is that of the request which
 * started the hold, cut to the maximum: however often a host asks, the guest has its memory back by
 * then. */
gboolean bal_hold_request (BalHold *self, const BalHoldArguments *arguments, GError **error);

/* Begins to give all back. */
void bal_hold_return (BalHold *self);

/* The host was heard: the lease begins anew. */
void bal_hold_renew_lease (BalHold *self);

/* Fills in all but the ranges. */
void bal_hold_get_status (const BalHold *self, BalHoldStatus *out);

guint64 bal_hold_held_bytes (const BalHold *self);

/* Guest-physical ranges of what is held, from @from on. None when nothing is held. */
gboolean
bal_hold_get_ranges (const BalHold *self, guint64 from, BalFreeRanges *out, GError **error);

G_END_DECLS
