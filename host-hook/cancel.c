/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cancel.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct _BalCancel
{
  int fd;
  sigset_t signals;
  gboolean requested;
};

/* NB: a blocked signal is queued even when it is ignored. */
static void
add_wanted (sigset_t *signals)
{
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

  sigemptyset (signals);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      struct sigaction action;

      if (sigaction (numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        sigaddset (signals, numbers[i]);
    }
}

/* @fd can be read once somebody wants to cancel; -1: errno tells why there is none. */
static BalCancel *
new_for_fd (int fd, const sigset_t *signals, GError **error)
{
  BalCancel *self;

  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "Cannot listen for signals: %s; nothing was touched", g_strerror (errno));
      return NULL;
    }
  self = g_new0 (BalCancel, 1);
  self->fd = fd;
  self->signals = *signals;
  return self;
}

BalCancel *
bal_cancel_new (GError **error)
{
  sigset_t signals;

  add_wanted (&signals);
  pthread_sigmask (SIG_BLOCK, &signals, NULL);
  return new_for_fd (signalfd (-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), &signals, error);
}

BalCancel *
bal_cancel_new_without_signals (GError **error)
{
  sigset_t none;

  sigemptyset (&none);
  return new_for_fd (eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), &none, error);
}

void
bal_cancel_request (BalCancel *self)
{
  guint64 one = 1;

  /* Fails only when it was requested 2^64 - 1 times. */
  if (write (self->fd, &one, sizeof one) < 0)
    return;
}

void
bal_cancel_free (BalCancel *self)
{
  close (self->fd);
  g_free (self);
}

void
bal_cancel_disarm (BalCancel *self)
{
  pthread_sigmask (SIG_UNBLOCK, &self->signals, NULL);
}

void
bal_cancel_arm (BalCancel *self)
{
  pthread_sigmask (SIG_BLOCK, &self->signals, NULL);
}

gboolean
bal_cancel_wait (BalCancel *self, guint wait_ms)
{
  struct pollfd poll_fd = {.fd = self->fd, .events = POLLIN};

  if (!self->requested)
    self->requested = poll (&poll_fd, 1, (int)MIN (wait_ms, G_MAXINT)) > 0;
  return self->requested;
}

void
bal_cancel_wait_fd (BalCancel *self, int fd, guint wait_ms)
{
  struct pollfd poll_fds[] = {
    {.fd = fd, .events = POLLIN},
    {.fd = self->requested ? -1 : self->fd, .events = POLLIN},
  };

  if (poll (poll_fds, G_N_ELEMENTS (poll_fds), (int)MIN (wait_ms, G_MAXINT)) > 0)
    self->requested |= (poll_fds[1].revents & POLLIN) != 0;
}

gboolean
bal_cancel_requested (BalCancel *self)
{
  return bal_cancel_wait (self, 0);
}
