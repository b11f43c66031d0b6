/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-link.h"

#include <fcntl.h>

#include "host-hook/connection.h"
#include "host-hook/file-io.h"

#define DRIVER_PID_FILE "/run/libvirt/qemu/driver.pid"
#define RETRY_US (G_USEC_PER_SEC)

struct _BalLink
{
  gint ref_count; /* the creator's, the thread's, and one for each message on its way */
  char *root;
  char *uri;
  const BalLinkHandlers *handlers; /* NULL once the creator has freed it; main context only */
  gpointer user_data;

  GMutex mutex;
  GCond cond;
  gboolean broken;  /* the connection is of no use any more */
  gboolean stopped; /* the creator has freed it */
};

typedef struct
{
  BalLink *link;
  virConnectPtr connection; /* up; otherwise NULL */
  char *uuid;               /* lifecycle; otherwise NULL */
  int event;
  int detail;
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
  g_free (self);
}

static void
message_free (gpointer data)
{
  Message *self = data;

  g_clear_pointer (&self->connection, virConnectClose);
  link_unref (self->link);
  g_free (self->uuid);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  const Message *self = data;
  const BalLinkHandlers *handlers = self->link->handlers;

  if (!handlers)
    return G_SOURCE_REMOVE;
  if (self->uuid)
    handlers->lifecycle (self->uuid, self->event, self->detail, self->link->user_data);
  else if (self->connection)
    handlers->up (self->connection, self->link->user_data);
  else
    handlers->down (self->link->user_data);
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

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (virDomainGetUUIDString (domain, uuid) == 0)
    tell (data, (Message){.uuid = g_strdup (uuid), .event = event, .detail = detail});
  return 0;
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

/* An event that is registered keeps the connection alive: without this each reconnect leaks one.
 * Both fail where there is nothing to undo. */
static void
unsubscribe (virConnectPtr connection, int callback_id)
{
  if (callback_id >= 0)
    virConnectDomainEventDeregisterAny (connection, callback_id);
  virConnectUnregisterCloseCallback (connection, on_close);
}

/* The id of the lifecycle callback, or -1. */
static int
subscribe (BalLink *self, virConnectPtr connection)
{
  int callback_id;

  g_atomic_int_inc (&self->ref_count);
  if (virConnectRegisterCloseCallback (connection, on_close, self, unref_data) < 0)
    {
      link_unref (self);
      return -1;
    }
  g_atomic_int_inc (&self->ref_count);
  callback_id =
    virConnectDomainEventRegisterAny (connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                      VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), self, unref_data);
  if (callback_id >= 0)
    return callback_id;
  link_unref (self);
  unsubscribe (connection, -1);
  return -1;
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

/* One connection, from its beginning to its end; or a second without one. */
static gboolean
stay_connected (BalLink *self)
{
  g_autoptr (virConnect) connection =
    driver_runs (self) ? bal_connection_open (self->uri, NULL) : NULL;
  int callback_id = connection ? subscribe (self, connection) : -1;
  gboolean go_on;

  if (callback_id < 0)
    return wait (self, FALSE);
  virConnectRef (connection);
  tell (self, (Message){.connection = connection});
  go_on = wait (self, TRUE);
  tell (self, (Message){0});
  unsubscribe (connection, callback_id);
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
