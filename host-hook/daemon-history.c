/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-history.h"

#include <string.h>

struct _BalHistory
{
  GPtrArray *migrations; /* of BalPastMigration, oldest first */
};

void
bal_release_result_copy (const BalReleaseResult *self, BalReleaseResult *out)
{
  *out = *self;
  out->why = g_strdup (self->why);
  out->hold_end = g_strdup (self->hold_end);
}

void
bal_release_result_clear (BalReleaseResult *self)
{
  g_free (self->why);
  g_free (self->hold_end);
  *self = (BalReleaseResult){0};
}

void
bal_past_migration_clear (BalPastMigration *self)
{
  bal_release_result_clear (&self->release);
  g_free (self->uuid);
  g_free (self->name);
  *self = (BalPastMigration){0};
}

static void
migration_free (gpointer data)
{
  bal_past_migration_clear (data);
  g_free (data);
}

BalHistory *
bal_history_new (void)
{
  BalHistory *self = g_new0 (BalHistory, 1);

  self->migrations = g_ptr_array_new_with_free_func (migration_free);
  return self;
}

void
bal_history_free (BalHistory *self)
{
  g_ptr_array_unref (self->migrations);
  g_free (self);
}

guint
bal_history_length (const BalHistory *self)
{
  return self->migrations->len;
}

const BalPastMigration *
bal_history_get (const BalHistory *self, guint i)
{
  return g_ptr_array_index (self->migrations, i);
}

/* The domain's newest of those that had begun at @monotonic_us. */
static BalPastMigration *
find_begun (const BalHistory *self, const char *uuid, gint64 monotonic_us)
{
  for (guint i = self->migrations->len; i > 0; i--)
    {
      BalPastMigration *migration = g_ptr_array_index (self->migrations, i - 1);

      if (strcmp (migration->uuid, uuid) == 0 && migration->began.monotonic_us <= monotonic_us)
        return migration;
    }
  return NULL;
}

const BalPastMigration *
bal_history_find (const BalHistory *self, const char *uuid)
{
  return find_begun (self, uuid, G_MAXINT64);
}

/* Makes room for one more that is logged. */
static void
drop_oldest (BalHistory *self)
{
  guint n_logged = 0;

  for (guint i = self->migrations->len; i > 0; i--)
    if (bal_history_get (self, i - 1)->is_logged && ++n_logged >= BAL_HISTORY_MAX)
      g_ptr_array_remove_index (self->migrations, i - 1);
}

void
bal_history_begin (BalHistory *self, const char *uuid, const char *name, BalMoment now)
{
  const BalPastMigration *newest = bal_history_find (self, uuid);
  BalPastMigration *migration;

  if (newest && newest->outcome == BAL_MIGRATION_RUNNING)
    return;
  migration = g_new0 (BalPastMigration, 1);
  migration->uuid = g_strdup (uuid);
  migration->name = g_strdup (name);
  migration->began = now;
  g_ptr_array_add (self->migrations, migration);
}

gboolean
bal_history_end (BalHistory *self, const char *uuid, BalMigrationOutcome outcome, BalMoment now)
{
  BalPastMigration *newest = find_begun (self, uuid, G_MAXINT64);
  gboolean was_running = newest && newest->outcome == BAL_MIGRATION_RUNNING;

  if (was_running)
    newest->ended = now;
  if (was_running
      || (newest && newest->outcome == BAL_MIGRATION_UNKNOWN && outcome == BAL_MIGRATION_LEFT))
    newest->outcome = outcome;
  return was_running;
}

void
bal_history_set_release (BalHistory *self, const char *uuid, const BalReleaseResult *release)
{
  BalPastMigration *migration = find_begun (self, uuid, release->began_us);

  if (!migration)
    return;
  bal_release_result_clear (&migration->release);
  bal_release_result_copy (release, &migration->release);
}

void
bal_history_set_figures (BalHistory *self, const char *uuid, const BalMigrationFigures *figures)
{
  BalPastMigration *newest = find_begun (self, uuid, G_MAXINT64);

  if (!newest)
    return;
  newest->has_figures = TRUE;
  newest->figures = *figures;
}

const BalPastMigration *
bal_history_take_unlogged (BalHistory *self, gint64 monotonic_us)
{
  for (guint i = 0; i < self->migrations->len; i++)
    {
      BalPastMigration *migration = g_ptr_array_index (self->migrations, i);

      if (migration->is_logged || migration->outcome == BAL_MIGRATION_RUNNING
          || migration->ended.monotonic_us > monotonic_us)
        continue;
      drop_oldest (self);
      migration->is_logged = TRUE;
      return migration;
    }
  return NULL;
}
