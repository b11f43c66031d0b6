/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * History: the migrations away from this host that ballastd saw, those by `ballast migrate` and
 * plain ones too, oldest first.
 *
 * Of one migration several sources tell, in no certain order: the domain's status file (it begins,
 * it goes on here, it is gone), lifecycle events (gone to where it migrated), the release task, and
 * libvirt's figures, which may come last. They are put together by the domain's UUID.
 *
 * Kept are all that are not over, or not logged yet, and the last BAL_HISTORY_MAX of the others.
 *
 * Ownership: the creator frees it; what it is given it copies, what it returns it lends until the
 * next call that changes it. Failure: none. No I/O, no clock.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_HISTORY_MAX 32u

typedef enum
{
  BAL_RELEASER_UNKNOWN, /* not told yet, or never */
  BAL_RELEASER_NOBODY,
  BAL_RELEASER_BALLASTD,
  BAL_RELEASER_ANOTHER, /* another process: `ballast migrate`, or a ballastd that has died */
} BalReleaser;
#define BAL_N_RELEASERS (BAL_RELEASER_ANOTHER + 1)

typedef enum
{
  BAL_MIGRATION_RUNNING,
  BAL_MIGRATION_LEFT,    /* the guest runs at the destination */
  BAL_MIGRATION_STAYED,  /* it runs on here */
  BAL_MIGRATION_UNKNOWN, /* it is off here, and nobody said that it migrated */
} BalMigrationOutcome;
#define BAL_N_MIGRATION_OUTCOMES (BAL_MIGRATION_UNKNOWN + 1)

/* What the release for one migration came to. */
typedef struct
{
  gint64 began_us; /* monotonic */
  BalReleaser releaser;
  char *why; /* why ballastd released nothing, or NULL */
  guint64 gain_bytes;
  guint64 released_bytes;
  guint64 release_ms;
  char *hold_end; /* why the hold ended before the migration did, or NULL */
} BalReleaseResult;

void bal_release_result_copy (const BalReleaseResult *self, BalReleaseResult *out);
void bal_release_result_clear (BalReleaseResult *self);

/* What libvirt tells of a migration that succeeded. */
typedef struct
{
  guint64 sent_bytes;        /* memory, and disks when they were copied */
  guint64 memory_sent_bytes; /* as QEMU counts it, zero pages included */
  guint64 total_ms;
  gboolean has_downtime;
  guint64 downtime_ms;
} BalMigrationFigures;

/* One instant by two clocks: one to be shown, one that nobody sets. */
typedef struct
{
  gint64 real_us;
  gint64 monotonic_us;
} BalMoment;

typedef struct
{
  char *uuid;
  char *name;
  BalMoment began;
  BalMoment ended; /* unless it is running */
  BalMigrationOutcome outcome;
  BalReleaseResult release;
  gboolean has_figures;
  BalMigrationFigures figures;
  gboolean is_logged;
} BalPastMigration;

void bal_past_migration_clear (BalPastMigration *self);

typedef struct _BalHistory BalHistory;

BalHistory *bal_history_new (void);
void bal_history_free (BalHistory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalHistory, bal_history_free)

guint bal_history_length (const BalHistory *self);
const BalPastMigration *bal_history_get (const BalHistory *self, guint i);

/* The domain's newest, or NULL. */
const BalPastMigration *bal_history_find (const BalHistory *self, const char *uuid);

/* A migration of the domain goes on: a new one, unless the newest is not over. */
void bal_history_begin (BalHistory *self, const char *uuid, const char *name, BalMoment now);

/* The domain's newest is over. Nothing, when it was before, but that what was not known becomes
 * BAL_MIGRATION_LEFT by @outcome. TRUE when it was not over until now. */
gboolean
bal_history_end (BalHistory *self, const char *uuid, BalMigrationOutcome outcome, BalMoment now);

/* Belongs to the migration that was under way when that release began. */
void bal_history_set_release (BalHistory *self, const char *uuid, const BalReleaseResult *release);

/* Of the domain's newest. */
void
bal_history_set_figures (BalHistory *self, const char *uuid, const BalMigrationFigures *figures);

/* The oldest that was over at @monotonic_us and is not logged yet, or NULL. It counts as logged
 * from now on. */
const BalPastMigration *bal_history_take_unlogged (BalHistory *self, gint64 monotonic_us);

G_END_DECLS
