/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's side of the holder: spawning, talking, ending. */
#include "guest-agent/holder.h"

#include "guest-agent/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_REFUSED,
               "Cannot %s the process that holds memory: %s; nothing is held.", what,
               g_strerror (errno));
  return FALSE;
}

static void
stand_by (const char *root, int fd)
{
  for (;;)
    pause ();
}

static gboolean
spawn_decoys (BalHolder *self, const char *root, GError **error)
{
  for (guint i = 0; i < BAL_HOLDER_DECOYS; i++)
    {
      pid_t pid = bal_child_spawn (root, "ballast-decoy", -1, stand_by, error);

      if (pid < 0)
        return FALSE;
      self->decoys[i] = pid;
    }
  return TRUE;
}

static void
end_decoys (BalHolder *self)
{
  for (guint i = 0; i < BAL_HOLDER_DECOYS; i++)
    if (self->decoys[i] != 0)
      bal_child_end (self->decoys[i]);
}

/* With @self->socket_fd set. */
static gboolean
spawn_all (BalHolder *self, const char *root, int holder_fd, GError **error)
{
  if (!spawn_decoys (self, root, error))
    return FALSE;
  self->pid = bal_child_spawn (root, "ballast-holder", holder_fd, bal_holder_run, error);
  if (self->pid < 0)
    return FALSE;
  self->pidfd = pidfd_open (self->pid, 0);
  if (self->pidfd >= 0)
    return TRUE;
  refuse (error, "watch");
  bal_child_end (self->pid);
  return FALSE;
}

gboolean
bal_holder_spawn (const char *root, BalHolder *out, GError **error)
{
  BalHolder holder = {0};
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return refuse (error, "make a socket for");
  holder.socket_fd = pair[0];
  gboolean spawned = spawn_all (&holder, root, pair[1], error);
  close (pair[1]);
  if (spawned)
    {
      *out = holder;
      return TRUE;
    }
  end_decoys (&holder);
  bal_child_remove_cgroup (root);
  close (holder.socket_fd);
  return FALSE;
}

gboolean
bal_holder_order (const BalHolder *self, const BalHolderOrder *order)
{
  return send (self->socket_fd, order, sizeof *order, MSG_DONTWAIT | MSG_NOSIGNAL)
         == (gssize)sizeof *order;
}

gboolean
bal_holder_next_report (const BalHolder *self, BalHolderReport *out)
{
  return recv (self->socket_fd, out, sizeof *out, MSG_DONTWAIT) == (gssize)sizeof *out;
}

void
bal_holder_kill (const BalHolder *self)
{
  pidfd_send_signal (self->pidfd, SIGKILL, NULL, 0);
}

static gboolean
wait_readable (int fd, guint timeout_ms)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)timeout_ms * 1000;

  for (;;)
    {
      struct pollfd entry = {.fd = fd, .events = POLLIN};
      gint64 left_us = MAX (end_us - g_get_monotonic_time (), 0);
      int ready = poll (&entry, 1, (int)MIN ((left_us + 999) / 1000, G_MAXINT));

      if (ready >= 0 || errno != EINTR)
        return ready > 0;
    }
}

gboolean
bal_holder_reap (BalHolder *self, const char *root, guint timeout_ms, gboolean *killed)
{
  int status = 0;

  if (!wait_readable (self->pidfd, timeout_ms))
    return FALSE;
  while (waitpid (self->pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (killed != NULL)
    *killed = WIFSIGNALED (status);
  end_decoys (self);
  close (self->pidfd);
  close (self->socket_fd);
  bal_child_remove_cgroup (root);
  *self = (BalHolder){0};
  return TRUE;
}
