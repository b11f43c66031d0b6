/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct _BalNotify
{
  int fd; /* -1: nobody wants to know */
  struct sockaddr_un address;
  socklen_t address_bytes;
  guint watchdog_id;
};

static void
say (const BalNotify *self, const char *text)
{
  if (self->fd >= 0)
    sendto (self->fd, text, strlen (text), MSG_NOSIGNAL | MSG_DONTWAIT,
            (const struct sockaddr *)&self->address, self->address_bytes);
}

/* A name that begins with '@' is in the abstract namespace. */
static gboolean
set_address (BalNotify *self, const char *path)
{
  gsize length = path ? strlen (path) : 0;

  if (length < 2 || length >= sizeof self->address.sun_path || (path[0] != '/' && path[0] != '@'))
    return FALSE;
  self->address.sun_family = AF_UNIX;
  memcpy (self->address.sun_path, path, length);
  if (path[0] == '@')
    self->address.sun_path[0] = '\0';
  self->address_bytes = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + length);
  return TRUE;
}

static gboolean
on_watchdog (gpointer user_data)
{
  say (user_data, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static void
start_watchdog (BalNotify *self)
{
  const char *text = g_getenv ("WATCHDOG_USEC");
  guint64 interval_us;

  if (text
      && g_ascii_string_to_unsigned (text, 10, 2000, G_USEC_PER_SEC * G_GUINT64_CONSTANT (3600),
                                     &interval_us, NULL))
    self->watchdog_id = g_timeout_add ((guint)(interval_us / 2000), on_watchdog, self);
}

BalNotify *
bal_notify_new (void)
{
  BalNotify *self = g_new0 (BalNotify, 1);

  self->fd = -1;
  if (set_address (self, g_getenv ("NOTIFY_SOCKET")))
    self->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (self->fd < 0)
    return self;
  say (self, "READY=1");
  start_watchdog (self);
  return self;
}

void
bal_notify_free (BalNotify *self)
{
  g_clear_handle_id (&self->watchdog_id, g_source_remove);
  say (self, "STOPPING=1");
  if (self->fd >= 0)
    close (self->fd);
  g_free (self);
}
