/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Give-back: puts a domain's memory back as the journal or the domain's own metadata remember it,
 * on whichever host the domain runs.
 *
 * A size is given back only from the value that Ballast set. When somebody changed it since, theirs
 * stands and the memory counts as settled. So it does, with a warning, when the original is more
 * than the domain can have: metadata is not trusted.
 *
 * Ownership: borrows everything. Failure: BAL_FAILURE with BAL_EXIT_NOT_RESTORED: something is
 * still released, and the originals stay written where they were.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/agent-client.h"
#include "host-hook/job.h"
#include "host-hook/journal.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  virDomainPtr domain;   /* where it runs now */
  gboolean is_local;     /* its libvirtd is on this host: the agent's socket can be opened */
  BalAgentClient *agent; /* an open conversation with it, or NULL */
  guint64 lease_ms;      /* after so long without a word from us it gives back; 0: not known */
} BalGiveBack;

/* Gives back what @record says, waits until the guest has it, and takes the tag out of the domain's
 * metadata. The caller removes the journal entry after success. */
gboolean bal_give_back (const BalGiveBack *self, const BalJournalEntry *record, GError **error);

/* A record made from the domain's metadata, for a domain that came from a saved image, a snapshot
 * or another host. *@record is NULL when there is no tag (or one of an unknown version, which is
 * warned of). */
gboolean bal_give_back_record_from_tag (const BalJob *job,
                                        virDomainPtr domain,
                                        BalJournalEntry **record,
                                        GError **error);

G_END_DECLS
