/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/child.h"

#include "guest-agent/privileges.h"
#include "guest-agent/proc-files.h"
#include "protocol/messages.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT_FD 3
#define OOM_SCORE_ADJ_MAX "1000"

/* All descriptors behind the standard ones are closed, the channel's first of all: a port can be
 * opened once only. */
static gboolean
keep_one_fd (int fd)
{
  if (fd < 0)
    return close_range (KEPT_FD, ~0u, 0) == 0;
  return dup2 (fd, KEPT_FD) >= 0 && close_range (KEPT_FD + 1, ~0u, 0) == 0;
}

/* The order matters: PR_SET_PDEATHSIG is about deaths to come, so the parent is looked at behind
 * it; credentials change before it, because a change may clear it (prctl(2)). */
static void G_GNUC_NORETURN
become_child (const char *root, const char *name, int fd, pid_t agent, BalChildFunc func)
{
  sigset_t none;

  sigemptyset (&none);
  if (!keep_one_fd (fd) || !bal_privileges_keep_lock_only ()
      || prctl (PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid () != agent
      || sigprocmask (SIG_SETMASK, &none, NULL) != 0)
    _exit (EXIT_FAILURE);
  prctl (PR_SET_NAME, name);
  func (root, fd < 0 ? -1 : KEPT_FD);
  _exit (EXIT_FAILURE);
}

/* "<agent's cgroup>/ballast-holder" below @root's cgroup2 mount, or NULL without cgroup2. */
static char *
child_cgroup (const char *root)
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
 * agent together with its children. In the root cgroup, whose folder root itself may not write, the
 * agent stays together with them. */
static void
enter_cgroup (const char *root, pid_t pid)
{
  g_autofree char *cgroup = child_cgroup (root);

  if (cgroup == NULL)
    return;
  g_autofree char *folder = bal_proc_path (root, cgroup);
  g_autofree char *procs = g_build_filename (cgroup, "cgroup.procs", NULL);
  g_autofree char *text = g_strdup_printf ("%d", (int)pid);

  if (g_mkdir (folder, 0755) == 0 || errno == EEXIST)
    bal_proc_write (root, procs, text, NULL);
}

void
bal_child_remove_cgroup (const char *root)
{
  g_autofree char *cgroup = child_cgroup (root);

  if (cgroup == NULL)
    return;
  g_autofree char *folder = bal_proc_path (root, cgroup);

  g_rmdir (folder);
}

static gboolean
make_first_victim (const char *root, pid_t pid, int *error_number)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/oom_score_adj", (int)pid);

  return bal_proc_write (root, path, OOM_SCORE_ADJ_MAX, error_number);
}

static pid_t
refuse (GError **error, const char *what, int error_number)
{
  g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_REFUSED,
               "%s: %s; nothing is held.", what, g_strerror (error_number));
  return -1;
}

pid_t
bal_child_spawn (const char *root, const char *name, int keep_fd, BalChildFunc func, GError **error)
{
  pid_t agent = getpid ();
  pid_t pid = fork ();
  int error_number = errno;

  if (pid == 0)
    become_child (root, name, keep_fd, agent, func);
  if (pid < 0)
    return refuse (error, "Cannot start the process that holds memory", error_number);
  if (!make_first_victim (root, pid, &error_number))
    {
      bal_child_end (pid);
      return refuse (
        error, "The process that holds memory cannot be made the first victim of the OOM killer",
        error_number);
    }
  enter_cgroup (root, pid);
  return pid;
}

void
bal_child_end (pid_t pid)
{
  kill (pid, SIGKILL);
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    ;
}
