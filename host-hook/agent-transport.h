/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agent transport: the bytes under an agent client, over a unix socket or a libvirt stream; private
 * to the agent client.
 *
 * All of it is non-blocking but for _wait(). Time is the monotonic clock's, in microseconds
 * (g_get_monotonic_time()).
 *
 * Ownership: a transport is its creator's and owns its socket or stream. Failure:
 * BAL_AGENT_ERROR_UNREACHABLE or _TIMEOUT.
 */
#pragma once

#include "host-hook/agent-client.h"

G_BEGIN_DECLS

typedef struct _BalAgentTransport BalAgentTransport;

/* Takes over the connected socket @fd and makes it non-blocking. */
BalAgentTransport *bal_agent_transport_new_fd (int fd);

/* Connects; a socket whose queue of waiting clients is full is waited for until @deadline_us. */
BalAgentTransport *
bal_agent_transport_new_unix (const char *path, gint64 deadline_us, GError **error);

BalAgentTransport *bal_agent_transport_new_domain (virDomainPtr domain, GError **error);

void bal_agent_transport_free (BalAgentTransport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalAgentTransport, bal_agent_transport_free)

/* Bytes moved, 0 when there are none to be had (or no room) just now, -1 with @error when the other
 * end is gone. */
gssize bal_agent_transport_read (BalAgentTransport *self,
                                 void *buffer,
                                 gsize length_bytes,
                                 GError **error);
gssize bal_agent_transport_write (BalAgentTransport *self,
                                  const void *data,
                                  gsize length_bytes,
                                  GError **error);

typedef enum
{
  BAL_AGENT_READABLE,
  BAL_AGENT_WRITABLE,
} BalAgentReadiness;

/* Waits until a read (or a write) may do something. FALSE at @deadline_us, with
 * BAL_AGENT_ERROR_TIMEOUT. May also return early. */
gboolean bal_agent_transport_wait (BalAgentTransport *self,
                                   BalAgentReadiness what,
                                   gint64 deadline_us,
                                   GError **error);

G_END_DECLS
