/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs on their way to a thread and back. */
#include "host-hook/daemon-vf-core.h"

#include "host-hook/daemon-vf-answer.h"
#include "host-hook/vf-error.h"

#define SETTLE_S 15

/* The service lets one thread at a time at the ledger, and a start may wait for a link; what is
 * slow waits for libvirt, each for another domain. libvirtd carries out five requests of one
 * connection at a time (the default of max_client_requests) and reads none beyond these, nor
 * keep-alive's answers: one is left free. */
#define QUICK_THREADS 16
#define SLOW_THREADS 4

/* Of those that clients may have asked for at once. Others of the server's connections stay free
 * for hooks, and what clients that left have asked for does not pile up. */
#define SLOW_CALLS_MAX 128u

/* Settling of all domains, in `settling`; no UUID. */
#define ALL ""

/* Main context, or by the last job behind the end of it. */
static void
vf_unref (BalDaemonVf *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_pointer (&self->service, bal_vf_service_free);
  g_clear_error (&self->problem);
  g_hash_table_unref (self->jobs);
  g_hash_table_unref (self->settling);
  bal_vf_order_free (self->hooks);
  g_free (self->config_path);
  g_free (self);
}

void
bal_vf_job_free (gpointer data)
{
  BalVfJob *self = data;

  bal_vf_work_free (self->work);
  vf_unref (self->vf);
  g_free (self);
}

/* --- work --- */

static gboolean
on_timer (gpointer user_data)
{
  bal_daemon_vf_settle (user_data, NULL);
  return G_SOURCE_CONTINUE;
}

static void
update_timer (BalDaemonVf *self)
{
  gboolean is_needed = self->service && self->connection && !self->is_idle;

  if (is_needed && self->timer_id == 0)
    self->timer_id = g_timeout_add_seconds (SETTLE_S, on_timer, self);
  else if (!is_needed)
    g_clear_handle_id (&self->timer_id, g_source_remove);
}

static gboolean
is_slow_call (const BalVfWork *work)
{
  return work->kind == BAL_VF_WORK_CALL && bal_vf_work_is_slow (work);
}

gboolean
bal_vf_job_take_off (BalVfJob *job)
{
  if (!g_hash_table_remove (job->vf->jobs, job))
    return FALSE;
  if (is_slow_call (job->work))
    job->vf->n_slow_calls--;
  return TRUE;
}

/* Threads come back in any order: only the last one of all, with no other on its way, knows that
 * the service is idle still. */
static void
note_idle (BalDaemonVf *self, const BalVfJob *job)
{
  self->is_idle =
    job->work->is_idle && job->number == self->n_jobs && g_hash_table_size (self->jobs) == 0;
  update_timer (self);
}

/* To its thread; it has the service's order from here on. */
static void
submit (BalVfJob *job)
{
  BalDaemonVf *self = job->vf;

  job->service = self->service;
  /* NB: its error is that a thread could not be had; the work waits for one then. */
  g_thread_pool_push (bal_vf_work_is_slow (job->work) ? self->slow : self->quick, job, NULL);
}

void
bal_vf_job_submit (BalVfJob *job)
{
  const char *uuid = bal_vf_work_is_hook (job->work) ? job->work->uuid : NULL;

  if (!uuid || bal_vf_order_enter (job->vf->hooks, uuid, job))
    submit (job);
}

static void
submit_next (BalDaemonVf *self, const char *uuid)
{
  BalVfJob *next = bal_vf_order_leave (self->hooks, uuid);

  if (next)
    submit (next);
}

/* On the main context; frees nothing. NB: not called any more once the daemon's end has emptied
 * `jobs`. */
static gboolean
on_done (gpointer user_data)
{
  BalVfJob *job = user_data;
  BalDaemonVf *self = job->vf;

  if (!bal_vf_job_take_off (job))
    return G_SOURCE_REMOVE;
  bal_vf_answer_log (job->work);
  if (job->request)
    bal_vf_answer_work (g_steal_pointer (&job->request), job->work);
  if (bal_vf_work_is_hook (job->work) && job->work->uuid)
    submit_next (self, job->work->uuid);
  if (job->work->kind == BAL_VF_WORK_OPEN)
    bal_daemon_vf_note_opened (self, job->work);
  note_idle (self, job);
  if (job->work->kind == BAL_VF_WORK_END && job->work->uuid)
    bal_daemon_vf_settle (self, job->work->uuid);
  return G_SOURCE_REMOVE;
}

/* From here on another settling is another one: what happens now may come too late for this. */
static gboolean
on_settling (gpointer user_data)
{
  BalVfJob *job = user_data;

  if (g_hash_table_contains (job->vf->jobs, job))
    g_hash_table_remove (job->vf->settling, job->work->uuid ? job->work->uuid : ALL);
  return G_SOURCE_REMOVE;
}

static void
run (gpointer data, gpointer user_data)
{
  BalVfJob *job = data;

  if (g_atomic_int_get (&job->vf->is_ended))
    {
      bal_vf_job_free (job);
      return;
    }
  if (g_atomic_int_get (&job->has_left) && bal_vf_work_is_for_answer (job->work))
    {
      g_set_error_literal (&job->work->error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                           "Whoever asked waits no more; nothing was changed");
      g_idle_add_full (G_PRIORITY_DEFAULT, on_done, job, bal_vf_job_free);
      return;
    }
  if (job->work->kind == BAL_VF_WORK_SETTLE)
    g_idle_add_full (G_PRIORITY_DEFAULT, on_settling, job, NULL);
  bal_vf_work_run (job->work, job->service);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_done, job, bal_vf_job_free);
}

static void
on_left (gpointer user_data)
{
  BalVfJob *job = user_data;

  g_atomic_int_set (&job->has_left, TRUE);
}

BalVfJob *
bal_vf_job_new (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  BalVfJob *job = g_new (BalVfJob, 1);

  *job = (BalVfJob){.vf = self, .work = work, .request = request, .number = ++self->n_jobs};
  if (request)
    bal_daemon_request_watch (request, on_left, job);
  g_atomic_int_inc (&self->ref_count);
  g_hash_table_add (self->jobs, job);
  if (is_slow_call (work))
    self->n_slow_calls++;
  self->is_idle = FALSE;
  return job;
}

static void
push (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  bal_vf_job_submit (bal_vf_job_new (self, work, request));
}

/* --- requests --- */

static gboolean
is_too_much (const BalDaemonVf *self, const BalVfWork *work)
{
  return (is_slow_call (work) && self->n_slow_calls >= SLOW_CALLS_MAX)
         || (work->kind == BAL_VF_WORK_CALL && self->waiting.length >= SLOW_CALLS_MAX);
}

void
bal_daemon_vf_call (BalDaemonVf *self, BalDaemonRequest *request, BalVfCall *call)
{
  BalVfWork *work = bal_vf_work_new_call (call);

  if (!is_too_much (self, work))
    {
      bal_daemon_vf_take (self, work, request);
      return;
    }
  bal_daemon_request_fail (request, "GenericError",
                           "ballastd is at work on as many requests about VFs as it takes; "
                           "nothing was changed, try again");
  bal_vf_work_free (work);
}

void
bal_daemon_vf_hook (BalDaemonVf *self, BalDaemonRequest *request, const BalHookCall *call)
{
  BalVfWork *work = bal_vf_work_new_hook (call);

  if (work)
    bal_daemon_vf_take (self, work, request);
  else
    bal_vf_answer_object (request, json_object_new ());
}

void
bal_daemon_vf_settle (BalDaemonVf *self, const char *uuid)
{
  if (!self->service || !self->connection || self->is_idle
      || !g_hash_table_add (self->settling, g_strdup (uuid ? uuid : ALL)))
    return;
  push (self, bal_vf_work_new_settle (uuid), NULL);
}

void
bal_daemon_vf_set_connection (BalDaemonVf *self, virConnectPtr connection)
{
  self->connection = connection;
  if (!self->service)
    return;
  bal_vf_service_set_connection (self->service, connection);
  update_timer (self);
  bal_daemon_vf_settle (self, NULL);
}

/* --- life --- */

BalDaemonVf *
bal_daemon_vf_new (const char *root, const char *config_path, const BalVfNic *nic)
{
  BalDaemonVf *self = g_new0 (BalDaemonVf, 1);

  self->ref_count = 1;
  self->root = root;
  self->config_path = g_strdup (config_path);
  self->nic = nic;
  self->jobs = g_hash_table_new (NULL, NULL);
  self->settling = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->hooks = bal_vf_order_new (bal_vf_job_free);
  /* Not exclusive: these start threads when there is work, and fail never. */
  self->quick = g_thread_pool_new (run, NULL, QUICK_THREADS, FALSE, NULL);
  self->slow = g_thread_pool_new (run, NULL, SLOW_THREADS, FALSE, NULL);
  bal_daemon_vf_open (self);
  return self;
}

void
bal_daemon_vf_free (BalDaemonVf *self)
{
  GHashTableIter iter;
  gpointer key;

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_clear_handle_id (&self->waiting_id, g_source_remove);
  g_hash_table_iter_init (&iter, self->jobs);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      BalVfJob *job = key;
      BalDaemonRequest *request = g_steal_pointer (&job->request);
      if (request)
        bal_daemon_request_fail (request, "GenericError",
                                 "ballastd ends; what was begun is gone on with by the next one");
      g_hash_table_iter_remove (&iter);
    }
  /* Those that no pool has. */
  bal_vf_order_clear (self->hooks);
  g_queue_clear_full (&self->waiting, bal_vf_job_free);
  /* NB: not at once: glib 2.74 then frees entries that are none. */
  g_atomic_int_set (&self->is_ended, TRUE);
  g_thread_pool_free (self->quick, FALSE, FALSE);
  g_thread_pool_free (self->slow, FALSE, FALSE);
  vf_unref (self);
}
