/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/migrate.h"

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/domain-lock.h"
#include "host-hook/failure.h"
#include "host-hook/give-back.h"
#include "host-hook/recover.h"
#include "host-hook/release.h"
#include "host-hook/transfer-stats.h"
#include "host-hook/transfer.h"

/* How long a job may linger after libvirt's call has failed, and libvirtd may take to restart. */
#define SETTLE_MS 30000
#define RECONNECT_MS 10000

typedef struct
{
  const BalJob *job;
  const BalMigrateOptions *options;
  virConnectPtr source;
  virConnectPtr destination; /* owned; NULL: out of reach, p2p only */
  virDomainPtr domain;
  gboolean source_local;
  char uuid[VIR_UUID_STRING_BUFLEN];
  BalSurvey survey;
  BalPlan plan;
  BalJournalEntry *entry; /* NULL: nothing was released */
} Migration;

static void
migration_clear (Migration *self)
{
  bal_survey_clear (&self->survey);
  bal_plan_clear (&self->plan);
  g_clear_pointer (&self->entry, bal_journal_entry_free);
  g_clear_pointer (&self->destination, virConnectClose);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Migration, migration_clear)

static gboolean
needs_no_destination (const BalMigrateOptions *options)
{
  return (options->flags & VIR_MIGRATE_PEER2PEER) || options->direct;
}

static gboolean
connect_destination (Migration *self, GError **error)
{
  g_autoptr (GError) failure = NULL;

  self->destination = bal_connection_open (self->options->destination_uri, &failure);
  if (self->destination || needs_no_destination (self->options))
    return TRUE;
  g_propagate_prefixed_error (error, g_steal_pointer (&failure),
                              "The domain stays as it was, nothing was released: ");
  return FALSE;
}

/* A definition alone has no memory to send, and a post-copy migration that is resumed has been
 * planned already. */
static const char *
why_plain (const Migration *self)
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
say_nothing_released (Migration *self, const char *why, gboolean is_warning)
{
  bal_report_summary (self->job->report)->why_nothing = g_strdup (why);
  if (is_warning)
    bal_report_warning (self->job->report, "migrating plainly: %s", why);
}

/* Other mechanisms do without, but somebody installed this agent and it does not work. */
static void
warn_of_bad_agent (Migration *self)
{
  const char *problem = self->survey.facts.agent_problem;

  if (self->survey.xml.agent_connected && problem
      && g_strcmp0 (self->plan.why_nothing, problem) != 0)
    bal_report_warning (self->job->report, "%s", problem);
}

static gboolean
survey_and_plan (Migration *self)
{
  BalSummary *summary = bal_report_summary (self->job->report);
  g_autoptr (GError) error = NULL;
  BalSurveyRequest request = {
    .root = self->job->root,
    .domain = self->domain,
    .source_local = self->source_local,
    .destination_reachable = self->destination != NULL,
    .sizes_must_stay =
      self->options->has_destination_xml || (self->options->flags & VIR_MIGRATE_PAUSED),
    .config = self->job->config,
  };

  bal_report_phase (self->job->report, BAL_PHASE_SURVEY);
  if (!bal_survey_take (&request, &self->survey, &error))
    {
      say_nothing_released (self, error->message, TRUE);
      return FALSE;
    }
  bal_plan_make (&self->survey.facts, &self->job->config->policy, &self->plan);
  warn_of_bad_agent (self);
  summary->gain_bytes = self->plan.gain_bytes;
  summary->headroom_bytes = self->plan.headroom_bytes;
  BAL_BREAKPOINT ("planned");
  if (self->plan.steps->len == 0)
    say_nothing_released (self, self->plan.why_nothing, self->plan.is_warning);
  return self->plan.steps->len > 0;
}

static BalJournalEntry *
make_entry (Migration *self, GError **error)
{
  g_autofree char *source_uri = virConnectGetURI (self->source);

  return bal_release_entry (self->job->root, &self->survey, &self->plan, source_uri,
                            self->options->destination_uri, self->options->destination_name, error);
}

static void
release (Migration *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalJournalEntry) entry = make_entry (self, &error);
  BalRelease release = {.job = self->job,
                        .domain = self->domain,
                        .survey = &self->survey,
                        .plan = &self->plan,
                        .entry = entry,
                        .has_journal = self->source_local};

  bal_report_phase (self->job->report, BAL_PHASE_RELEASE);
  if (entry && bal_release_run (&release, &error))
    self->entry = g_steal_pointer (&entry);
  else
    say_nothing_released (self, error->message, TRUE);
}

/* Only ever makes the journal less precise: without this stage `recover` looks here first. */
static void
note_stage (Migration *self, BalJournalStage stage)
{
  g_autoptr (GError) error = NULL;

  if (!self->entry)
    return;
  self->entry->stage = stage;
  if (self->source_local && !bal_journal_save (self->job->root, self->entry, &error))
    bal_report_warning (self->job->report, "%s", error->message);
}

static void
forget_entry (Migration *self)
{
  g_autoptr (GError) error = NULL;

  if (self->source_local && !bal_journal_remove (self->job->root, self->entry, &error))
    bal_report_warning (self->job->report, "%s", error->message);
}

static gboolean
give_back_at (Migration *self, virDomainPtr domain, gboolean is_local, GError **error)
{
  BalGiveBack give_back = {.job = self->job,
                           .domain = domain,
                           .is_local = is_local,
                           .agent = self->survey.agent};

  bal_report_phase (self->job->report, BAL_PHASE_GIVE_BACK);
  if (!self->entry)
    return TRUE;
  note_stage (self, BAL_JOURNAL_RESTORING);
  if (!bal_give_back (&give_back, self->entry, error))
    return FALSE;
  BAL_BREAKPOINT ("given-back");
  forget_entry (self);
  return TRUE;
}

/* Nobody here can reach the guest, so only a hold was planned, and that ends by itself. */
static gboolean
leave_to_guest (Migration *self, const char *why)
{
  if (!self->entry)
    return TRUE;
  bal_report_warning (self->job->report,
                      "%s, the guest takes its held memory back by itself within %u s", why,
                      BAL_HOLD_LEASE_DEFAULT_MS / 1000);
  forget_entry (self);
  return TRUE;
}

static gboolean
give_back_at_destination (Migration *self, virDomainPtr migrated, GError **error)
{
  BalDomainState state;

  g_clear_pointer (&self->survey.agent, bal_agent_client_free);
  if (!migrated)
    return leave_to_guest (self, "The destination's libvirt cannot be reached from here");
  if (self->options->flags & VIR_MIGRATE_PAUSED)
    return leave_to_guest (self, "The guest is suspended; when it runs again");
  state = self->entry ? bal_recover_wait_for_job (self->destination, self->uuid, SETTLE_MS)
                      : BAL_DOMAIN_RUNNING;
  if (state == BAL_DOMAIN_RUNNING)
    return give_back_at (self, migrated, bal_connection_is_local (self->destination), error);
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
               "Domain \"%s\" has moved to %s but does not run there, so its memory waits: run "
               "`ballast recover %s` when it runs",
               self->entry->domain_name, self->options->destination_uri, self->entry->domain_name);
  return FALSE;
}

/* Gives libvirtd the time to come back when it is being restarted. Returns a connection of the
 * caller's. */
static virConnectPtr
reconnect (virConnectPtr connection, const char *uri)
{
  gint64 end_us = g_get_monotonic_time () + RECONNECT_MS * 1000;
  virConnectPtr fresh = NULL;

  if (connection && virConnectIsAlive (connection) > 0)
    {
      virConnectRef (connection);
      return connection;
    }
  while (!fresh && g_get_monotonic_time () < end_us)
    {
      fresh = bal_connection_open (uri, NULL);
      if (!fresh)
        g_usleep (G_USEC_PER_SEC / 4);
    }
  return fresh;
}

/* What is known of both ends after libvirt said that the migration failed. */
typedef struct
{
  virConnectPtr source;
  virConnectPtr destination;
  BalDomainState at_source;
  BalDomainState at_destination;
} Ends;

static void
ends_clear (Ends *self)
{
  g_clear_pointer (&self->source, virConnectClose);
  g_clear_pointer (&self->destination, virConnectClose);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ends, ends_clear)

static Ends
look_at_ends (Migration *self)
{
  g_autofree char *source_uri = virConnectGetURI (self->source);
  Ends ends = {.source = reconnect (self->source, source_uri),
               .at_destination = BAL_DOMAIN_UNKNOWN};

  ends.at_source = bal_recover_wait_for_job (ends.source, self->uuid, SETTLE_MS);
  if (ends.at_source == BAL_DOMAIN_RUNNING)
    return ends;
  ends.destination = reconnect (self->destination, self->options->destination_uri);
  ends.at_destination = bal_recover_wait_for_job (ends.destination, self->uuid, SETTLE_MS);
  return ends;
}

static gboolean
fail_as (
  const Migration *self, BalExitCode code, const GError *failure, const char *stand, GError **error)
{
  if (bal_cancel_requested (self->job->cancel) && code == BAL_EXIT_FAILED)
    code = BAL_EXIT_INTERRUPTED;
  g_set_error (error, BAL_FAILURE, code, "%s; %s", failure->message, stand);
  return FALSE;
}

static gboolean
fail_at_source (Migration *self, const Ends *ends, const GError *failure, GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (ends->source, self->uuid);
  g_autoptr (GError) not_restored = NULL;

  if (!domain)
    return fail_as (self, BAL_EXIT_UNKNOWN, failure, "the source's libvirt does not answer", error);
  if (!give_back_at (self, domain, self->source_local, &not_restored))
    return fail_as (self, BAL_EXIT_NOT_RESTORED, failure, not_restored->message, error);
  return fail_as (self, BAL_EXIT_FAILED, failure,
                  self->entry ? "the guest runs on where it was and has its memory back"
                              : "the guest runs on where it was with its memory",
                  error);
}

static gboolean
finish_despite (Migration *self, const Ends *ends, const GError *failure, GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (ends->destination, self->uuid);

  bal_report_warning (self->job->report,
                      "the guest runs at the destination although libvirt said: %s",
                      failure->message);
  return give_back_at_destination (self, domain, error);
}

static gboolean
settle_failure (Migration *self, const GError *failure, GError **error)
{
  g_auto (Ends) ends = look_at_ends (self);

  if (ends.at_source == BAL_DOMAIN_RUNNING)
    return fail_at_source (self, &ends, failure, error);
  if (ends.at_source == BAL_DOMAIN_GONE && ends.at_destination == BAL_DOMAIN_RUNNING)
    return finish_despite (self, &ends, failure, error);
  if (ends.at_source == BAL_DOMAIN_POSTCOPY_FAILED)
    return fail_as (self, BAL_EXIT_UNKNOWN, failure,
                    "the guest waits in a failed post-copy: resume it with --postcopy-resume, then "
                    "run `ballast recover`",
                    error);
  if (ends.at_source == BAL_DOMAIN_PAUSED && !self->entry)
    return fail_as (self, BAL_EXIT_FAILED, failure, "the guest is paused where it was", error);
  if (ends.at_source == BAL_DOMAIN_PAUSED)
    return fail_as (self, BAL_EXIT_NOT_RESTORED, failure,
                    "the guest is paused where it was: resume it, then run `ballast recover`",
                    error);
  return fail_as (self, BAL_EXIT_UNKNOWN, failure,
                  "where the guest runs is not known: see `ballast status`, `ballast recover`",
                  error);
}

/* Interrupted before libvirt was asked to migrate. */
static gboolean
stop_before_transfer (Migration *self, GError **error)
{
  if (!give_back_at (self, self->domain, self->source_local, error))
    return FALSE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_INTERRUPTED,
               "Interrupted before the migration began; the guest runs on where it was with its "
               "memory");
  return FALSE;
}

static gboolean
transfer (Migration *self, GError **error)
{
  g_autoptr (virDomain) migrated = NULL;
  g_autoptr (GError) failure = NULL;
  BalTransfer transfer = {.job = self->job,
                          .options = self->options,
                          .source = self->source,
                          .destination = self->destination,
                          .domain = self->domain,
                          .agent = &self->survey.agent,
                          .holds = self->entry && self->entry->hold_token};
  gboolean ok;

  note_stage (self, BAL_JOURNAL_MIGRATING);
  BAL_BREAKPOINT ("migrating");
  bal_report_phase (self->job->report, BAL_PHASE_MIGRATE);
  ok = bal_transfer_run (&transfer, &migrated, &failure);
  bal_report_phases_end (self->job->report);
  BAL_BREAKPOINT ("transferred");
  if (!ok)
    return settle_failure (self, failure, error);
  bal_transfer_stats (self->domain, migrated, bal_report_summary (self->job->report));
  return give_back_at_destination (self, migrated, error);
}

static gboolean
settle_earlier (Migration *self, GError **error)
{
  BalRecover recover = {.job = self->job,
                        .connection = self->source,
                        .is_local = self->source_local};
  gboolean found;

  if (bal_domain_state (self->source, self->uuid) != BAL_DOMAIN_RUNNING)
    return TRUE;
  if (!bal_recover_domain (&recover, self->domain, &found, error))
    return FALSE;
  if (found)
    bal_report_warning (self->job->report,
                        "memory that an earlier release had left was given back first");
  return TRUE;
}

/* Without a lock nothing may be released, but a plain migration may be made; unless somebody else
 * is at work on the domain. */
static gboolean
take_lock (Migration *self, BalDomainLock **lock, const char **plain, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (!self->source_local)
    return TRUE;
  *lock = bal_domain_lock_try (self->job->root, self->uuid, NULL, &failure);
  if (g_error_matches (failure, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (failure)
    {
      bal_report_warning (self->job->report, "%s", failure->message);
      *plain = "the domain's lock cannot be taken";
    }
  return TRUE;
}

gboolean
bal_migrate (const BalJob *job,
             virConnectPtr source,
             virDomainPtr domain,
             const BalMigrateOptions *options,
             GError **error)
{
  g_auto (Migration) self = {.job = job,
                             .options = options,
                             .source = source,
                             .domain = domain,
                             .source_local = bal_connection_is_local (source)};
  g_autoptr (BalDomainLock) lock = NULL;
  const char *plain = why_plain (&self);

  if (virDomainGetUUIDString (domain, self.uuid) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_NOT_FOUND, "The domain has no UUID");
  if (!connect_destination (&self, error) || !take_lock (&self, &lock, &plain, error))
    return FALSE;
  if (!plain && !settle_earlier (&self, error))
    return FALSE;

  if (plain)
    say_nothing_released (&self, plain, FALSE);
  else if (survey_and_plan (&self) && !bal_cancel_requested (job->cancel))
    release (&self);
  if (bal_cancel_requested (job->cancel))
    return stop_before_transfer (&self, error);
  return transfer (&self, error);
}
