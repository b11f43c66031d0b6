/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon client: one request to ballastd, waited for; for the hook programs and the command line.
 *
 * Every call returns by its deadline, also when ballastd is stopped or sends its answer byte by
 * byte. Deadlines are on the monotonic clock, in microseconds (g_get_monotonic_time()).
 *
 * Ownership: what is returned is the caller's. Failure: BAL_DAEMON_ERROR (daemon-message.h).
 */
#pragma once

#include "host-hook/daemon-message.h"

G_BEGIN_DECLS

/* A connected, non-blocking socket, or -1. BAL_DAEMON_ERROR_ABSENT, at once, when there is no
 * socket below @root or nobody listens on it. Apart from the exchange, so that a hook can know that
 * nobody is there before it waits for its own input. NB: ballastd waits 5 s for the request. */
int bal_daemon_client_connect (const char *root, gint64 deadline_us, GError **error);

/* Sends @request (of bal_daemon_build_*()) and gives the object that was returned. The connection
 * @fd serves one exchange; the caller closes it. */
JsonNode *bal_daemon_client_exchange (int fd, GBytes *request, gint64 deadline_us, GError **error);

G_END_DECLS
