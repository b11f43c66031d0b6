/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-book.h"

#include <libvirt/libvirt.h>

#include "host-hook/daemon-log.h"

/* libvirt tells its figures right behind the event that the domain has stopped. */
#define FIGURES_WAIT_US (2 * G_USEC_PER_SEC)
#define LOG_INTERVAL_S 1

struct _BalBook
{
  GHashTable *domains; /* uuid -> Domain; those that run here, and those that are not idle */
  BalHistory *history;
  guint log_id;
};

typedef struct
{
  BalDomainStatus status;
  gboolean is_here; /* has a status file */
} Domain;

static void
domain_free (gpointer data)
{
  Domain *self = data;

  bal_domain_status_clear (&self->status);
  g_free (self);
}

static BalMoment
now (void)
{
  return (BalMoment){.real_us = g_get_real_time (), .monotonic_us = g_get_monotonic_time ()};
}

BalBook *
bal_book_new (void)
{
  BalBook *self = g_new0 (BalBook, 1);

  self->domains = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, domain_free);
  self->history = bal_history_new ();
  return self;
}

/* --- the log --- */

static void
log_migration (const BalPastMigration *migration)
{
  const BalReleaseResult *release = &migration->release;
  const BalMigrationFigures *figures = &migration->figures;
  g_autofree char *text = bal_past_migration_describe (migration);
  g_autoptr (BalLogFields) fields = bal_log_fields_new ();

  bal_log_fields_add (fields, "BALLAST_DOMAIN_NAME", migration->name);
  bal_log_fields_add (fields, "BALLAST_OUTCOME", bal_migration_outcome_name (migration->outcome));
  bal_log_fields_add_number (fields, "BALLAST_GAIN_BYTES", release->gain_bytes);
  bal_log_fields_add_number (fields, "BALLAST_RELEASED_BYTES", release->released_bytes);
  bal_log_fields_add_number (fields, "BALLAST_RELEASE_MS", release->release_ms);
  if (migration->has_figures)
    {
      bal_log_fields_add_number (fields, "BALLAST_SENT_BYTES", figures->sent_bytes);
      bal_log_fields_add_number (fields, "BALLAST_DURATION_MS", figures->total_ms);
    }
  if (figures->has_downtime)
    bal_log_fields_add_number (fields, "BALLAST_DOWNTIME_MS", figures->downtime_ms);
  bal_daemon_log_with (G_LOG_LEVEL_MESSAGE, migration->uuid, fields, "\"%s\" %s", migration->name,
                       text);
}

static void
log_before (BalBook *self, gint64 monotonic_us)
{
  const BalPastMigration *migration;

  while ((migration = bal_history_take_unlogged (self->history, monotonic_us)))
    log_migration (migration);
}

static gboolean
on_log (gpointer user_data)
{
  BalBook *self = user_data;
  gboolean is_all = TRUE;

  log_before (self, g_get_monotonic_time () - FIGURES_WAIT_US);
  for (guint i = 0; i < bal_history_length (self->history); i++)
    {
      const BalPastMigration *migration = bal_history_get (self->history, i);

      is_all &= migration->is_logged || migration->outcome == BAL_MIGRATION_RUNNING;
    }
  if (!is_all)
    return G_SOURCE_CONTINUE;
  self->log_id = 0;
  return G_SOURCE_REMOVE;
}

static void
end_migration (BalBook *self, const char *uuid, BalMigrationOutcome outcome)
{
  if (bal_history_end (self->history, uuid, outcome, now ()) && self->log_id == 0)
    self->log_id = g_timeout_add_seconds (LOG_INTERVAL_S, on_log, self);
}

void
bal_book_free (BalBook *self)
{
  g_clear_handle_id (&self->log_id, g_source_remove);
  log_before (self, G_MAXINT64);
  g_hash_table_unref (self->domains);
  bal_history_free (self->history);
  g_free (self);
}

/* --- what it is told --- */

static Domain *
find_domain (BalBook *self, const char *uuid)
{
  Domain *domain = g_hash_table_lookup (self->domains, uuid);

  if (domain)
    return domain;
  domain = g_new0 (Domain, 1);
  domain->status.uuid = g_strdup (uuid);
  g_hash_table_insert (self->domains, domain->status.uuid, domain);
  return domain;
}

static void
forget_when_over (BalBook *self, const Domain *domain)
{
  if (!domain->is_here && domain->status.state == BAL_STATE_IDLE)
    g_hash_table_remove (self->domains, domain->status.uuid);
}

void
bal_book_note_status (BalBook *self, const char *uuid, const char *name, const BalStatus *status)
{
  Domain *domain = find_domain (self, uuid);

  g_free (domain->status.name);
  domain->status.name = g_strdup (name);
  domain->status.has_window = status->has_window;
  domain->is_here = status->kind != BAL_STATUS_GONE;
  if (status->kind == BAL_STATUS_LEAVING)
    bal_history_begin (self->history, uuid, name, now ());
  else
    end_migration (self, uuid, domain->is_here ? BAL_MIGRATION_STAYED : BAL_MIGRATION_UNKNOWN);
  forget_when_over (self, domain);
}

void
bal_book_note_state (BalBook *self, const char *uuid, BalState state)
{
  Domain *domain = find_domain (self, uuid);

  if (domain->status.state != state)
    domain->status.since_us = g_get_real_time ();
  domain->status.state = state;
  forget_when_over (self, domain);
}

void
bal_book_note_release (BalBook *self, const char *uuid, const BalReleaseResult *release)
{
  bal_history_set_release (self->history, uuid, release);
}

void
bal_book_note_lifecycle (BalBook *self, const char *uuid, int event, int detail)
{
  if (event == VIR_DOMAIN_EVENT_STOPPED && detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
    end_migration (self, uuid, BAL_MIGRATION_LEFT);
}

void
bal_book_note_figures (BalBook *self, const char *uuid, const BalMigrationFigures *figures)
{
  bal_history_set_figures (self->history, uuid, figures);
  end_migration (self, uuid, BAL_MIGRATION_LEFT);
}

/* --- what it tells --- */

static gboolean
is_about (const char *domain, const char *name, const char *uuid)
{
  return !domain || g_strcmp0 (domain, name) == 0 || g_ascii_strcasecmp (domain, uuid) == 0;
}

static JsonNode *
describe_domain (const BalBook *self, const Domain *domain)
{
  const BalPastMigration *migration = bal_history_find (self->history, domain->status.uuid);
  BalDomainStatus status = domain->status;

  status.has_released = status.state == BAL_STATE_RELEASED && migration != NULL;
  status.released_bytes = status.has_released ? migration->release.released_bytes : 0;
  return bal_domain_status_to_json (&status);
}

/* Those that are idle, or those that are not. The number of those that had no place any more. */
static guint
add_domains (const BalBook *self, const char *name, gboolean idle, JsonArray *array)
{
  GHashTableIter iter;
  gpointer value;
  guint n_left_out = 0;

  g_hash_table_iter_init (&iter, self->domains);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Domain *domain = value;

      if ((domain->status.state == BAL_STATE_IDLE) != idle
          || !is_about (name, domain->status.name, domain->status.uuid))
        continue;
      if (json_array_get_length (array) < BAL_STATUS_DOMAINS_MAX)
        json_array_add_element (array, describe_domain (self, domain));
      else
        n_left_out++;
    }
  return n_left_out;
}

static JsonArray *
list_migrations (const BalBook *self, const char *domain)
{
  JsonArray *array = json_array_new ();
  guint length = bal_history_length (self->history);

  for (guint i = length - MIN (length, BAL_HISTORY_MAX); i < length; i++)
    {
      const BalPastMigration *migration = bal_history_get (self->history, i);

      if (is_about (domain, migration->name, migration->uuid))
        json_array_add_element (array, bal_past_migration_to_json (migration));
    }
  return array;
}

void
bal_book_to_json (const BalBook *self, const char *domain, JsonObject *object)
{
  JsonArray *domains = json_array_new ();
  guint n_left_out = add_domains (self, domain, FALSE, domains);

  n_left_out += add_domains (self, domain, TRUE, domains);
  json_object_set_array_member (object, "domains", domains);
  json_object_set_int_member (object, "domains-left-out", n_left_out);
  json_object_set_array_member (object, "migrations", list_migrations (self, domain));
}
