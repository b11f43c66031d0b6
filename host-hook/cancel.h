/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cancel: Ctrl-C and its kin, as something that straight-line code can ask for and wait on.
 *
 * SIGINT, SIGTERM and SIGHUP, but for those that the parent had ignored (nohup, background jobs),
 * are blocked in every thread and read from a signalfd, so that no handler runs anywhere and none
 * is lost, however long nobody looks. While nothing is at stake they may as well end the process:
 * connecting to a host that is away can take minutes.
 *
 * A task of ballastd has one of its own that no signal reaches: bal_cancel_request() takes the
 * place of signals there.
 *
 * Ownership: the creator frees it. Failure: only making one can fail.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BalCancel BalCancel;

/* NB: before any other thread starts, since threads inherit the signal mask. */
BalCancel *bal_cancel_new (GError **error);

/* One that only bal_cancel_request() reaches. */
BalCancel *bal_cancel_new_without_signals (GError **error);
void bal_cancel_free (BalCancel *self);

/* From any thread; for one without signals. */
void bal_cancel_request (BalCancel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalCancel, bal_cancel_free)

/* Signals end the process from now on; for the thread that called bal_cancel_new(). */
void bal_cancel_disarm (BalCancel *self);

/* Signals are kept for bal_cancel_requested() again. Call before anything is released. */
void bal_cancel_arm (BalCancel *self);

/* TRUE once a signal came, and from then on. */
gboolean bal_cancel_requested (BalCancel *self);

/* Waits @wait_ms or until a signal comes; TRUE when one came, now or earlier. Does not wait when
 * one came earlier. */
gboolean bal_cancel_wait (BalCancel *self, guint wait_ms);

/* Waits @wait_ms, until a signal comes that is the first, or until @fd can be read. */
void bal_cancel_wait_fd (BalCancel *self, int fd, guint wait_ms);

G_END_DECLS
