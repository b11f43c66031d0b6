/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release: carries a plan out.
 *
 * Before anything shrinks the originals are written durably into the journal and, when the domain's
 * own sizes change, into its live metadata, so that the memory finds its way back whoever dies. A
 * hold needs no metadata: the agent gives back by itself when nobody asks for it any more.
 *
 * Ownership: the entry that bal_release_entry() makes is the caller's, as is what the BalRelease
 * points to. The plan's page cache step is not carried out here, see prepare.h.
 * Failure: bal_release_run() fails only when the originals could not be written down; then nothing
 * was released. A mechanism that gives less than planned is a warning.
 */
#pragma once

#include "host-hook/job.h"
#include "host-hook/journal.h"
#include "host-hook/survey.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  virDomainPtr domain;
  BalSurvey *survey;
  const BalPlan *plan;
  BalJournalEntry *entry;
  gboolean has_journal; /* the source is local; a remote domain has its metadata alone */
  gboolean may_hold;    /* set by bal_release_run(): the agent was asked to, and did not end it */
} BalRelease;

/* A journal entry with the originals that @plan is going to change, under a fresh migration id.
 * URIs and the destination's name may be NULL. */
BalJournalEntry *bal_release_entry (const char *root,
                                    const BalSurvey *survey,
                                    const BalPlan *plan,
                                    const char *source_uri,
                                    const char *dest_uri,
                                    const char *dest_name,
                                    GError **error);

/* Stops early when the job is cancelled; whoever called then gives back. Bytes released go into the
 * report's summary. */
gboolean bal_release_run (BalRelease *self, GError **error);

/* When all that was tried released nothing: takes journal entry and tag out again. TRUE when so. */
gboolean bal_release_drop_if_nothing (BalRelease *self);

/* Puts @entry's sizes into the live domain's metadata, or takes them out when @entry is NULL. */
gboolean bal_release_write_tag (virDomainPtr domain, const BalJournalEntry *entry, GError **error);

G_END_DECLS
