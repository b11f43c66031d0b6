/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-lock.h"

#include "host-hook/file-io.h"

#include <errno.h>
#include <fcntl.h>

#define LOCK_FOLDER "/run/ballast/locks"
#define POLL_INTERVAL_MS 50

/* As the kernel tells it, with its newline. */
#define DAEMON_COMM "ballastd\n"
#define COMM_MAX_BYTES 64

/* Two bytes of the file. The first one is the lock, by open file description: it belongs to the
 * descriptor and is not lost when another descriptor of this process is closed. The second one has
 * a process lock, only because F_GETLK names the pid of such a one. Neither needs the byte to
 * exist. */
enum
{
  OWNER_BYTE = 0,
  PID_BYTE = 1,
};

G_DEFINE_QUARK (bal_domain_lock_error, bal_domain_lock_error)

struct _BalDomainLock
{
  int fd;
};

void
bal_domain_lock_free (BalDomainLock *self)
{
  g_close (self->fd, NULL);
  g_free (self);
}

static struct flock
write_lock_of (off_t byte)
{
  return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static pid_t
find_owner (int fd)
{
  struct flock lock = write_lock_of (PID_BYTE);
  if (fcntl (fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK || lock.l_pid < 0)
    return 0;
  return lock.l_pid;
}

static void
set_busy (GError **error, const char *uuid, pid_t owner_pid)
{
  if (owner_pid > 0)
    g_set_error (
      error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY,
      "Process %d is releasing or restoring the memory of domain %s; nothing was touched",
      (int)owner_pid, uuid);
  else
    g_set_error (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY,
                 "Another process is releasing or restoring the memory of domain %s; nothing was "
                 "touched",
                 uuid);
}

BalDomainLock *
bal_domain_lock_try (const char *root, const char *uuid, pid_t *owner_pid, GError **error)
{
  g_return_val_if_fail (g_uuid_string_is_valid (uuid), NULL);
  g_autofree char *folder = bal_root_path (root, LOCK_FOLDER);
  g_autofree char *path = g_build_filename (folder, uuid, NULL);
  if (!bal_make_folder (folder, 0700, error))
    return NULL;
  BAL_AUTO_FD fd = bal_open (path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, error);
  if (fd < 0)
    return NULL;

  struct flock lock = write_lock_of (OWNER_BYTE);
  if (fcntl (fd, F_OFD_SETLK, &lock) < 0)
    {
      if (errno != EAGAIN && errno != EACCES)
        {
          int code = errno;
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "Cannot lock %s: %s", path,
                       g_strerror (code));
          return NULL;
        }
      pid_t owner = find_owner (fd);
      set_busy (error, uuid, owner);
      if (owner_pid != NULL)
        *owner_pid = owner;
      return NULL;
    }

  /* It only informs: without it the lock is as good. */
  lock = write_lock_of (PID_BYTE);
  fcntl (fd, F_SETLK, &lock);
  BalDomainLock *self = g_new0 (BalDomainLock, 1);
  self->fd = fd;
  fd = -1;
  return self;
}

static gboolean
is_daemon (const char *root, pid_t pid)
{
  g_autofree char *name = g_strdup_printf ("/proc/%d/comm", (int)pid);
  g_autofree char *path = bal_root_path (root, name);
  g_autofree char *comm = pid > 0 ? bal_read_file (path, COMM_MAX_BYTES, NULL, NULL) : NULL;
  return g_strcmp0 (comm, DAEMON_COMM) == 0;
}

/* TRUE when it was cancelled. */
static gboolean
pause_once (BalCancel *cancel)
{
  if (cancel != NULL)
    return bal_cancel_wait (cancel, POLL_INTERVAL_MS);
  g_usleep (POLL_INTERVAL_MS * 1000);
  return FALSE;
}

BalDomainLock *
bal_domain_lock_take (const char *root, const char *uuid, BalCancel *cancel, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + BAL_DOMAIN_LOCK_PATIENCE_MS * 1000;
  for (;;)
    {
      g_autoptr (GError) failure = NULL;
      pid_t owner_pid = 0;
      BalDomainLock *lock = bal_domain_lock_try (root, uuid, &owner_pid, &failure);
      if (lock != NULL)
        return lock;
      if (!is_daemon (root, owner_pid) || g_get_monotonic_time () >= end_us || pause_once (cancel))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return NULL;
        }
    }
}
