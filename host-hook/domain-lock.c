/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define LOCK_FOLDER "/run/ballast/locks"

G_DEFINE_QUARK (bal-domain-lock-error-quark, bal_domain_lock_error)

struct _BalDomainLock
{
  int fd;
};

static void
fail_io (GError **error, const char *uuid, int saved_errno)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
               "Cannot lock domain %s: %s, nothing was touched", uuid, g_strerror (saved_errno));
}

static int
open_file (const char *root, const char *uuid, GError **error)
{
  g_autofree char *folder = g_strconcat (root, LOCK_FOLDER, NULL);
  g_autofree char *path = g_build_filename (folder, uuid, NULL);
  int fd = -1;

  if (g_mkdir_with_parents (folder, 0700) == 0)
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    fail_io (error, uuid, errno);
  return fd;
}

/* An open file description lock has no pid of its own, so the owner writes its pid into the file. */
static pid_t
read_owner (int fd)
{
  char text[32] = {0};
  guint64 pid;

  if (pread (fd, text, sizeof text - 1, 0) <= 0
      || !g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, G_MAXINT, &pid, NULL))
    return 0;
  return (pid_t) pid;
}

static void
write_owner (int fd)
{
  g_autofree char *text = g_strdup_printf ("%d\n", (int) getpid ());

  /* Only for people to read: a lock without it is a lock all the same. */
  if (ftruncate (fd, 0) == 0 && pwrite (fd, text, strlen (text), 0) < 0)
    g_debug ("cannot write the owner of a lock: %s", g_strerror (errno));
}

BalDomainLock *
bal_domain_lock_try (const char *root, const char *uuid, pid_t *owner_pid, GError **error)
{
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = open_file (root, uuid, error);
  BalDomainLock *self;

  if (fd < 0)
    return NULL;
  if (fcntl (fd, F_OFD_SETLK, &lock) < 0)
    {
      int saved_errno = errno;
      pid_t owner = read_owner (fd);

      close (fd);
      if (saved_errno != EAGAIN && saved_errno != EACCES)
        {
          fail_io (error, uuid, saved_errno);
          return NULL;
        }
      if (owner_pid)
        *owner_pid = owner;
      g_set_error (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY,
                   "Domain %s is being worked on by process %d, nothing was touched", uuid,
                   (int) owner);
      return NULL;
    }
  write_owner (fd);
  self = g_new (BalDomainLock, 1);
  self->fd = fd;
  return self;
}

void
bal_domain_lock_free (BalDomainLock *self)
{
  close (self->fd);
  g_free (self);
}
