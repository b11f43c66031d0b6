/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hold core: the states of a hold, without the processes, timers and files that make it real.
 *
 *   IDLE --start--> GROWING <--raise-- HELD      a report of the holder moves GROWING <-> HELD
 *   GROWING, HELD --end(reason)--> RETURNING --exited--> IDLE
 *   GROWING, HELD --exited--> IDLE (killed or failed)
 *
 * One token names one hold. After the guest, the clock or the host's silence ended it, that token
 * is spent: a host that keeps raising in steps must not fight with the guest for its memory.
 *
 * Ownership: the struct is the caller's; bal_hold_core_clear() frees the token.
 * Failure: BAL_PROTOCOL_ERROR; the core is then left unmodified. No I/O here.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

typedef struct
{
  BalHoldState state;
  BalHoldReason reason;
  char *token; /* NULL when nothing was ever held */
  guint64 held_bytes;
  guint64 target_bytes;
  guint64 ordered_bytes; /* the target that the holder was told last */
} BalHoldCore;

void bal_hold_core_clear (BalHoldCore *self);

/* Whether a hold may be asked for under @token now: started when IDLE, else raised. HoldBusy under
 * another token or while memory is being given back, HoldRefused when the token is spent. */
gboolean bal_hold_core_admit (const BalHoldCore *self, const char *token, GError **error);

void bal_hold_core_start (BalHoldCore *self, const char *token, guint64 bytes);

/* Goes on, to @bytes where that is more than was asked for before: a repeated request, or one that
 * comes late, takes nothing back. */
void bal_hold_core_raise (BalHoldCore *self, guint64 bytes);

/* The holder holds @held_bytes; @reason is NONE while it goes on growing. A report about an older
 * order
 * (@ordered_bytes) says nothing of how the newest one stands: the hold is growing then. Ignored
 * once the hold is being given back. */
void bal_hold_core_report (BalHoldCore *self,
                           guint64 held_bytes,
                           guint64 ordered_bytes,
                           BalHoldReason reason);

/* FALSE when there is nothing to give back, or it is being given back already (the first reason
 * stays). */
gboolean bal_hold_core_end (BalHoldCore *self, BalHoldReason reason);

/* The holder is gone; @killed by a signal, else by its own exit. */
void bal_hold_core_exited (BalHoldCore *self, gboolean killed);

G_END_DECLS
