/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-link.h"

#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/file-io.h"
#include "protocol/codec.h"

#define DRIVER_PID_FILE "/run/libvirt/qemu/driver.pid"
#define RETRY_US (G_USEC_PER_SEC)

struct _BalLink
{
  gint ref_count; /* the creator's, the thread's, and one for each message on its way */
  char *root;
  char *uri;
  const BalLinkHandlers *handlers; /* NULL once the creator has freed it; main context only */
  gpointer user_data;
  gboolean has_events;
  char *reason; /* told last, why there is no connection; the thread's */

  GMutex mutex;
  GCond cond;
  gboolean broken;  /* the connection is of no use any more */
  gboolean stopped; /* the creator has freed it */
};

typedef enum
{
  NEWS_UP,
  NEWS_DOWN,
  NEWS_AWAY,
  NEWS_LIFECYCLE,
  NEWS_LEAVING,
  NEWS_FAILED,
  NEWS_MIGRATED,
} News;

typedef struct
{
  BalLink *link;
  News news;
  virConnectPtr connection; /* up */
  char *uuid;               /* of the domain; otherwise NULL */
  char *reason;             /* away; otherwise NULL */
  int event;
  int detail;
  BalMigrationFigures figures;
} Message;

static void
link_unref (BalLink *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self->root);
  g_free (self->uri);
  g_free (self->reason);
  g_free (self);
}

static void
message_free (gpointer data)
{
  Message *self = data;

  g_clear_pointer (&self->connection, virConnectClose);
  link_unref (self->link);
  g_free (self->uuid);
  g_free (self->reason);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  const Message *self = data;
  const BalLinkHandlers *handlers = self->link->handlers;
  gpointer user_data = self->link->user_data;

  if (!handlers)
    return G_SOURCE_REMOVE;
  switch (self->news)
    {
    case NEWS_UP:
      handlers->up (self->connection, user_data);
      break;
    case NEWS_DOWN:
      handlers->down (user_data);
      break;
    case NEWS_AWAY:
      if (handlers->away)
        handlers->away (self->reason, user_data);
      break;
    case NEWS_LIFECYCLE:
      handlers->lifecycle (self->uuid, self->event, self->detail, user_data);
      break;
    case NEWS_LEAVING:
      handlers->leaving (self->uuid, user_data);
      break;
    case NEWS_FAILED:
      handlers->failed (self->uuid, user_data);
      break;
    case NEWS_MIGRATED:
      handlers->migrated (self->uuid, &self->figures, user_data);
      break;
    }
  return G_SOURCE_REMOVE;
}

static void
tell (BalLink *self, Message contents)
{
  Message *message = g_new (Message, 1);

  *message = contents;
  message->link = self;
  g_atomic_int_inc (&self->ref_count);
  g_idle_add_full (G_PRIORITY_DEFAULT, deliver, message, message_free);
}

static void
tell_of (BalLink *self, virDomainPtr domain, Message message)
{
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (virDomainGetUUIDString (domain, uuid) < 0)
    return;
  message.uuid = g_strdup (uuid);
  tell (self, message);
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  tell_of (data, domain, (Message){.news = NEWS_LIFECYCLE, .event = event, .detail = detail});
  return 0;
}

/* On the source alone, each time that QEMU begins to go through the memory. */
static void
on_iteration (virConnectPtr connection, virDomainPtr domain, int iteration, void *data)
{
  tell_of (data, domain, (Message){.news = NEWS_LEAVING});
}

/* NB: QEMU has one such event for migrations, saved images and dumps, in and out. */
static void
on_qemu_migration (virConnectPtr connection,
                   virDomainPtr domain,
                   const char *event,
                   long long seconds,
                   unsigned int micros,
                   const char *details,
                   void *data)
{
  g_autoptr (JsonObject) object =
    details ? bal_json_parse_line (details, strlen (details), NULL) : NULL;
  const char *status =
    object ? json_object_get_string_member_with_default (object, "status", NULL) : NULL;

  if (g_strcmp0 (status, "failed") == 0 || g_strcmp0 (status, "cancelled") == 0)
    tell_of (data, domain, (Message){.news = NEWS_FAILED});
}

/* 0 when it is not told. */
static guint64
get_figure (virTypedParameterPtr parameters, int n, const char *name)
{
  unsigned long long figure = 0;

  return virTypedParamsGetULLong (parameters, n, name, &figure) == 1 ? figure : 0;
}

/* NB: backups are told of as well, and other jobs may come to be. */
static void
on_job_completed (
  virConnectPtr connection, virDomainPtr domain, virTypedParameterPtr parameters, int n, void *data)
{
  Message message = {.news = NEWS_MIGRATED};
  int operation = 0, success = 1;

  if (virTypedParamsGetInt (parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation) != 1
      || operation != VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
      || (virTypedParamsGetBoolean (parameters, n, VIR_DOMAIN_JOB_SUCCESS, &success) == 1
          && !success))
    return;
  message.figures = (BalMigrationFigures){
    .sent_bytes = get_figure (parameters, n, VIR_DOMAIN_JOB_DATA_PROCESSED),
    .memory_sent_bytes = get_figure (parameters, n, VIR_DOMAIN_JOB_MEMORY_PROCESSED),
    .total_ms = get_figure (parameters, n, VIR_DOMAIN_JOB_TIME_ELAPSED),
    .downtime_ms = get_figure (parameters, n, VIR_DOMAIN_JOB_DOWNTIME),
  };
  message.figures.has_downtime = virTypedParamsGet (parameters, n, VIR_DOMAIN_JOB_DOWNTIME) != NULL;
  tell_of (data, domain, message);
}

static void
on_close (virConnectPtr connection, int reason, void *data)
{
  BalLink *self = data;

  g_mutex_lock (&self->mutex);
  self->broken = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->mutex);
}

static void
unref_data (void *data)
{
  link_unref (data);
}

typedef struct
{
  int event_id;
  virConnectDomainEventGenericCallback callback;
} Subscription;

static const Subscription subscriptions[] = {
  {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle)},
  {VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, VIR_DOMAIN_EVENT_CALLBACK (on_iteration)},
  {VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, VIR_DOMAIN_EVENT_CALLBACK (on_job_completed)},
};

/* And QEMU's own event, which is subscribed to otherwise. */
#define QEMU_EVENT G_N_ELEMENTS (subscriptions)
#define N_SUBSCRIPTIONS (G_N_ELEMENTS (subscriptions) + 1)

/* An event that is registered keeps the connection alive: without this each reconnect leaks one.
 * All of them fail where there is nothing to undo. */
static void
unsubscribe (virConnectPtr connection, const int callback_ids[static N_SUBSCRIPTIONS])
{
  for (gsize i = 0; i < QEMU_EVENT; i++)
    if (callback_ids[i] >= 0)
      virConnectDomainEventDeregisterAny (connection, callback_ids[i]);
  if (callback_ids[QEMU_EVENT] >= 0)
    virConnectDomainQemuMonitorEventDeregister (connection, callback_ids[QEMU_EVENT]);
  virConnectUnregisterCloseCallback (connection, on_close);
}

static int
subscribe_to (BalLink *self, virConnectPtr connection, gsize which)
{
  int callback_id;

  g_atomic_int_inc (&self->ref_count);
  callback_id =
    which == QEMU_EVENT
      ? virConnectDomainQemuMonitorEventRegister (connection, NULL, "MIGRATION", on_qemu_migration,
                                                  self, unref_data, 0)
      : virConnectDomainEventRegisterAny (connection, NULL, subscriptions[which].event_id,
                                          subscriptions[which].callback, self, unref_data);
  if (callback_id < 0)
    link_unref (self);
  return callback_id;
}

static gboolean
subscribe (BalLink *self,
           virConnectPtr connection,
           int callback_ids[static N_SUBSCRIPTIONS],
           GError **error)
{
  gboolean ok = TRUE;

  g_atomic_int_inc (&self->ref_count);
  if (virConnectRegisterCloseCallback (connection, on_close, self, unref_data) < 0)
    {
      link_unref (self);
      return bal_failure_libvirt (error, BAL_EXIT_FAILED, "It tells nobody when it ends");
    }
  for (gsize i = 0; i < N_SUBSCRIPTIONS; i++)
    {
      callback_ids[i] = self->has_events && ok ? subscribe_to (self, connection, i) : -1;
      if (self->has_events && ok && callback_ids[i] < 0)
        ok = bal_failure_libvirt (error, BAL_EXIT_FAILED, "It tells no events");
    }
  if (!ok)
    unsubscribe (connection, callback_ids);
  return ok;
}

/* To connect to a libvirt that somebody has just stopped would start it again by its socket. As
 * long as the driver runs it keeps a lock on this file. */
static gboolean
driver_runs (const BalLink *self)
{
  g_autofree char *path = bal_root_path (self->root, DRIVER_PID_FILE);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  BAL_AUTO_FD fd = bal_open (path, O_RDONLY, 0, NULL);

  return fd >= 0 && fcntl (fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Waits until the connection breaks, or a second when there is none. FALSE when it is time to end.
 */
static gboolean
wait (BalLink *self, gboolean connected)
{
  gint64 end_us = g_get_monotonic_time () + RETRY_US;
  gboolean stopped;

  g_mutex_lock (&self->mutex);
  while (!self->stopped && !(connected && self->broken))
    {
      if (connected)
        g_cond_wait (&self->cond, &self->mutex);
      else if (!g_cond_wait_until (&self->cond, &self->mutex, end_us))
        break;
    }
  self->broken = FALSE;
  stopped = self->stopped;
  g_mutex_unlock (&self->mutex);
  return !stopped;
}

static virConnectPtr
open_connection (BalLink *self, int callback_ids[static N_SUBSCRIPTIONS], GError **error)
{
  g_autoptr (virConnect) connection = NULL;

  if (!driver_runs (self))
    {
      g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND,
                           "neither libvirtd nor virtqemud runs");
      return NULL;
    }
  connection = bal_connection_open (self->uri, error);
  if (!connection || !subscribe (self, connection, callback_ids, error))
    return NULL;
  return g_steal_pointer (&connection);
}

/* The next try is a second away: what it finds again is not told again. */
static void
tell_away (BalLink *self, const char *reason)
{
  if (g_strcmp0 (self->reason, reason) == 0)
    return;
  g_free (self->reason);
  self->reason = g_strdup (reason);
  tell (self, (Message){.news = NEWS_AWAY, .reason = g_strdup (reason)});
}

/* One connection, from its beginning to its end; or a second without one. */
static gboolean
stay_connected (BalLink *self)
{
  int callback_ids[N_SUBSCRIPTIONS] = {0};
  g_autoptr (GError) failure = NULL;
  g_autoptr (virConnect) connection = open_connection (self, callback_ids, &failure);
  gboolean go_on;

  if (!connection)
    {
      tell_away (self, failure->message);
      return wait (self, FALSE);
    }
  g_clear_pointer (&self->reason, g_free);
  virConnectRef (connection);
  tell (self, (Message){.news = NEWS_UP, .connection = connection});
  go_on = wait (self, TRUE);
  tell (self, (Message){.news = NEWS_DOWN});
  unsubscribe (connection, callback_ids);
  return go_on && wait (self, FALSE);
}

static gpointer
run (gpointer data)
{
  BalLink *self = data;

  while (stay_connected (self))
    ;
  link_unref (self);
  return NULL;
}

BalLink *
bal_link_new (const char *root,
              const char *uri,
              const BalLinkHandlers *handlers,
              gpointer user_data)
{
  BalLink *self = g_new0 (BalLink, 1);

  self->ref_count = 2;
  self->root = g_strdup (root);
  self->uri = g_strdup (uri);
  self->handlers = handlers;
  self->user_data = user_data;
  self->has_events = handlers->lifecycle != NULL;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  g_thread_unref (g_thread_new ("libvirt-link", run, self));
  return self;
}

void
bal_link_free (BalLink *self)
{
  self->handlers = NULL;
  g_mutex_lock (&self->mutex);
  self->stopped = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->mutex);
  link_unref (self);
}
