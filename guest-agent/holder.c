/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's side of the holder: spawning, talking, ending. */
#include "guest-agent/holder.h"

#include "guest-agent/privileges.h"
#include "guest-agent/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDER_SOCKET_FD 3
#define OOM_SCORE_ADJ_MAX "1000"

static gboolean
refuse (GError **error, const char *what, int error_number)
{
  g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_REFUSED,
               "%s: %s; nothing is held.", what, g_strerror (error_number));
  return FALSE;
}

/* Runs in the child. The order matters: PR_SET_PDEATHSIG is about deaths to come, so the parent is
 * looked at behind it; credentials change before it, because a change may clear it (prctl(2)). */
static void G_GNUC_NORETURN
become_holder (const char *root, int socket_fd, pid_t agent)
{
  sigset_t none;

  sigemptyset (&none);
  if (dup2 (socket_fd, HOLDER_SOCKET_FD) < 0 || close_range (HOLDER_SOCKET_FD + 1, ~0u, 0) != 0
      || !bal_privileges_keep_lock_only () || prctl (PR_SET_PDEATHSIG, SIGKILL) != 0
      || getppid () != agent || sigprocmask (SIG_SETMASK, &none, NULL) != 0)
    _exit (EXIT_FAILURE);
  prctl (PR_SET_NAME, "ballast-holder");
  bal_holder_run (root, HOLDER_SOCKET_FD);
}

/* "<agent's cgroup>/ballast-holder" below @root's cgroup2 mount, or NULL without cgroup2. */
static char *
holder_cgroup (const char *root)
{
  g_autofree char *text = bal_proc_read (root, "/proc/self/cgroup", NULL);
  g_autofree char *controllers = bal_proc_path (root, "/sys/fs/cgroup/cgroup.controllers");
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;

  if (lines == NULL || !g_file_test (controllers, G_FILE_TEST_EXISTS))
    return NULL;
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "0::/"))
      return g_build_filename ("/sys/fs/cgroup", lines[i] + strlen ("0::"), "ballast-holder", NULL);
  return NULL;
}

/* Best effort: a cgroup of its own keeps whoever kills or limits a whole cgroup from hitting the
 * agent together with the holder. */
static void
enter_cgroup (const char *root, pid_t pid)
{
  g_autofree char *cgroup = holder_cgroup (root);

  if (cgroup == NULL)
    return;
  g_autofree char *folder = bal_proc_path (root, cgroup);
  g_autofree char *procs = g_build_filename (cgroup, "cgroup.procs", NULL);
  g_autofree char *text = g_strdup_printf ("%d", (int)pid);

  if (g_mkdir (folder, 0755) != 0 && errno != EEXIST)
    return;
  bal_proc_write (root, procs, text, NULL);
}

static void
remove_cgroup (const char *root)
{
  g_autofree char *cgroup = holder_cgroup (root);

  if (cgroup == NULL)
    return;
  g_autofree char *folder = bal_proc_path (root, cgroup);

  g_rmdir (folder);
}

static gboolean
make_first_victim (const char *root, pid_t pid, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/oom_score_adj", (int)pid);
  int error_number = 0;

  if (bal_proc_write (root, path, OOM_SCORE_ADJ_MAX, &error_number))
    return TRUE;
  return refuse (error,
                 "The process that holds memory cannot be made the first victim of the OOM killer",
                 error_number);
}

gboolean
bal_holder_spawn (const char *root, BalHolder *out, GError **error)
{
  pid_t agent = getpid ();
  BalHolder holder = {0};
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return refuse (error, "Cannot make a socket for the process that holds memory", errno);
  holder.pid = fork ();
  if (holder.pid == 0)
    become_holder (root, pair[1], agent);
  int saved = errno;
  close (pair[1]);
  holder.socket_fd = pair[0];
  if (holder.pid < 0)
    {
      close (pair[0]);
      return refuse (error, "Cannot start the process that holds memory", saved);
    }
  holder.pidfd = pidfd_open (holder.pid, 0);
  saved = errno;
  if (holder.pidfd >= 0 && make_first_victim (root, holder.pid, error))
    {
      enter_cgroup (root, holder.pid);
      *out = holder;
      return TRUE;
    }
  if (holder.pidfd < 0)
    refuse (error, "Cannot watch the process that holds memory", saved);
  kill (holder.pid, SIGKILL);
  bal_holder_reap (&holder, root, G_MAXINT, NULL);
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

  /* Without a pidfd the child was just killed by its parent, before it held anything. */
  if (self->pidfd >= 0 && !wait_readable (self->pidfd, timeout_ms))
    return FALSE;
  while (waitpid (self->pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (killed != NULL)
    *killed = WIFSIGNALED (status);
  if (self->pidfd >= 0)
    close (self->pidfd);
  close (self->socket_fd);
  remove_cgroup (root);
  *self = (BalHolder){0};
  return TRUE;
}
