/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-task.h"

#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/daemon-release.h"
#include "host-hook/daemon-restore.h"

struct _BalTask
{
  gint ref_count; /* the creator's, the thread's, and one for each event on its way */
  virConnectPtr connection;
  BalConfig *config; /* a share */
  char *root;
  char *uuid;
  gboolean has_just_arrived;
  BalTaskFunc func; /* NULL once the creator has freed it; main context only */
  gpointer user_data;
  BalCancel *cancel;
  BalReport *report;
  BalJob job;
  BalReleaseResult result;      /* the thread's own, once it runs */
  const BalReleaseResult *told; /* a copy, while func runs; main context only */
};

typedef struct
{
  BalTask *task;
  BalEvent event;
  BalReleaseResult result;
} Message;

static void
task_unref (BalTask *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_pointer (&self->connection, virConnectClose);
  g_clear_pointer (&self->config, bal_config_free);
  g_clear_pointer (&self->cancel, bal_cancel_free);
  g_clear_pointer (&self->report, bal_report_free);
  bal_release_result_clear (&self->result);
  g_free (self->root);
  g_free (self->uuid);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  Message *message = data;

  message->task->told = &message->result;
  if (message->task->func)
    message->task->func (message->task, message->event, message->task->user_data);
  message->task->told = NULL;
  return G_SOURCE_REMOVE;
}

static void
message_free (gpointer data)
{
  Message *message = data;

  bal_release_result_clear (&message->result);
  task_unref (message->task);
  g_free (message);
}

static void
tell (BalTask *self, BalEvent event)
{
  Message *message = g_new (Message, 1);

  g_atomic_int_inc (&self->ref_count);
  *message = (Message){.task = self, .event = event};
  bal_release_result_copy (&self->result, &message->result);
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
  self->connection = host->connection;
  virConnectRef (self->connection);
  self->config = bal_config_share (host->config);
  self->report = bal_report_new_silent (warn, self);
  self->cancel = bal_cancel_new_without_signals (&error);
  self->job = (BalJob){.root = self->root,
                       .config = self->config,
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

static void
on_released (gpointer user_data)
{
  tell (user_data, BAL_EVENT_RELEASED);
}

static gpointer
run_release (gpointer data)
{
  BalTask *self = data;
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (self->connection, self->uuid);
  g_autoptr (GError) error = NULL;
  gboolean is_leaving = FALSE;
  BalDaemonRelease order = {.job = &self->job,
                            .connection = self->connection,
                            .domain = domain,
                            .uuid = self->uuid,
                            .result = &self->result,
                            .released = on_released,
                            .user_data = self};

  if (domain && !bal_daemon_release_run (&order, &is_leaving, &error))
    warn (error->message, self);
  tell (self, is_leaving ? BAL_EVENT_RELEASE_ENDED : BAL_EVENT_NOT_LEAVING);
  task_unref (self);
  return NULL;
}

static gpointer
run_restore (gpointer data)
{
  BalTask *self = data;
  g_autoptr (GError) error = NULL;
  BalDaemonRestore order = {.job = &self->job,
                            .connection = self->connection,
                            .uuid = self->uuid,
                            .has_just_arrived = self->has_just_arrived};
  gboolean restored = bal_daemon_restore_run (&order, &error);

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
  self->result.began_us = g_get_monotonic_time ();
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

const BalReleaseResult *
bal_task_result (const BalTask *self)
{
  return self->told;
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
