/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One migration under way: what migrate.c, which brings it about, and outcome.c, which settles what
 * became of it, share.
 *
 * Ownership: migrate.c owns the BalMigration; connections in it are references of its own.
 * Failure: BAL_FAILURE, see exit-codes.h.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/job.h"
#include "host-hook/journal.h"
#include "host-hook/migrate-options.h"
#include "host-hook/survey.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  const BalMigrateOptions *options;
  virConnectPtr source;
  char *source_uri;
  virConnectPtr destination; /* NULL: out of reach from here; p2p and direct only */
  virDomainPtr domain;       /* borrowed; the source's */
  gboolean source_local;
  gboolean vfs_detached; /* or may be: they are to be attached again if the domain stays */
  char uuid[VIR_UUID_STRING_BUFLEN];
  BalSurvey survey;
  BalPlan plan;
  BalJournalEntry *entry; /* NULL: nothing is released */
} BalMigration;

/* Puts @stage into the journal. Only ever makes that more precise, so a failure is a warning. */
void bal_migration_note_stage (BalMigration *self, BalJournalStage stage);

/* Gives the memory back at the source, before or instead of a migration. */
gboolean bal_outcome_stayed (BalMigration *self, GError **error);

/* libvirt said that the guest has moved: figures, and the memory back at the destination. */
gboolean bal_outcome_moved (BalMigration *self, GError **error);

/* libvirt said @failure: finds out where the guest is, gives the memory back there, and sets @error
 * to both. TRUE only when the guest has moved all the same. */
gboolean bal_outcome_failed (BalMigration *self, const GError *failure, GError **error);

G_END_DECLS
