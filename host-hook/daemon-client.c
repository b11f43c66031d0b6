/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-client.h"

#include "host-hook/file-io.h"
#include "protocol/codec.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_RETRY_US 5000
#define READ_STEP_BYTES 16384

static gboolean
fail_broken (GError **error, const char *why)
{
  g_set_error (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_BROKEN,
               "The socket of ballastd cannot be used: %s", why);
  return FALSE;
}

static gboolean
fail_timeout (GError **error)
{
  g_set_error_literal (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_TIMEOUT,
                       "ballastd did not answer in time");
  return FALSE;
}

/* TRUE when the socket may be ready, FALSE at the deadline. */
static gboolean
wait_for (int fd, short events, gint64 deadline_us, GError **error)
{
  gint64 left_us = deadline_us - g_get_monotonic_time ();
  if (left_us <= 0)
    return fail_timeout (error);
  struct pollfd waiter = {.fd = fd, .events = events};
  poll (&waiter, 1, (int)MIN (left_us / 1000 + 1, G_MAXINT));
  return TRUE;
}

static gboolean
connect_to (int fd, const struct sockaddr_un *address, gint64 deadline_us, GError **error)
{
  while (connect (fd, (const struct sockaddr *)address, sizeof *address) < 0)
    {
      int code = errno;
      if (code == EINTR)
        continue;
      if (code == ENOENT || code == ECONNREFUSED)
        {
          g_set_error_literal (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT,
                               "No ballastd runs on this host");
          return FALSE;
        }
      if (code == EACCES || code == EPERM)
        return fail_broken (error, "it is root's alone: run this as root, nothing was changed");
      if (code != EAGAIN)
        return fail_broken (error, g_strerror (code));
      /* unix(7): the listener's queue is full. Nothing can be polled for that. */
      if (g_get_monotonic_time () + CONNECT_RETRY_US >= deadline_us)
        return fail_timeout (error);
      g_usleep (CONNECT_RETRY_US);
    }
  return TRUE;
}

int
bal_daemon_client_connect (const char *root, gint64 deadline_us, GError **error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_autofree char *path = bal_root_path (root, BAL_DAEMON_SOCKET);
  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      fail_broken (error, "its path is too long");
      return -1;
    }
  BAL_AUTO_FD fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    {
      fail_broken (error, g_strerror (errno));
      return -1;
    }
  if (!connect_to (fd, &address, deadline_us, error))
    return -1;
  int connected = fd;
  fd = -1;
  return connected;
}

/* NB: ballastd refuses a bad request before it has come in whole, and closes. Its sentence is there
 * to be read then, which is why a connection closed under our hands is not yet a failure. */
static gboolean
send_all (int fd, GBytes *request, gint64 deadline_us, GError **error)
{
  gsize left_bytes;
  const char *next = g_bytes_get_data (request, &left_bytes);
  while (left_bytes > 0)
    {
      gssize n = send (fd, next, left_bytes, MSG_NOSIGNAL);
      if (n >= 0)
        {
          next += n;
          left_bytes -= (gsize)n;
          continue;
        }
      if (errno == EPIPE || errno == ECONNRESET)
        return TRUE;
      if (errno != EAGAIN && errno != EINTR)
        return fail_broken (error, g_strerror (errno));
      if (!wait_for (fd, POLLOUT, deadline_us, error))
        return FALSE;
    }
  return TRUE;
}

/* The reply's line; anything behind it is nobody's. */
static char *
receive_line (int fd, gint64 deadline_us, gsize *length_bytes, GError **error)
{
  g_autoptr (BalFramer) framer = bal_framer_new (BAL_DAEMON_REPLY_MAX_BYTES);
  char buffer[READ_STEP_BYTES];
  for (;;)
    {
      char *line;
      switch (bal_framer_next (framer, &line, length_bytes))
        {
        case BAL_FRAME_LINE:
          return line;
        case BAL_FRAME_OVERLONG:
          g_set_error_literal (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_GARBAGE,
                               "What ballastd answered is longer than 1 MiB");
          return NULL;
        case BAL_FRAME_NONE:
          break;
        }
      /* Before each read: a peer that keeps dripping must not get past the deadline. */
      if (!wait_for (fd, POLLIN, deadline_us, error))
        return NULL;
      gssize n = recv (fd, buffer, sizeof buffer, 0);
      if (n > 0)
        bal_framer_feed (framer, buffer, (gsize)n);
      else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        {
          fail_broken (error, n == 0 ? "it was closed without an answer" : g_strerror (errno));
          return NULL;
        }
    }
}

JsonNode *
bal_daemon_client_exchange (int fd, GBytes *request, gint64 deadline_us, GError **error)
{
  gsize length;
  if (!send_all (fd, request, deadline_us, error))
    return NULL;
  g_autofree char *line = receive_line (fd, deadline_us, &length, error);
  return line != NULL ? bal_daemon_parse_reply (line, length, error) : NULL;
}
