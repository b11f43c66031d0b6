/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/channel.h"

#include "protocol/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 16384u

/* Replies above this go back to the kernel when they are written, for a small agent. */
#define LARGE_REPLY_BYTES 65536u

#define WANTED_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct _BalChannel
{
  char *path;
  BalChannelClient client;
  gboolean is_socket;
  int fd;
  int epoll_fd;
  guint source_id;
  gboolean host_present; /* as of the last event */
  BalFramer *framer;
  char *reply; /* NULL: none waits */
  gsize reply_length;
  gsize reply_written;
};

static gboolean
set_errno_error (GError **error, const char *path, int error_number)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (error_number),
               "Cannot open channel %s: %s.", path, g_strerror (error_number));
  return FALSE;
}

static int
connect_socket (const char *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd;

  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return -1;
    }
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) != 0)
    {
      int saved = errno;
      close (fd);
      errno = saved;
      return -1;
    }
  return fd;
}

static gboolean
open_fd (BalChannel *self, GError **error)
{
  struct epoll_event event = {.events = WANTED_EVENTS};
  struct stat info;

  if (stat (self->path, &info) != 0)
    return set_errno_error (error, self->path, errno);
  self->is_socket = S_ISSOCK (info.st_mode);
  if (!self->is_socket && !S_ISCHR (info.st_mode))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "Channel %s is neither a virtio-serial port nor a unix socket.", self->path);
      return FALSE;
    }
  self->fd = self->is_socket ? connect_socket (self->path)
                             : open (self->path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (self->fd < 0 || epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, self->fd, &event) != 0)
    return set_errno_error (error, self->path, errno);
  return TRUE;
}

static void
drop_reply (BalChannel *self)
{
  gboolean large = self->reply_length > LARGE_REPLY_BYTES;

  g_clear_pointer (&self->reply, g_free);
  self->reply_length = 0;
  self->reply_written = 0;
  if (large)
    malloc_trim (0);
}

static void
lose (BalChannel *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  self->client.gone (self->client.user_data);
}

/* What was under way was meant for the host that has left. */
static void
forget_conversation (BalChannel *self)
{
  bal_framer_reset (self->framer);
  drop_reply (self);
}

/* The peer of a socket has left: connects for the next one. */
static void
reconnect (BalChannel *self)
{
  forget_conversation (self);
  close (self->fd);
  self->fd = -1;
  if (!open_fd (self, NULL))
    lose (self);
}

/* Asks for an event if there is anything left to do: to re-arm makes epoll look at the descriptor
 * again (epoll_ctl(2)). */
static void
come_again (BalChannel *self)
{
  struct epoll_event event = {.events = WANTED_EVENTS};

  epoll_ctl (self->epoll_fd, EPOLL_CTL_MOD, self->fd, &event);
}

/* FALSE when the host has to read before more can be written. */
static gboolean
flush_reply (BalChannel *self)
{
  while (self->reply_written < self->reply_length)
    {
      gssize written = write (self->fd, self->reply + self->reply_written,
                              self->reply_length - self->reply_written);

      if (written > 0)
        self->reply_written += (gsize)written;
      else if (written < 0 && errno == EINTR)
        continue;
      else if (written < 0 && errno == EAGAIN)
        return !self->host_present;
      else
        break;
    }
  drop_reply (self);
  return TRUE;
}

/* Answers one request, if a whole one is here. */
static gboolean
answer_one (BalChannel *self)
{
  g_autofree char *line = NULL;
  gsize length = 0;
  BalFrame frame = bal_framer_next (self->framer, &line, &length);

  if (frame == BAL_FRAME_NONE)
    return FALSE;
  drop_reply (self);
  self->reply = self->client.answer (line, length, &self->reply_length, self->client.user_data);
  return TRUE;
}

/* Reads once. FALSE when there is nothing to read, or nobody to read from. */
static gboolean
read_some (BalChannel *self)
{
  char buffer[READ_BYTES];
  gssize got;

  do
    got = read (self->fd, buffer, sizeof buffer);
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN)
    return FALSE;
  if (got > 0)
    {
      bal_framer_feed (self->framer, buffer, (gsize)got);
      return TRUE;
    }
  if (self->is_socket)
    reconnect (self);
  else if (got < 0)
    /* ENODEV: unplugged; 0 would be a host that is away. */
    lose (self);
  return FALSE;
}

static void
pump (BalChannel *self)
{
  if (!flush_reply (self))
    return;
  while (!answer_one (self))
    if (!read_some (self))
      return;
  if (flush_reply (self))
    come_again (self);
}

static gboolean
on_event (int fd, GIOCondition condition, gpointer user_data)
{
  BalChannel *self = user_data;
  struct epoll_event event;

  if (epoll_wait (self->epoll_fd, &event, 1, 0) == 1)
    {
      gboolean present = (event.events & EPOLLHUP) == 0;

      if (self->host_present && !present)
        forget_conversation (self);
      self->host_present = present;
      pump (self);
    }
  return self->source_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

BalChannel *
bal_channel_open (const char *path, const BalChannelClient *client, GError **error)
{
  g_autoptr (BalChannel) self = g_new0 (BalChannel, 1);

  self->path = g_strdup (path);
  self->client = *client;
  self->fd = -1;
  self->framer = bal_framer_new (BAL_REQUEST_LINE_MAX_BYTES);
  self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->epoll_fd < 0)
    {
      set_errno_error (error, path, errno);
      return NULL;
    }
  if (!open_fd (self, error))
    return NULL;
  self->source_id = g_unix_fd_add (self->epoll_fd, G_IO_IN, on_event, self);
  return g_steal_pointer (&self);
}

void
bal_channel_free (BalChannel *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  if (self->epoll_fd >= 0)
    close (self->epoll_fd);
  bal_framer_free (self->framer);
  g_free (self->reply);
  g_free (self->path);
  g_free (self);
}
