/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patience: how long to wait for a guest that moves towards a size. It is over when the guest came
 * no nearer by a least step for some time, or was slower on the whole than is worth waiting for:
 * however evenly a guest creeps, the wait has an end.
 *
 * Nothing here fails or does I/O; times are the caller's, in microseconds of a monotonic clock.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  guint stall_ms;              /* how long it may come no nearer by a least step */
  guint64 least_bytes;         /* the least step */
  guint64 slowest_bytes_per_s; /* over the whole way, which gets stall_ms on top */
} BalPace;

typedef struct
{
  const BalPace *pace;
  guint64 left_bytes;  /* when the last least step was completed */
  gint64 stall_end_us; /* by when the next one has to be */
  gint64 end_us;       /* of the whole */
} BalPatience;

/* Begins to wait for a way of @left_bytes. Borrows @pace. */
void bal_patience_begin (BalPatience *self, const BalPace *pace, guint64 left_bytes, gint64 now_us);

/* TRUE when it is over, with @left_bytes left of the way. */
gboolean bal_patience_is_over (BalPatience *self, guint64 left_bytes, gint64 now_us);

G_END_DECLS
