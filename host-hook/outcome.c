/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of a migration, and the memory given back wherever the guest is. */
#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/give-back.h"
#include "host-hook/migration.h"
#include "host-hook/recover.h"
#include "host-hook/transfer-stats.h"

/* How long a job may linger after libvirt's call is over, and libvirtd may take to restart. */
#define SETTLE_MS 30000
#define RECONNECT_MS 10000

/* As long as on an open connection (connection.h); ssh may take many seconds. */
#define ATTEMPT_MS 30000

void
bal_migration_note_stage (BalMigration *self, BalJournalStage stage)
{
  g_autoptr (GError) error = NULL;

  if (!self->entry)
    return;
  self->entry->stage = stage;
  if (self->source_local && !bal_journal_save (self->job->root, self->entry, &error))
    bal_report_warning (self->job->report, "%s", error->message);
}

static void
forget_entry (BalMigration *self)
{
  g_autoptr (GError) error = NULL;

  if (self->source_local && !bal_journal_remove (self->job->root, self->entry, &error))
    bal_report_warning (self->job->report, "%s", error->message);
}

/* Opens the connection anew when it broke: libvirtd may be restarting, and Ctrl-C on a terminal
 * also ends the ssh that carries a connection. One that takes the connection and says nothing is
 * waited for ATTEMPT_MS. */
static gboolean
revive (virConnectPtr *connection, const char *uri)
{
  gint64 end_us = g_get_monotonic_time () + RECONNECT_MS * 1000;

  if (*connection && virConnectIsAlive (*connection) > 0)
    return TRUE;
  g_clear_pointer (connection, virConnectClose);
  while (TRUE)
    {
      *connection = bal_connection_open_within (uri, ATTEMPT_MS);
      if (*connection || g_get_monotonic_time () > end_us)
        return *connection != NULL;
      g_usleep (G_USEC_PER_SEC / 4);
    }
}

static gboolean
give_back_at (BalMigration *self, virConnectPtr connection, GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (connection, self->uuid);
  BalGiveBack give_back = {.job = self->job,
                           .domain = domain,
                           .is_local = bal_connection_is_local (connection),
                           .agent = self->survey.agent,
                           .lease_ms = self->survey.agent_lease_ms};

  if (!domain)
    return bal_failure_libvirt (error, BAL_EXIT_NOT_RESTORED,
                                "Domain \"%s\" was lost sight of, run `ballast recover`",
                                self->entry->domain_name);
  bal_report_phase (self->job->report, BAL_PHASE_GIVE_BACK);
  if (!bal_give_back (&give_back, self->entry, error))
    {
      bal_migration_note_stage (self, BAL_JOURNAL_RESTORING);
      return FALSE;
    }
  BAL_BREAKPOINT ("given-back");
  forget_entry (self);
  return TRUE;
}

gboolean
bal_outcome_stayed (BalMigration *self, GError **error)
{
  return !self->entry || give_back_at (self, self->source, error);
}

/* For a hold alone: it ends by itself. */
static gboolean
leave_to_guest (BalMigration *self, const char *why)
{
  bal_report_warning (self->job->report,
                      "%s, the guest takes its held memory back by itself within %u s", why,
                      (guint)(self->survey.agent_lease_ms / 1000));
  forget_entry (self);
  return TRUE;
}

static gboolean
cannot_see_destination (BalMigration *self, GError **error)
{
  if (!bal_journal_entry_changes_sizes (self->entry))
    return leave_to_guest (self, "The destination's libvirt cannot be reached from here");
  g_set_error (
    error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
    "Domain \"%s\" has moved but %s cannot be reached, so its memory waits: run `ballast "
    "recover` here or `ballast restore %s` there",
    self->entry->domain_name, self->options->destination_uri, self->entry->domain_name);
  return FALSE;
}

static gboolean
give_back_moved (BalMigration *self, GError **error)
{
  gboolean holds_only = !bal_journal_entry_changes_sizes (self->entry);

  if (self->options->flags & VIR_MIGRATE_PAUSED)
    return leave_to_guest (self, "The guest is suspended; when it runs again");
  if ((holds_only && !self->destination)
      || !revive (&self->destination, self->options->destination_uri))
    return cannot_see_destination (self, error);
  if (bal_recover_wait_for_job (self->destination, self->uuid, SETTLE_MS) == BAL_DOMAIN_RUNNING)
    return give_back_at (self, self->destination, error);
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
               "Domain \"%s\" has moved to %s but does not run there, so its memory waits: run "
               "`ballast recover` when it runs",
               self->entry->domain_name, self->options->destination_uri);
  return FALSE;
}

gboolean
bal_outcome_moved (BalMigration *self, GError **error)
{
  g_autoptr (virDomain) moved =
    self->destination ? virDomainLookupByUUIDString (self->destination, self->uuid) : NULL;
  BalSummary *summary = bal_report_summary (self->job->report);

  summary->moved = TRUE;
  bal_transfer_stats (self->domain, moved, summary);
  g_clear_pointer (&self->survey.agent, bal_agent_client_free);
  return !self->entry || give_back_moved (self, error);
}

static gboolean
fail_as (const BalMigration *self,
         BalExitCode code,
         const GError *failure,
         const char *stand,
         GError **error)
{
  if (bal_cancel_requested (self->job->cancel) && code == BAL_EXIT_FAILED)
    code = BAL_EXIT_INTERRUPTED;
  g_set_error (error, BAL_FAILURE, code, "%s; %s", failure->message, stand);
  return FALSE;
}

static gboolean
fail_at_source (BalMigration *self, const GError *failure, GError **error)
{
  g_autoptr (GError) not_restored = NULL;
  gboolean had_entry = self->entry != NULL;

  if (!bal_outcome_stayed (self, &not_restored))
    return fail_as (self, BAL_EXIT_NOT_RESTORED, failure, not_restored->message, error);
  return fail_as (self, BAL_EXIT_FAILED, failure,
                  had_entry ? "the guest runs on where it was and has its memory back"
                            : "the guest runs on where it was with its memory",
                  error);
}

/* libvirt leaves a source paused, too, when it does not know whether the destination runs: two
 * running copies would ruin the guest's disks. */
static gboolean
fail_paused (BalMigration *self, BalDomainState there, const GError *failure, GError **error)
{
  if (there != BAL_DOMAIN_GONE)
    return fail_as (
      self, BAL_EXIT_UNKNOWN, failure,
      "it is paused here and may run at the destination: do not resume it here before "
      "you saw that it is gone there",
      error);
  if (!self->entry)
    return fail_as (self, BAL_EXIT_FAILED, failure, "the guest is paused where it was", error);
  return fail_as (self, BAL_EXIT_NOT_RESTORED, failure,
                  "the guest is paused where it was: resume it, then run `ballast recover`", error);
}

/* Waits for the job to end; a job that outlived Ctrl-C, because the connection broke, is aborted.
 */
static BalDomainState
stand_at_source (BalMigration *self)
{
  g_autoptr (virDomain) domain = NULL;

  if (!revive (&self->source, self->source_uri))
    return BAL_DOMAIN_UNKNOWN;
  if (bal_cancel_requested (self->job->cancel)
      && bal_domain_state (self->source, self->uuid) == BAL_DOMAIN_BUSY)
    {
      domain = virDomainLookupByUUIDString (self->source, self->uuid);
      if (domain)
        virDomainAbortJob (domain);
    }
  return bal_recover_wait_for_job (self->source, self->uuid, SETTLE_MS);
}

static BalDomainState
stand_at_destination (BalMigration *self)
{
  if (!revive (&self->destination, self->options->destination_uri))
    return BAL_DOMAIN_UNKNOWN;
  return bal_recover_wait_for_job (self->destination, self->uuid, SETTLE_MS);
}

gboolean
bal_outcome_failed (BalMigration *self, const GError *failure, GError **error)
{
  BalDomainState here, there;

  if (self->options->flags & VIR_MIGRATE_OFFLINE)
    {
      g_propagate_error (error, g_error_copy (failure));
      return FALSE;
    }
  here = stand_at_source (self);
  if (here == BAL_DOMAIN_RUNNING)
    return fail_at_source (self, failure, error);
  if (here == BAL_DOMAIN_POSTCOPY_FAILED)
    return fail_as (self, BAL_EXIT_UNKNOWN, failure,
                    "the guest waits in a failed post-copy: resume it with --postcopy-resume, then "
                    "run `ballast recover`",
                    error);
  there = stand_at_destination (self);
  if (here == BAL_DOMAIN_PAUSED)
    return fail_paused (self, there, failure, error);
  if (here == BAL_DOMAIN_GONE && there == BAL_DOMAIN_RUNNING)
    {
      bal_report_warning (self->job->report,
                          "the guest runs at the destination although libvirt said: %s",
                          failure->message);
      return bal_outcome_moved (self, error);
    }
  return fail_as (self, BAL_EXIT_UNKNOWN, failure,
                  "where the guest runs is not known: see `ballast status`, `ballast recover`",
                  error);
}
