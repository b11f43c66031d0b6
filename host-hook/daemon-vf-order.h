/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF order: hooks of one domain are carried out in the order that they came in, though many threads
 * do it: an end that came late to its thread would give up what the next start has reserved.
 *
 * Ownership: the creator frees it; what waits is its, until bal_vf_order_leave() gives it back.
 * Failure: none. One thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BalVfOrder BalVfOrder;

/* @free_item: for what waits still when it is cleared. */
BalVfOrder *bal_vf_order_new (GDestroyNotify free_item);
void bal_vf_order_free (BalVfOrder *self);
void bal_vf_order_clear (BalVfOrder *self);

/* TRUE: it is @item's turn. FALSE: it waits, and is kept. */
gboolean bal_vf_order_enter (BalVfOrder *self, const char *uuid, gpointer item);

/* Whose turn it was is done. The next one, whose turn it is now; NULL: there is none. */
gpointer bal_vf_order_leave (BalVfOrder *self, const char *uuid);

G_END_DECLS
