/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "protocol/codec.h"

#define TICK_MS 200
#define LEASE_INTERVAL_US (2 * G_USEC_PER_SEC)
#define LEASE_TIMEOUT_MS 1000

/* State that the thread which calls libvirt shares with the one that watches. */
typedef struct
{
  const BalTransfer *transfer;
  int done_fd; /* eventfd, readable once the call has returned */
  gint *pass;  /* atomic: memory passes that have begun; shared with libvirt's event thread */

  /* Written by the thread, read after it was joined. */
  gboolean ok;
  GError *error;
} Call;

/* What the watching thread remembers from tick to tick. */
typedef struct
{
  Call *call;
  gint64 began_us;
  gint64 leased_us;
  gboolean transferring; /* memory has begun to flow */
  gboolean timed_out;
  gboolean is_postcopy;
  gboolean announced_abort;
} Watch;

static gboolean
is_peer_to_peer (const BalMigrateOptions *options)
{
  return (options->flags & VIR_MIGRATE_PEER2PEER) || options->direct;
}

static gboolean
call_libvirt (Call *self)
{
  const BalTransfer *transfer = self->transfer;
  const BalMigrateOptions *options = transfer->options;
  g_autoptr (virDomain) migrated = NULL;

  if (is_peer_to_peer (options))
    return virDomainMigrateToURI3 (transfer->domain, options->destination_uri, options->params,
                                   (unsigned int)options->n_params, options->flags)
           == 0;
  migrated = virDomainMigrate3 (transfer->domain, transfer->destination, options->params,
                                (unsigned int)options->n_params, options->flags);
  return migrated != NULL;
}

static gpointer
run_call (gpointer data)
{
  Call *self = data;
  guint64 one = 1;

  self->ok = call_libvirt (self);
  if (!self->ok)
    bal_failure_libvirt (&self->error, BAL_EXIT_FAILED, "Domain \"%s\" was not migrated to %s",
                         virDomainGetName (self->transfer->domain),
                         self->transfer->options->destination_uri);
  /* Cannot fail: eight bytes into an eventfd whose counter is zero. */
  g_assert_cmpint (write (self->done_fd, &one, sizeof one), ==, sizeof one);
  return NULL;
}

static void
pass_began (virConnectPtr connection, virDomainPtr domain, int iteration, void *data)
{
  g_atomic_int_set ((gint *)data, iteration);
}

static void
keep_lease (Watch *self)
{
  const BalTransfer *transfer = self->call->transfer;
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (GError) error = NULL;
  gint64 now_us = g_get_monotonic_time ();

  if (transfer->lease_ms == 0 || !*transfer->agent
      || now_us - self->leased_us < MIN (LEASE_INTERVAL_US, (gint64)transfer->lease_ms * 1000 / 3))
    return;
  self->leased_us = now_us;
  /* A late answer is no news: the guest is busy, throttled, or stands still for the switch-over. */
  if (!bal_agent_client_hold_status (*transfer->agent, LEASE_TIMEOUT_MS, &status, &error)
      && g_error_matches (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE))
    g_clear_pointer (transfer->agent, bal_agent_client_free);
}

static void
abort_when_cancelled (Watch *self)
{
  const BalTransfer *transfer = self->call->transfer;

  if (!bal_cancel_requested (transfer->job->cancel))
    return;
  if (!self->announced_abort)
    bal_report_warning (transfer->job->report, "interrupted, asking libvirt to stop the migration");
  self->announced_abort = TRUE;
  /* Fails before the job can be aborted and once it cannot be any more; the next tick tries again.
   */
  virDomainAbortJob (transfer->domain);
}

static void
switch_to_postcopy (Watch *self)
{
  if (!self->is_postcopy)
    self->is_postcopy = virDomainMigrateStartPostCopy (self->call->transfer->domain, 0) == 0;
}

static void
act_on_options (Watch *self)
{
  const BalMigrateOptions *options = self->call->transfer->options;
  gint64 elapsed_us = g_get_monotonic_time () - self->began_us;

  if (options->postcopy_after_precopy && g_atomic_int_get (self->call->pass) >= 2)
    switch_to_postcopy (self);
  if (options->timeout_s == 0 || elapsed_us < (gint64)options->timeout_s * G_USEC_PER_SEC)
    return;
  if (options->timeout_action == BAL_TIMEOUT_POSTCOPY)
    switch_to_postcopy (self);
  else if (!self->timed_out)
    self->timed_out = virDomainSuspend (self->call->transfer->domain) == 0;
}

static void
show_progress (Watch *self)
{
  const BalTransfer *transfer = self->call->transfer;
  virDomainJobInfo info;

  if (virDomainGetJobInfo (transfer->domain, &info) < 0 || info.type == VIR_DOMAIN_JOB_NONE)
    return;
  if (info.memProcessed > 0 && !self->transferring)
    {
      self->transferring = TRUE;
      BAL_BREAKPOINT ("transferring");
    }
  if (info.dataTotal > 0)
    bal_report_progress (transfer->job->report, "migrating: %u %%",
                         (guint)(100
                                 - 100.0 * (double)info.dataRemaining / (double)info.dataTotal));
}

static void
watch (Call *call)
{
  Watch self = {.call = call, .began_us = g_get_monotonic_time ()};
  BalCancel *cancel = call->transfer->job->cancel;
  guint64 done;

  while (read (call->done_fd, &done, sizeof done) < 0)
    {
      bal_cancel_wait_fd (cancel, call->done_fd, TICK_MS);
      abort_when_cancelled (&self);
      act_on_options (&self);
      show_progress (&self);
      keep_lease (&self);
    }
}

static int
watch_passes (Call *call)
{
  return virConnectDomainEventRegisterAny (call->transfer->source, call->transfer->domain,
                                           VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                                           VIR_DOMAIN_EVENT_CALLBACK (pass_began),
                                           g_atomic_rc_box_acquire (call->pass),
                                           g_atomic_rc_box_release);
}

gboolean
bal_transfer_run (const BalTransfer *self, GError **error)
{
  Call call = {.transfer = self, .done_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK)};
  GThread *thread;
  int watcher;

  if (call.done_fd < 0)
    {
      g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED, "Cannot start the migration: %s",
                   g_strerror (errno));
      return FALSE;
    }
  call.pass = g_atomic_rc_box_new0 (gint);
  watcher = watch_passes (&call);
  thread = g_thread_try_new ("migration", run_call, &call, &call.error);
  if (thread)
    {
      watch (&call);
      g_thread_join (thread);
    }
  if (watcher >= 0)
    virConnectDomainEventDeregisterAny (self->source, watcher);
  g_atomic_rc_box_release (call.pass);
  close (call.done_fd);

  if (!call.ok)
    g_propagate_error (error, call.error);
  return call.ok;
}
