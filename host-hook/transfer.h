/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transfer: one migration by libvirt's API, watched while it runs.
 *
 * libvirt's call blocks until the migration is over, so it runs in a thread of its own. Meanwhile
 * the caller's thread shows progress, keeps the guest agent's lease alive, switches to post-copy or
 * suspends when the options say so, and on a signal asks libvirt to abort the job.
 *
 * Ownership: borrows what BalTransfer points to.
 * Failure: BAL_FAILURE with what libvirt said. What that means for the domain (it may run at either
 * end) is for the caller to find out.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/agent-client.h"
#include "host-hook/job.h"
#include "host-hook/migrate-options.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  const BalMigrateOptions *options;
  virConnectPtr source;
  virConnectPtr destination; /* NULL only for p2p and direct */
  virDomainPtr domain;
  BalAgentClient **agent; /* an open conversation, or NULL; freed and cleared when it breaks */
  guint64 lease_ms;       /* of what the agent holds, to be renewed; 0: it holds nothing */
} BalTransfer;

gboolean bal_transfer_run (const BalTransfer *self, GError **error);

G_END_DECLS
