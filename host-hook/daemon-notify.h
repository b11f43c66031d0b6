/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Notify: tells systemd how ballastd does, by the protocol of sd_notify(3), which asks for no
 * library: a datagram to $NOTIFY_SOCKET. Without that variable nothing is done.
 *
 * The watchdog is fed by the main loop itself, at half of $WATCHDOG_USEC: a loop that hangs is
 * restarted.
 *
 * Ownership: the creator frees it, which says STOPPING. Failure: none; systemd then notices.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BalNotify BalNotify;

/* Says READY. On the default main context. */
BalNotify *bal_notify_new (void);
void bal_notify_free (BalNotify *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalNotify, bal_notify_free)

G_END_DECLS
