/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In place of functions of the C library's whose system calls Valgrind 3.19 does not know;
 * preloaded.
 *
 * A pidfd is the reading end of a pipe whose other end a shell has for as long as the process
 * lives. It is nobody's child, so that it is not counted or waited for as one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 1024

extern char **environ;

static pid_t pids[DESCRIPTORS];

#define WATCH                                                                                      \
  "(while [ -d /proc/$0 ] && ! grep -q '^State:.*Z' /proc/$0/status; do sleep 0.02; done) &"

int
pidfd_open (pid_t pid, unsigned int flags)
{
  char number[16];
  char *arguments[] = {(char *)"sh", (char *)"-c", (char *)WATCH, number, NULL};
  char *environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};
  int ends[2];
  pid_t shell;

  snprintf (number, sizeof number, "%d", (int)pid);
  if (pipe2 (ends, O_CLOEXEC) != 0)
    return -1;
  fcntl (ends[1], F_SETFD, 0);
  errno = posix_spawn (&shell, "/bin/sh", NULL, NULL, arguments, environment);
  close (ends[1]);
  if (errno != 0 || ends[0] >= DESCRIPTORS)
    {
      close (ends[0]);
      return -1;
    }
  waitpid (shell, NULL, 0);
  pids[ends[0]] = pid;
  return ends[0];
}

int
pidfd_send_signal (int pidfd, int signal_number, siginfo_t *info, unsigned int flags)
{
  return kill (pids[pidfd], signal_number);
}

/* Takes now what would be taken when it is touched. */
int
mlock2 (const void *address, size_t length, unsigned int flags)
{
  return mlock (address, length);
}
