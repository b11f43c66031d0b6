/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-server.h"

#include "host-hook/daemon-listen.h"
#include "host-hook/file-io.h"
#include "protocol/messages.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#define READ_STEP_BYTES 65536

/* How long nobody is accepted after accept() failed, for want of descriptors or memory. */
#define ACCEPT_PAUSE_MS 100

/*
 * A connection reads its request, then waits for the handler, then writes its reply, and is gone.
 * It has one watch on its socket at a time: for input, for being hung up on, for room to write.
 */
typedef struct
{
  BalDaemonServer *server;
  int fd;
  guint watch_id;
  guint timeout_id; /* 0 while the handler is at work */
  BalDaemonIntake *intake;
  BalDaemonRequest *request; /* while the handler is at work */
  GBytes *reply;
  gsize written_bytes;
} Connection;

struct _BalDaemonRequest
{
  Connection *connection; /* NULL: the client has left */
  void (*left) (gpointer user_data);
  gpointer left_data;
};

struct _BalDaemonServer
{
  BalDaemonListener *listener;
  guint accept_id; /* a watch, or the timer of a pause; 0 when there are as many as may be */
  GHashTable *connections;
  BalDaemonHandlers handlers;
  gpointer user_data;
};

static void watch_listener (BalDaemonServer *self);

static void
clear_source (guint *id)
{
  if (*id != 0)
    g_source_remove (*id);
  *id = 0;
}

static void
request_abandon (BalDaemonRequest *self)
{
  self->connection = NULL;
  if (self->left != NULL)
    self->left (self->left_data);
}

/* By the table of connections only. */
static void
connection_free (gpointer data)
{
  Connection *self = data;
  clear_source (&self->watch_id);
  clear_source (&self->timeout_id);
  if (self->request != NULL)
    request_abandon (self->request);
  g_clear_pointer (&self->intake, bal_daemon_intake_free);
  g_clear_pointer (&self->reply, g_bytes_unref);
  g_close (self->fd, NULL);
  g_free (self);
}

static void
connection_close (Connection *self)
{
  BalDaemonServer *server = self->server;
  g_hash_table_remove (server->connections, self);
  if (server->accept_id == 0)
    watch_listener (server);
}

static void
connection_watch (Connection *self, GIOCondition condition, GUnixFDSourceFunc function)
{
  clear_source (&self->watch_id);
  self->watch_id = g_unix_fd_add (self->fd, condition, function, self);
}

static gboolean
on_write_timeout (gpointer data)
{
  Connection *self = data;
  self->timeout_id = 0;
  connection_close (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer data)
{
  Connection *self = data;
  gsize length;
  const char *bytes = g_bytes_get_data (self->reply, &length);
  gssize n = send (fd, bytes + self->written_bytes, length - self->written_bytes, MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    self->written_bytes += (gsize)n;
  if (n > 0 && self->written_bytes < length)
    return G_SOURCE_CONTINUE;
  self->watch_id = 0;
  connection_close (self);
  return G_SOURCE_REMOVE;
}

/* Takes ownership of @reply. */
static void
connection_reply (Connection *self, GBytes *reply)
{
  clear_source (&self->timeout_id);
  self->timeout_id = g_timeout_add (BAL_DAEMON_REQUEST_MS, on_write_timeout, self);
  self->reply = reply;
  connection_watch (self, G_IO_OUT, on_writable);
}

static void
connection_refuse (Connection *self, const GError *error)
{
  const char *error_class = error->domain == BAL_VF_ERROR
                              ? bal_vf_error_class ((BalVfError)error->code)
                              : bal_protocol_error_class ((BalProtocolError)error->code);
  connection_reply (self, bal_daemon_build_error (error_class, error->message));
}

static gboolean
on_read_timeout (gpointer data)
{
  Connection *self = data;
  g_autoptr (GError) error =
    g_error_new (BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
                 "The request did not come in whole within %u ms", BAL_DAEMON_REQUEST_MS);
  self->timeout_id = 0;
  connection_refuse (self, error);
  return G_SOURCE_REMOVE;
}

/* NB: not for G_IO_IN, since a client may shut down its own direction after the request. */
static gboolean
on_hang_up (int fd, GIOCondition condition, gpointer data)
{
  Connection *self = data;
  self->watch_id = 0;
  connection_close (self);
  return G_SOURCE_REMOVE;
}

/* The handler may answer at once: @self is watching for room to write then. */
static void
connection_dispatch (Connection *self, BalDaemonCall *call)
{
  BalDaemonServer *server = self->server;
  BalDaemonRequest *request = g_new0 (BalDaemonRequest, 1);
  request->connection = self;
  self->request = request;
  clear_source (&self->timeout_id);
  connection_watch (self, G_IO_HUP | G_IO_ERR, on_hang_up);
  if (call->command == BAL_DAEMON_COMMAND_HOOK)
    server->handlers.hook (request, &call->hook, server->user_data);
  else if (call->command == BAL_DAEMON_COMMAND_STATUS)
    server->handlers.status (request, call->status_domain, server->user_data);
  else
    server->handlers.vf (request, &call->vf, server->user_data);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  Connection *self = data;
  g_autoptr (GError) error = NULL;
  g_auto (BalDaemonCall) call = {0};
  char buffer[READ_STEP_BYTES];
  gssize n = recv (fd, buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    g_set_error_literal (&error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
                         "The request ended before it was whole");
  else if (bal_daemon_intake_feed (self->intake, buffer, (gsize)n, &error)
           && !bal_daemon_intake_take (self->intake, &call))
    return G_SOURCE_CONTINUE;

  g_clear_pointer (&self->intake, bal_daemon_intake_free);
  self->watch_id = 0;
  if (error != NULL)
    connection_refuse (self, error);
  else
    connection_dispatch (self, &call);
  return G_SOURCE_REMOVE;
}

static gboolean
is_root (int fd)
{
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == 0;
}

static void
connection_open (BalDaemonServer *server, int fd)
{
  Connection *self = g_new0 (Connection, 1);
  self->server = server;
  self->fd = fd;
  g_hash_table_add (server->connections, self);
  if (!is_root (fd))
    {
      connection_reply (self, bal_daemon_build_error ("AccessDenied", "Only root is served here"));
      return;
    }
  self->intake = bal_daemon_intake_new ();
  self->timeout_id = g_timeout_add (BAL_DAEMON_REQUEST_MS, on_read_timeout, self);
  connection_watch (self, G_IO_IN, on_readable);
}

static gboolean
on_pause_over (gpointer data)
{
  BalDaemonServer *self = data;
  self->accept_id = 0;
  watch_listener (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_connection (int listen_fd, GIOCondition condition, gpointer data)
{
  BalDaemonServer *self = data;
  int fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
    return G_SOURCE_CONTINUE;
  if (fd < 0)
    {
      /* The client stays in the queue, and would wake us again and again. */
      self->accept_id = g_timeout_add (ACCEPT_PAUSE_MS, on_pause_over, self);
      return G_SOURCE_REMOVE;
    }
  connection_open (self, fd);
  if (g_hash_table_size (self->connections) < BAL_DAEMON_CONNECTIONS_MAX)
    return G_SOURCE_CONTINUE;
  self->accept_id = 0;
  return G_SOURCE_REMOVE;
}

static void
watch_listener (BalDaemonServer *self)
{
  self->accept_id =
    g_unix_fd_add (bal_daemon_listener_fd (self->listener), G_IO_IN, on_connection, self);
}

BalDaemonServer *
bal_daemon_server_new (const char *root,
                       const BalDaemonHandlers *handlers,
                       gpointer user_data,
                       GError **error)
{
  BalDaemonListener *listener = bal_daemon_listener_new (root, error);
  if (listener == NULL)
    return NULL;
  BalDaemonServer *self = g_new0 (BalDaemonServer, 1);
  self->listener = listener;
  self->handlers = *handlers;
  self->user_data = user_data;
  self->connections = g_hash_table_new_full (NULL, NULL, connection_free, NULL);
  watch_listener (self);
  return self;
}

void
bal_daemon_server_free (BalDaemonServer *self)
{
  clear_source (&self->accept_id);
  g_hash_table_unref (self->connections);
  bal_daemon_listener_free (self->listener);
  g_free (self);
}

void
bal_daemon_request_watch (BalDaemonRequest *request,
                          void (*left) (gpointer user_data),
                          gpointer user_data)
{
  request->left = left;
  request->left_data = user_data;
}

/* Takes ownership of @reply. */
static void
answer (BalDaemonRequest *request, GBytes *reply)
{
  Connection *connection = request->connection;
  if (connection != NULL)
    {
      connection->request = NULL;
      connection_reply (connection, reply);
    }
  else
    g_bytes_unref (reply);
  g_free (request);
}

void
bal_daemon_request_return (BalDaemonRequest *request, JsonNode *result)
{
  answer (request, bal_daemon_build_return (result));
}

void
bal_daemon_request_fail (BalDaemonRequest *request, const char *error_class, const char *sentence)
{
  answer (request, bal_daemon_build_error (error_class, sentence));
}
