/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/migrate.h"

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/domain-lock.h"
#include "host-hook/failure.h"
#include "host-hook/migrate-vf.h"
#include "host-hook/migration.h"
#include "host-hook/prepare.h"
#include "host-hook/recover.h"
#include "host-hook/release.h"
#include "host-hook/transfer.h"
#include "host-hook/window-tag.h"

/* Peer-to-peer migrations do without our own connection to the destination: plain ones make none,
 * so this one may not cost them much. */
#define OPTIONAL_CONNECT_MS 5000

static void
migration_clear (BalMigration *self)
{
  bal_survey_clear (&self->survey);
  bal_plan_clear (&self->plan);
  g_clear_pointer (&self->entry, bal_journal_entry_free);
  g_clear_pointer (&self->destination, virConnectClose);
  g_clear_pointer (&self->source, virConnectClose);
  g_free (self->source_uri);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalMigration, migration_clear)

static gboolean
connect_destination (BalMigration *self, GError **error)
{
  const char *uri = self->options->destination_uri;
  g_autoptr (GError) failure = NULL;

  if ((self->options->flags & VIR_MIGRATE_PEER2PEER) || self->options->direct)
    {
      /* NB: before that thread starts, which may outlive this function. */
      bal_cancel_arm (self->job->cancel);
      self->destination = bal_connection_open_within (uri, OPTIONAL_CONNECT_MS);
      return TRUE;
    }
  self->destination = bal_connection_open (uri, &failure);
  if (self->destination)
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&failure),
                              "The domain stays as it was, nothing was released: ");
  return FALSE;
}

/* A definition alone has no memory to send, and a post-copy migration that is resumed has been
 * planned already. */
static const char *
why_plain (const BalMigration *self)
{
  if (self->options->flags & VIR_MIGRATE_OFFLINE)
    return "an offline migration sends no memory";
  if (self->options->flags & VIR_MIGRATE_POSTCOPY_RESUME)
    return "a post-copy migration is resumed as it is";
  if (bal_connection_is_session (self->source))
    return "libvirt's session mode is not supported";
  return NULL;
}

static void
say_nothing_released (BalMigration *self, const char *why, gboolean is_warning)
{
  bal_report_summary (self->job->report)->why_nothing = g_strdup (why);
  if (is_warning)
    bal_report_warning (self->job->report, "migrating plainly: %s", why);
}

/* Other mechanisms do without, but somebody installed this agent and it does not work. */
static void
warn_of_bad_agent (BalMigration *self)
{
  const char *problem = self->survey.facts.agent_problem;

  if (self->survey.xml.agent_connected && problem
      && g_strcmp0 (self->plan.why_nothing, problem) != 0)
    bal_report_warning (self->job->report, "%s", problem);
}

/* Where a guest's sizes have to be at the destination what they are now. The last one: libvirt
 * makes the destination's persistent definition of the live one when there is no other. */
static gboolean
sizes_must_stay (const BalMigration *self)
{
  const BalMigrateOptions *options = self->options;

  return options->has_destination_xml || (options->flags & VIR_MIGRATE_PAUSED)
         || ((options->flags & VIR_MIGRATE_PERSIST_DEST)
             && virDomainIsPersistent (self->domain) != 1);
}

static gboolean
take_survey (BalMigration *self, GError **error)
{
  BalSurveyRequest request = {
    .root = self->job->root,
    .domain = self->domain,
    .source_local = self->source_local,
    .destination_reachable = self->destination != NULL,
    .sizes_must_stay = sizes_must_stay (self),
    .config = self->job->config,
  };

  return bal_prepare (self->job, &request, &self->survey, &self->plan, error);
}

/* The domain has its VFs as long as it can: what a release takes it would be without network. But
 * QEMU ignores the balloon beside them, so where nothing else releases they go first, and the
 * domain is looked at once more. FALSE: they could not be detached. */
static gboolean
make_way_for_balloon (BalMigration *self, GError **problem, GError **error)
{
  if (self->plan.steps->len > 0 || !self->survey.facts.has_vfio || !self->source_local)
    return TRUE;
  if (!bal_migrate_vf_detach (self->job, self->domain, self->uuid, &self->vfs_detached, error))
    return FALSE;
  if (!self->vfs_detached)
    return TRUE;
  bal_plan_clear (&self->plan);
  bal_survey_clear (&self->survey);
  take_survey (self, problem);
  return TRUE;
}

/* *@releases: whether there is something to release. FALSE: there is to be no migration. */
static gboolean
survey_and_plan (BalMigration *self, gboolean *releases, GError **error)
{
  g_autoptr (GError) problem = NULL;

  *releases = FALSE;
  if (take_survey (self, &problem) && !make_way_for_balloon (self, &problem, error))
    return FALSE;
  if (problem)
    {
      say_nothing_released (self, problem->message, TRUE);
      return TRUE;
    }
  warn_of_bad_agent (self);
  BAL_BREAKPOINT ("planned");
  if (self->plan.steps->len == 0)
    say_nothing_released (self, self->plan.why_nothing, self->plan.is_warning);
  *releases = self->plan.steps->len > 0;
  return TRUE;
}

static void
release (BalMigration *self)
{
  g_autoptr (GError) error = NULL;
  BalRelease release = {.job = self->job,
                        .domain = self->domain,
                        .survey = &self->survey,
                        .plan = &self->plan,
                        .has_journal = self->source_local,
                        .source_uri = self->source_uri,
                        .dest_uri = self->options->destination_uri,
                        .dest_name = self->options->destination_name,
                        .stage_after = BAL_JOURNAL_RELEASED};

  if (!bal_release (&release, &self->entry, &error))
    say_nothing_released (self, error->message, TRUE);
}

/* Interrupted before libvirt was asked to migrate. */
static gboolean
stop_before_transfer (BalMigration *self, GError **error)
{
  if (!bal_outcome_stayed (self, error))
    return FALSE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_INTERRUPTED,
               "Interrupted before the migration began; the guest runs on where it was with its "
               "memory");
  return FALSE;
}

/* The release of the post-copy migration that was resumed. */
static gboolean
settle_resumed (BalMigration *self, GError **error)
{
  BalRecover recover = {.job = self->job,
                        .connection = self->source,
                        .is_local = self->source_local};
  gboolean found;

  return bal_recover_journal (&recover, self->uuid, &found, error);
}

/* What there is to release is released by now: a ballastd at the destination would hold the
 * migration open for nothing. Wherever the domain runs afterwards, a ballastd there marks it again.
 */
static void
close_window (const BalMigration *self)
{
  if (self->source_local && bal_window_tag_is_on (self->domain))
    bal_window_tag_write (self->domain, FALSE, NULL);
}

static gboolean
transfer (BalMigration *self, GError **error)
{
  g_autoptr (GError) failure = NULL;
  gboolean holds = self->entry && self->entry->hold_token;
  BalTransfer transfer = {.job = self->job,
                          .options = self->options,
                          .source = self->source,
                          .destination = self->destination,
                          .domain = self->domain,
                          .agent = &self->survey.agent,
                          .lease_ms = holds ? self->survey.agent_lease_ms : 0};
  gboolean ok;

  bal_migration_note_stage (self, BAL_JOURNAL_MIGRATING);
  close_window (self);
  BAL_BREAKPOINT ("migrating");
  bal_report_phase (self->job->report, BAL_PHASE_MIGRATE);
  ok = bal_transfer_run (&transfer, &failure);
  bal_report_phases_end (self->job->report);
  BAL_BREAKPOINT ("transferred");
  if (!ok)
    return bal_outcome_failed (self, failure, error);
  return bal_outcome_moved (self, error)
         && (!(self->options->flags & VIR_MIGRATE_POSTCOPY_RESUME) || settle_resumed (self, error));
}

/* Why an earlier release of this domain keeps a new one from being made, or NULL. */
static const char *
settle_earlier (BalMigration *self)
{
  BalRecover recover = {.job = self->job,
                        .connection = self->source,
                        .is_local = self->source_local};
  g_autoptr (GError) error = NULL;
  gboolean found;

  if (bal_domain_state (self->source, self->uuid) != BAL_DOMAIN_RUNNING)
    return NULL;
  if (!bal_recover_domain (&recover, self->domain, &found, &error))
    {
      bal_report_warning (self->job->report, "%s", error->message);
      return "an earlier release of this domain is not settled";
    }
  if (found)
    bal_report_warning (self->job->report,
                        "memory that an earlier release had left was given back first");
  return NULL;
}

/* Without a lock nothing may be released, but a plain migration may be made; unless somebody else
 * is at work on the domain. */
static gboolean
take_lock (BalMigration *self, BalDomainLock **lock, char **problem, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (!self->source_local)
    return TRUE;
  *lock = bal_domain_lock_take (self->job->root, self->uuid, self->job->cancel, &failure);
  if (g_error_matches (failure, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (failure)
    *problem = g_strdup (failure->message);
  return TRUE;
}

/* As late as can be: they are kept for the domain for two minutes, and a release may take longer.
 * Asked again, that time begins anew. */
static gboolean
detach_vfs (BalMigration *self, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (bal_migrate_vf_detach (self->job, self->domain, self->uuid, &self->vfs_detached, &failure))
    return TRUE;
  if (bal_outcome_stayed (self, error))
    g_propagate_error (error, g_steal_pointer (&failure));
  else
    bal_report_warning (self->job->report, "%s", failure->message);
  return FALSE;
}

/* With the lock, or without one but on good terms. */
static gboolean
release_and_transfer (BalMigration *self, const char *plain, const char *problem, GError **error)
{
  gboolean releases = FALSE;

  if (!plain && !problem)
    problem = settle_earlier (self);
  if (plain)
    say_nothing_released (self, plain, FALSE);
  else if (problem)
    say_nothing_released (self, problem, TRUE);
  else if (!survey_and_plan (self, &releases, error))
    return FALSE;
  if (releases && !bal_cancel_requested (self->job->cancel))
    release (self);
  if (bal_cancel_requested (self->job->cancel))
    return stop_before_transfer (self, error);
  if (!plain && self->source_local && !detach_vfs (self, error))
    return FALSE;
  return transfer (self, error);
}

/* Those of its virtual functions that cannot travel are detached on the way. */
static gboolean
migrate_without_vfs (BalMigration *self, const char *plain, const char *problem, GError **error)
{
  gboolean ok = release_and_transfer (self, plain, problem, error);

  if (!ok && self->vfs_detached)
    bal_migrate_vf_attach (self->job, self->source, self->uuid);
  else if (self->vfs_detached && self->destination)
    bal_migrate_vf_await (self->job, self->destination, self->uuid);
  return ok;
}

gboolean
bal_migrate (const BalJob *job,
             virConnectPtr source,
             virDomainPtr domain,
             const BalMigrateOptions *options,
             GError **error)
{
  g_auto (BalMigration) self = {.job = job,
                                .options = options,
                                .source = source,
                                .domain = domain,
                                .source_uri = virConnectGetURI (source),
                                .source_local = bal_connection_is_local (source)};
  g_autoptr (BalDomainLock) lock = NULL;
  g_autofree char *problem = NULL;
  const char *plain = why_plain (&self);

  virConnectRef (source);
  if (virDomainGetUUIDString (domain, self.uuid) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_NOT_FOUND, "The domain has no UUID");
  if (!connect_destination (&self, error))
    return FALSE;
  bal_cancel_arm (job->cancel);
  if (!take_lock (&self, &lock, &problem, error))
    return FALSE;

  return migrate_without_vfs (&self, plain, problem, error);
}
