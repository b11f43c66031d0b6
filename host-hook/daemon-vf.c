/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-vf.h"

#include "host-hook/daemon-log.h"
#include "host-hook/daemon-vf-work.h"
#include "host-hook/vf-error.h"

#define SETTLE_S 15

/* The service lets one thread at a time at the ledger; what is slow waits for libvirt, each for
 * another domain. libvirtd carries out five requests of one connection at a time (the default of
 * max_client_requests) and reads none beyond these, nor keep-alive's answers: one is left free. */
#define QUICK_THREADS 4
#define SLOW_THREADS 4

/* Of those that clients may have asked for at once. Others of the server's connections stay free
 * for hooks, and what clients that left have asked for does not pile up. */
#define SLOW_CALLS_MAX 128u

/* How long a request waits for the service to be opened, which may make VFs. Below what the hook
 * waits for an answer. */
#define OPEN_WAIT_MS 15000

/* Settling of all domains, in `settling`; no UUID. */
#define ALL ""

struct _BalDaemonVf
{
  gint ref_count; /* the creator's, and one for each job */
  gint is_ended;  /* what no thread has begun with is not begun with any more */
  const char *root;
  char *config_path;
  const BalVfNic *nic;
  BalVfService *service; /* NULL: is being opened, or could not be had, because of */
  GError *problem;
  gboolean is_opening;
  gboolean wants_reload; /* once it is opened */
  GQueue waiting;        /* jobs, for it to be opened */
  guint waiting_id;
  GThreadPool *quick;
  GThreadPool *slow;
  virConnectPtr connection; /* NULL: libvirt is away */
  guint timer_id;
  GHashTable *jobs;     /* at work, or on the way back */
  GHashTable *settling; /* UUIDs, or ALL, whose settling no thread has begun with */
  GHashTable *hooks;    /* UUID -> GQueue of jobs that come behind the one that is at work */
  guint64 n_jobs;       /* so far */
  guint n_slow_calls;   /* of clients, among `jobs` */
  gboolean is_idle;     /* nothing is in the ledger, and no job may have changed that */
};

/* One work on its way. Main context, but for `work` while a thread has it. */
typedef struct
{
  BalDaemonVf *vf;
  BalVfWork *work;
  BalDaemonRequest *request; /* NULL: nobody waits */
  gint has_left;             /* the client has; any thread */
  guint64 number;
  BalVfService *service;
} Job;

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
  g_hash_table_unref (self->hooks);
  g_free (self->config_path);
  g_free (self);
}

static void
job_free (gpointer data)
{
  Job *self = data;

  bal_vf_work_free (self->work);
  vf_unref (self->vf);
  g_free (self);
}

static void
hooks_free (gpointer data)
{
  g_queue_free_full (data, job_free);
}

/* --- answers --- */

static void
answer_object (BalDaemonRequest *request, JsonObject *object)
{
  JsonNode *result = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (result, object);
  bal_daemon_request_return (request, result);
}

static void
answer_error (BalDaemonRequest *request, const GError *error)
{
  bal_daemon_request_fail (request, bal_vf_work_error_class (error), error->message);
}

static void
answer_job (Job *job)
{
  BalDaemonRequest *request = g_steal_pointer (&job->request);
  BalVfWork *work = job->work;

  if (work->error)
    answer_error (request, work->error);
  else
    answer_object (request, work->result ? g_steal_pointer (&work->result) : json_object_new ());
}

static void
log_error (const BalVfWork *work)
{
  if (work->kind == BAL_VF_WORK_OPEN)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "no virtual functions are handed out: %s",
                    work->error->message);
  else if (work->kind == BAL_VF_WORK_RELOAD)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s; the configuration stays as it was",
                    work->error->message);
  else if (work->kind != BAL_VF_WORK_CALL)
    bal_daemon_log (G_LOG_LEVEL_WARNING, work->uuid, "%s", work->error->message);
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

/* Threads come back in any order: only the last one of all, with no other on its way, knows that
 * the service is idle still. */
static void
note_idle (BalDaemonVf *self, const Job *job)
{
  self->is_idle =
    job->work->is_idle && job->number == self->n_jobs && g_hash_table_size (self->jobs) == 0;
  update_timer (self);
}

/* To its thread; it has the service's order from here on. */
static void
submit (Job *job)
{
  BalDaemonVf *self = job->vf;

  job->service = self->service;
  /* NB: its error is that a thread could not be had; the work waits for one then. */
  g_thread_pool_push (bal_vf_work_is_slow (job->work) ? self->slow : self->quick, job, NULL);
}

/* Hooks of one domain are carried out in the order that they came in, though many threads do it:
 * an end that came late to its thread would give up what the next start has reserved. */
static void
submit_in_order (Job *job)
{
  const char *uuid = bal_vf_work_is_hook (job->work) ? job->work->uuid : NULL;
  GQueue *behind = uuid ? g_hash_table_lookup (job->vf->hooks, uuid) : NULL;

  if (behind)
    {
      g_queue_push_tail (behind, job);
      return;
    }
  if (uuid)
    g_hash_table_insert (job->vf->hooks, g_strdup (uuid), g_queue_new ());
  submit (job);
}

static void
submit_next (BalDaemonVf *self, const char *uuid)
{
  GQueue *behind = g_hash_table_lookup (self->hooks, uuid);
  Job *next = g_queue_pop_head (behind);

  if (next)
    submit (next);
  else
    g_hash_table_remove (self->hooks, uuid);
}

static void note_opened (BalDaemonVf *self, BalVfWork *work);

/* On the main context; frees nothing. NB: not called any more once the daemon's end has emptied
 * `jobs`. */
static gboolean
on_done (gpointer user_data)
{
  Job *job = user_data;
  BalDaemonVf *self = job->vf;

  if (!g_hash_table_remove (self->jobs, job))
    return G_SOURCE_REMOVE;
  if (is_slow_call (job->work))
    self->n_slow_calls--;
  if (job->work->error)
    log_error (job->work);
  if (job->request)
    answer_job (job);
  if (bal_vf_work_is_hook (job->work) && job->work->uuid)
    submit_next (self, job->work->uuid);
  if (job->work->kind == BAL_VF_WORK_OPEN)
    note_opened (self, job->work);
  note_idle (self, job);
  if (job->work->kind == BAL_VF_WORK_END && job->work->uuid)
    bal_daemon_vf_settle (self, job->work->uuid);
  return G_SOURCE_REMOVE;
}

/* From here on another settling is another one: what happens now may come too late for this. */
static gboolean
on_settling (gpointer user_data)
{
  Job *job = user_data;

  if (g_hash_table_contains (job->vf->jobs, job))
    g_hash_table_remove (job->vf->settling, job->work->uuid ? job->work->uuid : ALL);
  return G_SOURCE_REMOVE;
}

static void
run (gpointer data, gpointer user_data)
{
  Job *job = data;

  if (g_atomic_int_get (&job->vf->is_ended))
    {
      job_free (job);
      return;
    }
  if (g_atomic_int_get (&job->has_left) && bal_vf_work_is_for_answer (job->work))
    {
      g_set_error_literal (&job->work->error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                           "Whoever asked waits no more; nothing was changed");
      g_idle_add_full (G_PRIORITY_DEFAULT, on_done, job, job_free);
      return;
    }
  if (job->work->kind == BAL_VF_WORK_SETTLE)
    g_idle_add_full (G_PRIORITY_DEFAULT, on_settling, job, NULL);
  bal_vf_work_run (job->work, job->service);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_done, job, job_free);
}

static void
on_left (gpointer user_data)
{
  Job *job = user_data;

  g_atomic_int_set (&job->has_left, TRUE);
}

/* Takes ownership of @work and @request (NULL: nobody waits). */
static Job *
job_new (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  Job *job = g_new (Job, 1);

  *job = (Job){.vf = self, .work = work, .request = request, .number = ++self->n_jobs};
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
  submit_in_order (job_new (self, work, request));
}

/* --- opening --- */

static void
refuse_waiting (BalDaemonVf *self, const GError *error)
{
  Job *job;

  g_clear_handle_id (&self->waiting_id, g_source_remove);
  while ((job = g_queue_pop_head (&self->waiting)) != NULL)
    {
      g_hash_table_remove (self->jobs, job);
      if (is_slow_call (job->work))
        self->n_slow_calls--;
      answer_error (g_steal_pointer (&job->request), error);
      job_free (job);
    }
}

static gboolean
on_not_opened (gpointer user_data)
{
  BalDaemonVf *self = user_data;
  g_autoptr (GError) error =
    g_error_new (BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                 "ballastd has not looked at all of this host's NICs yet; nothing was changed, try "
                 "again");

  self->waiting_id = 0;
  refuse_waiting (self, error);
  return G_SOURCE_REMOVE;
}

/* What comes meanwhile is begun with then, or told that there is no service. */
static void
wait_for_service (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  g_queue_push_tail (&self->waiting, job_new (self, work, request));
  if (self->waiting_id == 0)
    self->waiting_id = g_timeout_add (OPEN_WAIT_MS, on_not_opened, self);
}

/* In a thread: it looks at all NICs, and may make VFs, which takes a driver seconds each. */
static void
open_service (BalDaemonVf *self)
{
  self->is_opening = TRUE;
  g_clear_error (&self->problem);
  push (self, bal_vf_work_new_open (self->root, self->config_path, self->nic), NULL);
}

static void
note_opened (BalDaemonVf *self, BalVfWork *work)
{
  gboolean wants_reload = self->wants_reload;
  Job *job;

  self->is_opening = self->wants_reload = FALSE;
  self->service = g_steal_pointer (&work->service);
  self->problem = g_steal_pointer (&work->error);
  if (self->service)
    {
      g_clear_handle_id (&self->waiting_id, g_source_remove);
      while ((job = g_queue_pop_head (&self->waiting)) != NULL)
        submit_in_order (job);
      bal_daemon_vf_set_connection (self, self->connection);
    }
  else if (!wants_reload)
    refuse_waiting (self, self->problem);
  if (wants_reload)
    bal_daemon_vf_reload (self);
}

/* --- requests --- */

static void
take (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  if (self->service)
    push (self, work, request);
  else if (self->is_opening)
    wait_for_service (self, work, request);
  else
    {
      answer_error (request, self->problem);
      bal_vf_work_free (work);
    }
}

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
      take (self, work, request);
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
    take (self, work, request);
  else
    answer_object (request, json_object_new ());
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

void
bal_daemon_vf_reload (BalDaemonVf *self)
{
  if (self->service)
    push (self, bal_vf_work_new_reload (), NULL);
  else if (self->is_opening)
    self->wants_reload = TRUE;
  else
    open_service (self);
}

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
  self->hooks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, hooks_free);
  /* Not exclusive: these start threads when there is work, and fail never. */
  self->quick = g_thread_pool_new (run, NULL, QUICK_THREADS, FALSE, NULL);
  self->slow = g_thread_pool_new (run, NULL, SLOW_THREADS, FALSE, NULL);
  open_service (self);
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
      Job *job = key;
      BalDaemonRequest *request = g_steal_pointer (&job->request);
      if (request)
        bal_daemon_request_fail (request, "GenericError",
                                 "ballastd ends; what was begun is gone on with by the next one");
      g_hash_table_iter_remove (&iter);
    }
  /* Those that no pool has. */
  g_hash_table_remove_all (self->hooks);
  g_queue_clear_full (&self->waiting, job_free);
  /* NB: not at once: glib 2.74 then frees entries that are none. */
  g_atomic_int_set (&self->is_ended, TRUE);
  g_thread_pool_free (self->quick, FALSE, FALSE);
  g_thread_pool_free (self->slow, FALSE, FALSE);
  vf_unref (self);
}
