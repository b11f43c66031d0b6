/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service is opened in a thread; what is asked meanwhile waits for that. */
#include "host-hook/daemon-vf-core.h"

#include "host-hook/daemon-vf-answer.h"
#include "host-hook/vf-error.h"

/* How long a request waits for the service to be opened, which may make VFs. Below what the hook
 * waits for an answer. */
#define OPEN_WAIT_MS 15000

static void
refuse_waiting (BalDaemonVf *self, const GError *error)
{
  BalVfJob *job;

  g_clear_handle_id (&self->waiting_id, g_source_remove);
  while ((job = g_queue_pop_head (&self->waiting)) != NULL)
    {
      bal_vf_job_take_off (job);
      bal_vf_answer_error (g_steal_pointer (&job->request), error);
      bal_vf_job_free (job);
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
  g_queue_push_tail (&self->waiting, bal_vf_job_new (self, work, request));
  if (self->waiting_id == 0)
    self->waiting_id = g_timeout_add (OPEN_WAIT_MS, on_not_opened, self);
}

/* It looks at all NICs, and may make VFs, which takes a driver seconds each. */
void
bal_daemon_vf_open (BalDaemonVf *self)
{
  self->is_opening = TRUE;
  g_clear_error (&self->problem);
  bal_vf_job_submit (
    bal_vf_job_new (self, bal_vf_work_new_open (self->root, self->config_path, self->nic), NULL));
}

void
bal_daemon_vf_note_opened (BalDaemonVf *self, BalVfWork *work)
{
  gboolean wants_reload = self->wants_reload;
  BalVfJob *job;

  self->is_opening = self->wants_reload = FALSE;
  self->service = g_steal_pointer (&work->service);
  self->problem = g_steal_pointer (&work->error);
  if (self->service)
    {
      g_clear_handle_id (&self->waiting_id, g_source_remove);
      while ((job = g_queue_pop_head (&self->waiting)) != NULL)
        bal_vf_job_submit (job);
      bal_daemon_vf_set_connection (self, self->connection);
    }
  else if (!wants_reload)
    refuse_waiting (self, self->problem);
  if (wants_reload)
    bal_daemon_vf_reload (self);
}

void
bal_daemon_vf_take (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request)
{
  if (self->service)
    bal_vf_job_submit (bal_vf_job_new (self, work, request));
  else if (self->is_opening)
    wait_for_service (self, work, request);
  else
    {
      bal_vf_answer_error (request, self->problem);
      bal_vf_work_free (work);
    }
}

void
bal_daemon_vf_reload (BalDaemonVf *self)
{
  if (self->service)
    bal_vf_job_submit (bal_vf_job_new (self, bal_vf_work_new_reload (), NULL));
  else if (self->is_opening)
    self->wants_reload = TRUE;
  else
    bal_daemon_vf_open (self);
}
