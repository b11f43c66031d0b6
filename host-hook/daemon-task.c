/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-task.h"

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/domain-lock.h"
#include "host-hook/failure.h"
#include "host-hook/prepare.h"
#include "host-hook/recover.h"
#include "host-hook/release.h"

#define LEASE_INTERVAL_MS 2000
#define LEASE_TIMEOUT_MS 1000

/* So long after its lease a hold is over wherever the guest runs; a guest that stands still cannot
 * tell. */
#define SILENCE_AFTER_LEASE_US (10 * G_USEC_PER_SEC)

/* How long a restore waits for a job to end, without the domain's lock, before it is put off. */
#define JOB_WAIT_MS 10000

struct _BalTask
{
  gint ref_count; /* the creator's, the thread's, and one for each event on its way */
  BalTaskHost host;
  char *root;
  char *uuid;
  gboolean has_just_arrived;
  BalTaskFunc func; /* NULL once the creator has freed it; main context only */
  gpointer user_data;
  BalCancel *cancel;
  BalReport *report;
  BalJob job;
};

typedef struct
{
  BalTask *task;
  BalEvent event;
} Message;

static void
task_unref (BalTask *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_pointer (&self->host.connection, virConnectClose);
  g_clear_pointer (&self->cancel, bal_cancel_free);
  g_clear_pointer (&self->report, bal_report_free);
  g_free (self->root);
  g_free (self->uuid);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  Message *message = data;

  if (message->task->func)
    message->task->func (message->task, message->event, message->task->user_data);
  return G_SOURCE_REMOVE;
}

static void
message_free (gpointer data)
{
  Message *message = data;

  task_unref (message->task);
  g_free (message);
}

static void
tell (BalTask *self, BalEvent event)
{
  Message *message = g_new (Message, 1);

  g_atomic_int_inc (&self->ref_count);
  *message = (Message){.task = self, .event = event};
  g_idle_add_full (G_PRIORITY_DEFAULT, deliver, message, message_free);
}

static void
warn (const char *warning, gpointer user_data)
{
  const BalTask *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_WARNING, self->uuid, "%s", warning);
}

static BalTask *
start (const BalTaskHost *host,
       const char *uuid,
       const char *name,
       GThreadFunc run,
       BalEvent failed,
       BalTask *self)
{
  g_autoptr (GError) error = NULL;
  GThread *thread;

  self->ref_count = 2;
  self->root = g_strdup (host->root);
  self->uuid = g_strdup (uuid);
  self->host = *host;
  virConnectRef (self->host.connection);
  self->report = bal_report_new_silent (warn, self);
  self->cancel = bal_cancel_new_without_signals (&error);
  self->job = (BalJob){.root = self->root,
                       .config = host->config,
                       .cancel = self->cancel,
                       .report = self->report};
  thread = self->cancel ? g_thread_try_new (name, run, self, &error) : NULL;
  if (thread)
    {
      g_thread_unref (thread);
      return self;
    }
  warn (error->message, self);
  tell (self, failed);
  task_unref (self);
  return self;
}

/* The status file is only a sign: what it is, libvirt says. */
static gboolean
is_leaving (virDomainPtr domain)
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

/* TRUE as well when that cannot be told: then somebody else's work is left alone. */
static gboolean
is_released_already (const BalTask *self)
{
  g_autoptr (GPtrArray) items = bal_journal_list (self->root, self->uuid, NULL);

  for (guint i = 0; items && i < items->len; i++)
    if (((const BalJournalItem *)g_ptr_array_index (items, i))->entry)
      return TRUE;
  return !items;
}

/* Under the job that migrates the domain its sizes cannot be changed, and where it goes nobody may
 * know Ballast: so it is a hold, which comes back by itself. */
static BalJournalEntry *
release (BalTask *self, virDomainPtr domain, BalSurvey *survey, GError **error)
{
  g_auto (BalPlan) plan = {0};
  g_autofree char *uri = virConnectGetURI (self->host.connection);
  BalJournalEntry *entry = NULL;
  BalSurveyRequest request = {.root = self->root,
                              .domain = domain,
                              .source_local = TRUE,
                              .sizes_must_stay = TRUE,
                              .only_hold = TRUE,
                              .config = self->host.config};
  BalRelease order = {.job = &self->job,
                      .domain = domain,
                      .survey = survey,
                      .plan = &plan,
                      .has_journal = TRUE,
                      .source_uri = uri,
                      .stage_after = BAL_JOURNAL_MIGRATING};

  if (!bal_prepare (&self->job, &request, survey, &plan, error))
    return NULL;
  if (plan.steps->len == 0)
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "migrates plainly: %s", plan.why_nothing);
  else if (!bal_cancel_requested (self->cancel))
    bal_release (&order, &entry, error);
  return entry;
}

/* FALSE when the hold is over, or nobody can be asked any more. */
static gboolean
renew_lease (BalAgentClient *agent, gint64 *answered_us)
{
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (GError) error = NULL;

  /* A late answer is no news: the guest is busy, throttled, or stands still for the switch-over. */
  if (!bal_agent_client_hold_status (agent, LEASE_TIMEOUT_MS, &status, &error))
    return !g_error_matches (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE);
  *answered_us = g_get_monotonic_time ();
  return status.state != BAL_HOLD_IDLE && status.state != BAL_HOLD_RETURNING;
}

/* Until it is stopped, or the hold is over. */
static void
keep_lease (BalTask *self, const BalSurvey *survey)
{
  guint64 lease_ms = survey->agent_lease_ms ? survey->agent_lease_ms : BAL_HOLD_LEASE_DEFAULT_MS;
  guint interval_ms = (guint)MIN (LEASE_INTERVAL_MS, lease_ms / 3);
  gint64 silence_us = (gint64)MIN (lease_ms, G_MAXINT) * 1000 + SILENCE_AFTER_LEASE_US;
  gint64 answered_us = g_get_monotonic_time ();

  while (!bal_cancel_wait (self->cancel, interval_ms) && renew_lease (survey->agent, &answered_us)
         && g_get_monotonic_time () - answered_us < silence_us)
    ;
}

static void
release_and_keep (BalTask *self, virDomainPtr domain, GError **error)
{
  g_auto (BalSurvey) survey = {0};
  g_autoptr (BalJournalEntry) entry = release (self, domain, &survey, error);

  if (!entry)
    return;
  bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "released %" G_GUINT64_FORMAT " bytes",
                  bal_report_summary (self->report)->released_bytes[BAL_MECHANISM_HOLD]);
  tell (self, BAL_EVENT_RELEASED);
  BAL_BREAKPOINT ("keeping");
  keep_lease (self, &survey);
}

static gpointer
run_release (gpointer data)
{
  BalTask *self = data;
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (self->host.connection, self->uuid);
  g_autoptr (BalDomainLock) lock = NULL;
  g_autoptr (GError) error = NULL;

  if (domain && is_leaving (domain))
    lock = bal_domain_lock_try (self->root, self->uuid, NULL, &error);
  if (lock && !is_released_already (self))
    release_and_keep (self, domain, &error);
  if (error && !g_error_matches (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    warn (error->message, self);
  g_clear_pointer (&lock, bal_domain_lock_free);
  tell (self, BAL_EVENT_RELEASE_ENDED);
  task_unref (self);
  return NULL;
}

static gboolean
put_off (GError **error)
{
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
               "its memory is given back when it runs and no job holds it");
  return FALSE;
}

/* NB: waits before it takes the lock, or nobody else could do anything with a domain that is
 * paused. */
static gboolean
restore (BalTask *self, GError **error)
{
  virConnectPtr connection = self->host.connection;
  BalDomainState state = bal_recover_wait_for_job (connection, self->uuid, JOB_WAIT_MS);
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (connection, self->uuid);
  g_autoptr (BalDomainLock) lock = NULL;
  BalRecover recover = {.job = &self->job, .connection = connection, .is_local = TRUE};
  gboolean found = FALSE;

  if (state != BAL_DOMAIN_RUNNING && state != BAL_DOMAIN_GONE)
    return put_off (error);
  lock = bal_domain_lock_try (self->root, self->uuid, NULL, error);
  if (!lock)
    return FALSE;
  if (state == BAL_DOMAIN_GONE || !domain)
    return bal_recover_journal (&recover, self->uuid, &found, error);
  if (!bal_recover_domain (&recover, domain, &found, error))
    return FALSE;
  if (self->has_just_arrived)
    found |= bal_recover_held (&recover, domain, TRUE);
  if (found)
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "nothing of it is released any more");
  return TRUE;
}

static gpointer
run_restore (gpointer data)
{
  BalTask *self = data;
  g_autoptr (GError) error = NULL;
  gboolean restored = restore (self, &error);

  if (!restored)
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "%s", error->message);
  tell (self, restored ? BAL_EVENT_RESTORED : BAL_EVENT_NOT_RESTORED);
  task_unref (self);
  return NULL;
}

BalTask *
bal_task_release (const BalTaskHost *host, const char *uuid, BalTaskFunc func, gpointer user_data)
{
  BalTask *self = g_new0 (BalTask, 1);

  self->func = func;
  self->user_data = user_data;
  return start (host, uuid, "release", run_release, BAL_EVENT_RELEASE_ENDED, self);
}

BalTask *
bal_task_restore (const BalTaskHost *host,
                  const char *uuid,
                  gboolean has_just_arrived,
                  BalTaskFunc func,
                  gpointer user_data)
{
  BalTask *self = g_new0 (BalTask, 1);

  self->has_just_arrived = has_just_arrived;
  self->func = func;
  self->user_data = user_data;
  return start (host, uuid, "restore", run_restore, BAL_EVENT_NOT_RESTORED, self);
}

void
bal_task_stop (BalTask *self)
{
  if (self->cancel)
    bal_cancel_request (self->cancel);
}

void
bal_task_free (BalTask *self)
{
  self->func = NULL;
  bal_task_stop (self);
  task_unref (self);
}
