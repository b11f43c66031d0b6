/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-release.h"

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/domain-agent.h"
#include "host-hook/domain-lock.h"
#include "host-hook/prepare.h"
#include "host-hook/recover.h"
#include "host-hook/release.h"

#include <unistd.h>

#define LEASE_INTERVAL_MS 2000
#define LEASE_INTERVAL_MIN_MS 100
#define LEASE_TIMEOUT_MS 1000

/* How often the job itself is asked for: the end of one that nobody told of must not keep memory
 * away from the guest. */
#define JOB_INTERVAL_US (30 * G_USEC_PER_SEC)

/* So long after its lease a hold is over wherever the guest runs; a guest that stands still cannot
 * tell. */
#define SILENCE_AFTER_LEASE_US (10 * G_USEC_PER_SEC)

/* The status file is only a sign: what it is, libvirt says. */
static gboolean
is_migrated_away (virDomainPtr domain)
{
  virTypedParameterPtr parameters = NULL;
  int n = 0, type, operation = 0;

  if (virDomainGetJobStats (domain, &type, &parameters, &n, 0) < 0)
    return FALSE;
  if (virTypedParamsGetInt (parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation) < 1)
    operation = 0;
  virTypedParamsFree (parameters, n);
  return type != VIR_DOMAIN_JOB_NONE && operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
}

static void
note_nothing (const BalDaemonRelease *self, BalReleaser releaser, const char *why)
{
  self->result->releaser = releaser;
  g_free (self->result->why);
  self->result->why = g_strdup (why);
}

static void
note_released (const BalDaemonRelease *self)
{
  BalReleaseResult *result = self->result;

  result->releaser = BAL_RELEASER_BALLASTD;
  result->released_bytes = bal_summary_released_bytes (bal_report_summary (self->job->report));
  result->release_ms = (guint64)(g_get_monotonic_time () - result->began_us) / 1000;
}

static void
note_hold_end (const BalDaemonRelease *self, BalHoldReason reason)
{
  self->result->hold_end = g_strdup (bal_hold_reason_name (reason));
  bal_daemon_log (G_LOG_LEVEL_WARNING, self->uuid, "the guest took the held memory back early (%s)",
                  self->result->hold_end);
}

typedef enum
{
  EARLIER_NONE,
  EARLIER_OURS,    /* left by an owner that died: to be gone on with */
  EARLIER_OTHERS,  /* somebody else is going to come for it */
  EARLIER_UNKNOWN, /* of which nothing is known */
} Earlier;

/* What the journal knows of this domain. We have its lock: no owner is at work. */
static Earlier
find_earlier (const BalDaemonRelease *self, BalJournalEntry **entry)
{
  g_autoptr (GPtrArray) items = bal_journal_list (self->job->root, self->uuid, NULL);
  BalJournalItem *item = items && items->len == 1 ? g_ptr_array_index (items, 0) : NULL;

  *entry = NULL;
  if (items && items->len == 0)
    return EARLIER_NONE;
  if (!item || !item->entry || !bal_recover_is_same_process (self->job, item->entry))
    return EARLIER_UNKNOWN;
  *entry = g_steal_pointer (&item->entry);
  return bal_recover_is_for_others (self->job->config, *entry) ? EARLIER_OTHERS : EARLIER_OURS;
}

/* Where the domain goes nobody may know Ballast: so it is a hold, which comes back by itself,
 * unless the administrator vouches for that. libvirt changes no sizes under its job, so QEMU is
 * told; the originals go with libvirt's own definition. */
static BalJournalEntry *
release (const BalDaemonRelease *self, BalSurvey *survey, GError **error)
{
  const BalConfig *config = self->job->config;
  g_auto (BalPlan) plan = {0};
  g_autofree char *uri = virConnectGetURI (self->connection);
  BalJournalEntry *entry = NULL;
  BalSurveyRequest request = {.root = self->job->root,
                              .domain = self->domain,
                              .source_local = TRUE,
                              .destination_reachable = TRUE,
                              .sizes_must_stay = !config->cluster_wide || !config->use_qmp,
                              .under_job = TRUE,
                              .config = config};
  BalRelease order = {.job = self->job,
                      .domain = self->domain,
                      .survey = survey,
                      .plan = &plan,
                      .has_journal = TRUE,
                      .source_uri = uri,
                      .stage_after = BAL_JOURNAL_MIGRATING,
                      .by_qmp = TRUE};

  if (!bal_prepare (self->job, &request, survey, &plan, error))
    return NULL;
  self->result->gain_bytes = bal_report_summary (self->job->report)->gain_bytes;
  if (plan.steps->len == 0)
    {
      bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "migrates plainly: %s", plan.why_nothing);
      note_nothing (self, BAL_RELEASER_NOBODY, plan.why_nothing);
    }
  else if (!bal_cancel_requested (self->job->cancel))
    bal_release (&order, &entry, error);
  return entry;
}

/* FALSE when the hold is over, or nobody can be asked any more. @token: whose hold it has to be. */
static gboolean
renew_lease (const BalDaemonRelease *self,
             BalAgentClient *agent,
             const char *token,
             gint64 *answered_us)
{
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (GError) error = NULL;

  /* A late answer is no news: the guest is busy, throttled, or stands still for the switch-over. */
  if (!bal_agent_client_hold_status (agent, LEASE_TIMEOUT_MS, &status, &error))
    return !g_error_matches (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE);
  *answered_us = g_get_monotonic_time ();
  if (g_strcmp0 (status.token, token) != 0)
    return FALSE;
  if (status.state != BAL_HOLD_IDLE && status.state != BAL_HOLD_RETURNING)
    return TRUE;
  note_hold_end (self, status.reason);
  return FALSE;
}

/* TRUE when it is time to end: stopped, or the job is over and nobody told. */
static gboolean
wait (const BalDaemonRelease *self, guint wait_ms, gint64 *asked_us)
{
  gint64 now_us;

  if (bal_cancel_wait (self->job->cancel, wait_ms))
    return TRUE;
  now_us = g_get_monotonic_time ();
  if (now_us - *asked_us < JOB_INTERVAL_US)
    return FALSE;
  *asked_us = now_us;
  return !is_migrated_away (self->domain);
}

typedef struct
{
  guint interval_ms;
  gint64 silence_us; /* without an answer for so long the hold is over */
} Pace;

/* NB: the lease is the guest's to tell. */
static Pace
pace_for (guint64 lease_ms)
{
  if (lease_ms == 0)
    lease_ms = BAL_HOLD_LEASE_DEFAULT_MS;
  return (Pace){(guint)CLAMP (lease_ms / 3, LEASE_INTERVAL_MIN_MS, LEASE_INTERVAL_MS),
                (gint64)MIN (lease_ms, G_MAXINT) * 1000 + SILENCE_AFTER_LEASE_US};
}

/* In a conversation of its own. TRUE also when nobody can be asked: how long, the caller bounds. */
static gboolean
renew_lease_apart (const BalDaemonRelease *self, const char *token, gint64 *answered_us)
{
  g_autoptr (BalAgentClient) agent =
    bal_domain_agent_open (self->domain, TRUE, LEASE_TIMEOUT_MS, NULL);

  return !agent || renew_lease (self, agent, token, answered_us);
}

/* Until it is time to end, or the hold is over. @agent NULL: the channel is free meanwhile. */
static void
keep_lease (const BalDaemonRelease *self,
            BalAgentClient *agent,
            const char *token,
            guint64 lease_ms)
{
  Pace pace = pace_for (lease_ms);
  gint64 asked_us = g_get_monotonic_time (), answered_us = asked_us;

  while ((agent ? renew_lease (self, agent, token, &answered_us)
                : renew_lease_apart (self, token, &answered_us))
         && g_get_monotonic_time () - answered_us < pace.silence_us
         && !wait (self, pace.interval_ms, &asked_us))
    ;
}

/* Sizes do not come back by themselves: they are given back when the migration is over. */
static void
keep_sizes (const BalDaemonRelease *self)
{
  gint64 asked_us = g_get_monotonic_time ();

  while (!wait (self, JOB_INTERVAL_US / 1000, &asked_us))
    ;
}

static void
keep (const BalDaemonRelease *self,
      const BalJournalEntry *entry,
      BalAgentClient *agent,
      guint64 lease_ms)
{
  self->released (self->user_data);
  BAL_BREAKPOINT ("keeping");
  if (agent)
    keep_lease (self, agent, entry->hold_token, lease_ms);
  if (bal_journal_entry_changes_sizes (entry))
    keep_sizes (self);
}

static void
log_released (const BalDaemonRelease *self)
{
  const guint64 *bytes = bal_report_summary (self->job->report)->released_bytes;

  bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid,
                  "released %" G_GUINT64_FORMAT " bytes by hold, %" G_GUINT64_FORMAT
                  " bytes by virtio-mem",
                  bytes[BAL_MECHANISM_HOLD], bytes[BAL_MECHANISM_VIRTIO_MEM]);
}

static gboolean
release_and_keep (const BalDaemonRelease *self, GError **error)
{
  g_auto (BalSurvey) survey = {0};
  g_autoptr (BalJournalEntry) entry = release (self, &survey, error);

  if (!entry)
    return FALSE;
  note_released (self);
  log_released (self);
  keep (self, entry, entry->hold_token ? survey.agent : NULL, survey.agent_lease_ms);
  return TRUE;
}

/* A conversation with the agent of a domain whose hold lasts, or NULL. */
static BalAgentClient *
find_hold (const BalDaemonRelease *self)
{
  guint timeout_ms = self->job->config->agent_timeout_ms;
  g_autoptr (BalAgentClient) agent = bal_domain_agent_open (self->domain, TRUE, timeout_ms, NULL);
  g_auto (BalHoldStatus) status = {0};

  if (agent && bal_agent_client_hold_status (agent, timeout_ms, &status, NULL)
      && (status.state == BAL_HOLD_GROWING || status.state == BAL_HOLD_HELD))
    return g_steal_pointer (&agent);
  return NULL;
}

/* 0: nobody says. */
static guint64
ask_lease_ms (BalAgentClient *agent)
{
  g_auto (BalGuestInfo) info = {0};

  return agent && bal_agent_client_info (agent, LEASE_TIMEOUT_MS, &info, NULL) ? info.lease_ms : 0;
}

/* Whoever released this died in the middle of the migration. What is held may grow less than was
 * planned, but need not be lost; where the hold is over already one can as well begin anew. */
static gboolean
adopt_and_keep (const BalDaemonRelease *self, BalJournalEntry *entry, GError **error)
{
  g_autoptr (BalAgentClient) agent = entry->hold_token ? find_hold (self) : NULL;

  if (!agent && !bal_journal_entry_changes_sizes (entry))
    return bal_journal_remove (self->job->root, entry, error) && release_and_keep (self, error);
  /* NB: of a release that was cut off the sizes may be others than those that it wrote down. */
  if (entry->stage != BAL_JOURNAL_RELEASING)
    entry->stage = BAL_JOURNAL_MIGRATING;
  if (!bal_process_incarnation (self->job->root, getpid (), &entry->owner, error)
      || !bal_journal_save (self->job->root, entry, error))
    return FALSE;
  bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "goes on with what somebody else released");
  note_nothing (self, BAL_RELEASER_ANOTHER, NULL);
  self->result->released_bytes = bal_journal_entry_released_bytes (entry);
  keep (self, entry, agent, ask_lease_ms (agent));
  return TRUE;
}

static guint64
ask_lease_ms_apart (const BalDaemonRelease *self)
{
  g_autoptr (BalAgentClient) agent =
    bal_domain_agent_open (self->domain, TRUE, LEASE_TIMEOUT_MS, NULL);

  return ask_lease_ms (agent);
}

/* What `ballast release` had the agent hold for this migration would come back in the middle of
 * it. The domain's lock and the agent's channel stay free meanwhile, for `ballast restore`. */
static void
keep_for_others (const BalDaemonRelease *self, const BalJournalEntry *entry)
{
  self->result->released_bytes = bal_journal_entry_released_bytes (entry);
  self->released (self->user_data);
  if (entry->hold_token)
    keep_lease (self, NULL, entry->hold_token, ask_lease_ms_apart (self));
  keep_sizes (self);
}

/* Why nothing was released, when nobody has said yet. */
static void
note_end (const BalDaemonRelease *self, const GError *failure)
{
  const char *warning = bal_report_last_warning (self->job->report);

  if (self->result->releaser != BAL_RELEASER_UNKNOWN)
    return;
  if (failure)
    note_nothing (self, BAL_RELEASER_NOBODY, failure->message);
  else
    note_nothing (self, BAL_RELEASER_NOBODY, warning ? warning : "it was over before that");
}

gboolean
bal_daemon_release_run (const BalDaemonRelease *self, gboolean *is_leaving, GError **error)
{
  g_autoptr (BalDomainLock) lock = NULL;
  g_autoptr (BalJournalEntry) earlier = NULL;
  GError *failure = NULL;

  *is_leaving = is_migrated_away (self->domain);
  if (!*is_leaving)
    {
      note_nothing (self, BAL_RELEASER_NOBODY, "libvirt did not speak of a migration when asked");
      return TRUE;
    }
  lock = bal_domain_lock_try (self->job->root, self->uuid, NULL, &failure);
  if (g_error_matches (failure, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    {
      note_nothing (self, BAL_RELEASER_ANOTHER, NULL);
      g_error_free (failure);
      return TRUE;
    }
  if (lock)
    switch (find_earlier (self, &earlier))
      {
      case EARLIER_NONE:
        release_and_keep (self, &failure);
        break;
      case EARLIER_OURS:
        adopt_and_keep (self, earlier, &failure);
        break;
      case EARLIER_OTHERS:
        note_nothing (self, BAL_RELEASER_ANOTHER, NULL);
        g_clear_pointer (&lock, bal_domain_lock_free);
        keep_for_others (self, earlier);
        break;
      case EARLIER_UNKNOWN:
        note_nothing (self, BAL_RELEASER_ANOTHER, NULL);
        break;
      }
  note_end (self, failure);
  if (!failure)
    return TRUE;
  g_propagate_error (error, failure);
  return FALSE;
}
