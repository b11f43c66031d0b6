/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/agent-transport.h"

#include "host-hook/file-io.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_RETRY_US 10000

/* Seen by libvirt's event loop thread, too; the stream's callback holds a reference. */
typedef struct
{
  gatomicrefcount references;
  int event_fd;
} Wakeup;

struct _BalAgentTransport
{
  int fd; /* the socket; -1 for a stream */
  virStreamPtr stream;
  Wakeup *wakeup;
};

static gssize
fail_unreachable (GError **error, const char *why)
{
  g_set_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE,
               "The guest agent's channel cannot be used: %s", why);
  return -1;
}

static void
wakeup_unref (gpointer data)
{
  Wakeup *self = data;
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_close (self->event_fd, NULL);
  g_free (self);
}

BalAgentTransport *
bal_agent_transport_new_fd (int fd)
{
  BalAgentTransport *self = g_new0 (BalAgentTransport, 1);
  self->fd = fd;
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  return self;
}

BalAgentTransport *
bal_agent_transport_new_unix (const char *path, gint64 deadline_us, GError **error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      fail_unreachable (error, "the socket's path is too long");
      return NULL;
    }
  BAL_AUTO_FD fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    {
      fail_unreachable (error, g_strerror (errno));
      return NULL;
    }
  while (connect (fd, (const struct sockaddr *)&address, sizeof address) < 0)
    {
      if (errno == EINTR)
        continue;
      /* unix(7): the listener's queue is full. Nothing can be polled for that. */
      if (errno != EAGAIN || g_get_monotonic_time () >= deadline_us)
        {
          fail_unreachable (error, g_strerror (errno));
          return NULL;
        }
      g_usleep (CONNECT_RETRY_US);
    }
  int connected = fd;
  fd = -1;
  return bal_agent_transport_new_fd (connected);
}

/* In libvirt's event loop thread. Told once is enough: libvirt would call again and again while the
 * stream stays ready. */
static void
on_stream_event (virStreamPtr stream, int events, void *opaque)
{
  Wakeup *wakeup = opaque;
  virStreamEventUpdateCallback (stream, 0);
  eventfd_write (wakeup->event_fd, 1);
}

BalAgentTransport *
bal_agent_transport_new_domain (virDomainPtr domain, GError **error)
{
  g_autoptr (BalAgentTransport) self = g_new0 (BalAgentTransport, 1);
  self->fd = -1;
  self->stream = virStreamNew (virDomainGetConnect (domain), VIR_STREAM_NONBLOCK);
  if (self->stream == NULL || virDomainOpenChannel (domain, BAL_CHANNEL_NAME, self->stream, 0) < 0)
    {
      fail_unreachable (error, virGetLastErrorMessage ());
      return NULL;
    }

  Wakeup *wakeup = g_new0 (Wakeup, 1);
  g_atomic_ref_count_init (&wakeup->references);
  wakeup->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  self->wakeup = wakeup;
  if (wakeup->event_fd < 0)
    {
      fail_unreachable (error, g_strerror (errno));
      return NULL;
    }
  g_atomic_ref_count_inc (&wakeup->references);
  if (virStreamEventAddCallback (self->stream, 0, on_stream_event, wakeup, wakeup_unref) < 0)
    {
      wakeup_unref (wakeup);
      fail_unreachable (error, virGetLastErrorMessage ());
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
bal_agent_transport_free (BalAgentTransport *self)
{
  if (self->stream != NULL)
    {
      virStreamEventRemoveCallback (self->stream);
      virStreamAbort (self->stream);
      virStreamFree (self->stream);
      /* What goes wrong while parting is nobody's error. */
      virResetLastError ();
    }
  if (self->wakeup != NULL)
    wakeup_unref (self->wakeup);
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  g_free (self);
}

static gssize
check_stream_result (int result, GError **error)
{
  if (result == -2)
    return 0;
  if (result < 0)
    return fail_unreachable (error, virGetLastErrorMessage ());
  return result;
}

static gssize
check_socket_result (gssize result, GError **error)
{
  if (result >= 0)
    return result;
  if (errno == EAGAIN || errno == EINTR)
    return 0;
  return fail_unreachable (error, g_strerror (errno));
}

gssize
bal_agent_transport_read (BalAgentTransport *self, void *buffer, gsize length_bytes, GError **error)
{
  gssize result = self->stream != NULL ? virStreamRecv (self->stream, buffer, length_bytes)
                                       : recv (self->fd, buffer, length_bytes, 0);
  if (result == 0)
    return fail_unreachable (error, "its other end was closed");
  return self->stream != NULL ? check_stream_result ((int)result, error)
                              : check_socket_result (result, error);
}

gssize
bal_agent_transport_write (BalAgentTransport *self,
                           const void *data,
                           gsize length_bytes,
                           GError **error)
{
  if (self->stream != NULL)
    return check_stream_result (virStreamSend (self->stream, data, length_bytes), error);
  return check_socket_result (send (self->fd, data, length_bytes, MSG_NOSIGNAL), error);
}

gboolean
bal_agent_transport_wait (BalAgentTransport *self,
                          BalAgentReadiness what,
                          gint64 deadline_us,
                          GError **error)
{
  gint64 left_us = deadline_us - g_get_monotonic_time ();
  if (left_us <= 0)
    {
      g_set_error_literal (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_TIMEOUT,
                           "The guest agent did not answer in time");
      return FALSE;
    }

  struct pollfd waiter = {.fd = self->fd, .events = what == BAL_AGENT_READABLE ? POLLIN : POLLOUT};
  if (self->stream != NULL)
    {
      waiter = (struct pollfd){.fd = self->wakeup->event_fd, .events = POLLIN};
      virStreamEventUpdateCallback (self->stream, what == BAL_AGENT_READABLE
                                                    ? VIR_STREAM_EVENT_READABLE
                                                    : VIR_STREAM_EVENT_WRITABLE);
    }
  poll (&waiter, 1, (int)MIN (left_us / 1000 + 1, G_MAXINT));
  if (self->stream != NULL)
    {
      eventfd_t count;
      eventfd_read (self->wakeup->event_fd, &count);
    }
  return TRUE;
}
