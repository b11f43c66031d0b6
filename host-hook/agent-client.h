/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agent client: a conversation with the agent in a guest, as the host leads it.
 *
 * The peer is hostile, slow or absent. Each call has one time-out for all of it, whatever drips in;
 * no more than about one reply line is kept; replies are matched by an increasing id and stale ones
 * dropped. So the worst that a guest can do is to cost the time-out.
 *
 * Opening a conversation sends guest-sync-delimited with a fresh random id and drops everything
 * that comes before its answer: QEMU hands the reply to a client that gave up to the next one.
 * After a call that timed out the conversation can be used still: a request that was only sent in
 * part is voided by a new sync first.
 *
 * A channel has one client at a time: a second one is accepted and waits. So keep conversations
 * short, and free the client when done.
 *
 * Threads: a client is used by one thread. The libvirt variant needs the default event loop
 * (virEventRegisterDefaultImpl) registered before the connection was opened and running in ANOTHER
 * thread: data arrives through it.
 *
 * Ownership: the client is the caller's. Output structs are the caller's and, after a failure, left
 * cleared. Failure: BAL_AGENT_ERROR with one sentence; text of the guest's is escaped.
 */
#pragma once

#include "protocol/messages.h"

#include <libvirt/libvirt.h>

G_BEGIN_DECLS

#define BAL_AGENT_ERROR (bal_agent_error_quark ())
GQuark bal_agent_error_quark (void);

typedef enum
{
  BAL_AGENT_ERROR_UNREACHABLE, /* no channel, no socket, the other end closed it: opening it again
                                  may help, calling again does not */
  BAL_AGENT_ERROR_TIMEOUT,     /* no answer in time */
  BAL_AGENT_ERROR_GARBAGE,     /* an answer that is none: not JSON, overlong, values out of range */
  BAL_AGENT_ERROR_REFUSED,     /* the agent said no */
} BalAgentError;

typedef struct _BalAgentClient BalAgentClient;

/* Connects to the socket that QEMU listens on, and syncs, within @timeout_ms. Works also while
 * libvirt holds a migration job. */
BalAgentClient *bal_agent_client_open_unix (const char *path, guint timeout_ms, GError **error);

/* The same through libvirt, for a domain on another host. NB: virDomainOpenChannel() itself is
 * bound by libvirt's time-outs, not by @timeout_ms (30 s under a job, keepalive when the host is
 * away). */
BalAgentClient *
bal_agent_client_open_domain (virDomainPtr domain, guint timeout_ms, GError **error);

/* Takes over a connected socket, and syncs. On failure the socket is closed. */
BalAgentClient *bal_agent_client_open_fd (int fd, guint timeout_ms, GError **error);

void bal_agent_client_free (BalAgentClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalAgentClient, bal_agent_client_free)

gboolean
bal_agent_client_info (BalAgentClient *self, guint timeout_ms, BalGuestInfo *out, GError **error);

gboolean bal_agent_client_memory_info (BalAgentClient *self,
                                       guint timeout_ms,
                                       BalMemoryInfo *out,
                                       GError **error);

/* All free ranges of at least @min_length_bytes, page by page within one @timeout_ms. After
 * BAL_RANGE_PAGES_MAX pages the rest is left out: a set of ranges may be smaller than the truth at
 * any time. */
BalRanges *bal_agent_client_free_ranges (BalAgentClient *self,
                                         guint64 min_length_bytes,
                                         guint timeout_ms,
                                         GError **error);

gboolean bal_agent_client_hold (BalAgentClient *self,
                                const BalHoldArguments *arguments,
                                guint timeout_ms,
                                BalHoldStatus *out,
                                GError **error);

/* Without ranges; renews the lease. */
gboolean bal_agent_client_hold_status (BalAgentClient *self,
                                       guint timeout_ms,
                                       BalHoldStatus *out,
                                       GError **error);

gboolean bal_agent_client_return (BalAgentClient *self,
                                  guint timeout_ms,
                                  BalHoldStatus *out,
                                  GError **error);

/* @bytes: how much clean page cache to give up. The agent answers when it is done: allow seconds.
 */
gboolean bal_agent_client_trim (
  BalAgentClient *self, guint64 bytes, guint timeout_ms, BalTrim *out, GError **error);

G_END_DECLS
