/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-listen.h"

#include "host-hook/daemon-message.h"
#include "host-hook/file-io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_PATH BAL_DAEMON_FOLDER "/ballastd.lock"

struct _BalDaemonListener
{
  char *path;
  int lock_fd;
  int fd;
};

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int code = errno;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s %s: %s", what, path,
               g_strerror (code));
  return FALSE;
}

/* NB: whatever made the folder first may have had other ideas of its mode. */
static gboolean
make_run_folder (const char *root, GError **error)
{
  g_autofree char *folder = bal_root_path (root, BAL_DAEMON_FOLDER);
  if (!bal_make_folder (folder, 0755, error))
    return FALSE;
  return chmod (folder, 0755) == 0 || fail (error, "Cannot set the mode of", folder);
}

int
bal_daemon_lock (const char *root, GError **error)
{
  g_autofree char *path = bal_root_path (root, LOCK_PATH);
  if (!make_run_folder (root, error))
    return -1;
  BAL_AUTO_FD fd = bal_open (path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, error);
  if (fd < 0)
    return -1;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
    {
      int locked = fd;
      fd = -1;
      return locked;
    }
  if (errno != EAGAIN && errno != EACCES)
    fail (error, "Cannot lock", path);
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "Another ballastd runs: it holds %s and was left alone", path);
  return -1;
}

/* Only under the lock. */
static gboolean
remove_stale (const char *path, GError **error)
{
  struct stat status;
  if (lstat (path, &status) < 0)
    return errno == ENOENT || fail (error, "Cannot look at", path);
  if (S_ISSOCK (status.st_mode))
    return bal_unlink (path, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
               "Cannot listen on %s: something that is no socket is there and was left alone",
               path);
  return FALSE;
}

/* NB: nobody can connect before listen(), so that the mode is in time. */
static gboolean
listen_on (BalDaemonListener *self, const char *path, GError **error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy (address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return fail (error, "Cannot listen on", path);
    }
  self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->fd < 0 || bind (self->fd, (const struct sockaddr *)&address, sizeof address) < 0)
    return fail (error, "Cannot listen on", path);
  self->path = g_strdup (path);
  return (chmod (path, 0600) == 0 && listen (self->fd, SOMAXCONN) == 0)
         || fail (error, "Cannot listen on", path);
}

BalDaemonListener *
bal_daemon_listener_new (const char *root, GError **error)
{
  g_autofree char *path = bal_root_path (root, BAL_DAEMON_SOCKET);
  g_autoptr (BalDaemonListener) self = g_new0 (BalDaemonListener, 1);
  self->fd = -1;
  self->lock_fd = bal_daemon_lock (root, error);
  if (self->lock_fd < 0 || !remove_stale (path, error) || !listen_on (self, path, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* The file goes before the lock does: it might be the next daemon's otherwise. */
void
bal_daemon_listener_free (BalDaemonListener *self)
{
  if (self->path != NULL)
    unlink (self->path);
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  if (self->lock_fd >= 0)
    g_close (self->lock_fd, NULL);
  g_free (self->path);
  g_free (self);
}

int
bal_daemon_listener_fd (const BalDaemonListener *self)
{
  return self->fd;
}
