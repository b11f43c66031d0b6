/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recover: finishes what an earlier release left behind, whoever made it and however it ended.
 *
 * The journal says what was released, the domain's metadata travels with it, and libvirt says where
 * the domain runs now. Memory is given back only where libvirt says running and no job; anything
 * else waits. The caller holds the domain's lock.
 *
 * Failure: BAL_FAILURE, BAL_EXIT_NOT_RESTORED: the entry stays for another try.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/connection.h"
#include "host-hook/job.h"
#include "host-hook/journal.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  virConnectPtr connection; /* this host's libvirt */
  gboolean is_local;
} BalRecover;

/* How an entry was settled. */
typedef struct
{
  /* For programs: "restored", its memory was given back now; "whole", it had all of it before;
   * "gone", it does not run where one could give anything back. */
  const char *outcome;
  char *sentence; /* for people, without a full stop */
} BalRecovered;

void bal_recovered_clear (BalRecovered *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalRecovered, bal_recovered_clear)

/* Settles one journal entry and removes it. @out need not be initialised; it is left cleared on
 * failure. */
gboolean bal_recover_entry (const BalRecover *self,
                            const BalJournalEntry *entry,
                            BalRecovered *out,
                            GError **error);

/* Settles what this host's journal knows of a domain, wherever that is by now (nothing when the
 * connection is not local). An entry that cannot be read is a warning. *@found tells whether there
 * was any other. */
gboolean
bal_recover_journal (const BalRecover *self, const char *uuid, gboolean *found, GError **error);

/* Settles all that is known of the running @domain: its journal entries and its metadata. *@found
 * tells whether there was anything. */
gboolean
bal_recover_domain (const BalRecover *self, virDomainPtr domain, gboolean *found, GError **error);

/* TRUE when the QEMU that memory was released of still runs here. */
gboolean bal_recover_is_same_process (const BalJob *job, const BalJournalEntry *entry);

/* TRUE when @entry is of a `ballast release`, which leaves it to somebody else's migration, and
 * that may still come: only one that nobody came for is taken back. */
gboolean bal_recover_is_for_others (const BalConfig *config, const BalJournalEntry *entry);

/* Returns what the agent of @domain, on this host, holds: of that there is no record where the
 * domain came from elsewhere. @has_just_arrived: libvirt knows only later that the agent is there.
 * TRUE when it held something and has returned it. */
gboolean bal_recover_held (const BalRecover *self, virDomainPtr domain, gboolean has_just_arrived);

/* A ballastd at the source may have resized virtio-mem devices behind libvirt, whose definition
 * came here with the sizes from before: asks for just those. To ask for what is asked for already
 * changes nothing, and whoever wrote a tag gives back himself. A guest that takes less than that
 * may have had less. *@found: it took some. */
gboolean bal_recover_defined_sizes (const BalRecover *self,
                                    virDomainPtr domain,
                                    gboolean *found,
                                    GError **error);

/* Waits while a job holds the domain, at most @wait_ms, and tells where it stands then. */
BalDomainState bal_recover_wait_for_job (virConnectPtr connection, const char *uuid, guint wait_ms);

G_END_DECLS
