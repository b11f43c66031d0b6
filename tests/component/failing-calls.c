/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that fail, for programs as they are; preloaded. FAIL_CALL names one, FAIL_AT says
 * which of its calls fails first (from 1 on), FAIL_TIMES how many do, FAIL_ERRNO how. A child
 * counts on from its parent's count.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int
fails (const char *name)
{
  static int calls;
  const char *wanted = getenv ("FAIL_CALL");

  if (wanted == NULL || strcmp (wanted, name) != 0)
    return 0;
  calls++;
  if (calls < atoi (getenv ("FAIL_AT"))
      || calls >= atoi (getenv ("FAIL_AT")) + atoi (getenv ("FAIL_TIMES")))
    return 0;
  errno = atoi (getenv ("FAIL_ERRNO"));
  return 1;
}

/* Of the library behind this one. */
#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))

pid_t
fork (void)
{
  return fails ("fork") ? -1 : REAL (fork) ();
}

/* To the kernel's network interfaces. */
int
socket (int domain, int type, int protocol)
{
  return domain == AF_NETLINK && fails ("netlink") ? -1 : REAL (socket) (domain, type, protocol);
}

int
socketpair (int domain, int type, int protocol, int fds[2])
{
  return fails ("socketpair") ? -1 : REAL (socketpair) (domain, type, protocol, fds);
}

int
pidfd_open (pid_t pid, unsigned int flags)
{
  return fails ("pidfd_open") ? -1 : REAL (pidfd_open) (pid, flags);
}

int
mlock2 (const void *address, size_t length, unsigned int flags)
{
  return fails ("mlock2") ? -1 : REAL (mlock2) (address, length, flags);
}

/* Of memory that is to be there at once; other advice is never refused. */
int
madvise (void *address, size_t length, int advice)
{
  return advice == MADV_POPULATE_WRITE && fails ("madvise")
           ? -1
           : REAL (madvise) (address, length, advice);
}

/* Of a child that reserves its region, or takes a piece of it. */
void *
mmap (void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
  return fd < 0 && (address != NULL || (flags & MAP_NORESERVE) != 0) && fails ("mmap")
           ? MAP_FAILED
           : REAL (mmap) (address, length, protection, flags, fd, offset);
}

int
fsync (int fd)
{
  return fails ("fsync") ? -1 : REAL (fsync) (fd);
}

ssize_t
send (int fd, const void *data, size_t length, int flags)
{
  return fails ("send") ? -1 : REAL (send) (fd, data, length, flags);
}
