/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release: carries a plan out.
 *
 * Before anything shrinks the originals are written durably into the journal and, when the domain's
 * own sizes change, into its live metadata, so that the memory finds its way back whoever dies. A
 * hold needs no metadata: the agent gives back by itself when nobody asks for it any more.
 *
 * Ownership: borrows what the BalRelease points to. The plan's page cache step is not carried out
 * here, see prepare.h.
 * Failure: only when the originals could not be written down; then nothing was released. A
 * mechanism that gives less than planned is a warning.
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
  gboolean has_journal;   /* the source is local; a remote domain has its metadata alone */
  const char *source_uri; /* for the journal, as the next two, which may be NULL */
  const char *dest_uri;
  const char *dest_name;
  BalJournalStage stage_after; /* RELEASED, or MIGRATING when that has begun already */
  gboolean by_qmp; /* libvirt's own job holds the domain: no metadata, no libvirt calls */
} BalRelease;

/* Releases under a fresh migration id. Stops early when the job is cancelled; whoever called then
 * gives back. *@entry: the originals, for the caller to give back by; NULL when nothing was
 * released after all, and then nothing is left written down. Bytes released go into the report's
 * summary. */
gboolean bal_release (const BalRelease *self, BalJournalEntry **entry, GError **error);

/* Puts @entry's sizes into the live domain's metadata, or takes them out when @entry is NULL. */
gboolean bal_release_write_tag (virDomainPtr domain, const BalJournalEntry *entry, GError **error);

G_END_DECLS
