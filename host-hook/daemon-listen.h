/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon listen: ballastd's socket file, and that there is one ballastd only.
 *
 * The lock <root>/run/ballast/ballastd.lock says who the daemon is; the kernel drops it when its
 * owner dies. Who has it may replace the socket file, which a daemon that was killed leaves behind.
 * A daemon that is merely stopped or slow keeps lock and socket.
 *
 * Ownership: the creator frees it. Failure: G_IO_ERROR with one sentence (another daemon:
 * G_IO_ERROR_BUSY), nothing changed but that the folder exists.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A descriptor that has the lock as long as it is open, to be ballastd or to keep any from running;
 * -1 on failure. */
int bal_daemon_lock (const char *root, GError **error);

typedef struct _BalDaemonListener BalDaemonListener;

/* Listens, non-blocking, on a socket that only root can connect to. */
BalDaemonListener *bal_daemon_listener_new (const char *root, GError **error);

/* Removes the socket file. */
void bal_daemon_listener_free (BalDaemonListener *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalDaemonListener, bal_daemon_listener_free)

/* The listening socket; the listener's. */
int bal_daemon_listener_fd (const BalDaemonListener *self);

G_END_DECLS
