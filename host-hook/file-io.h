/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File I/O: a wrapper per system call that fills a GError (G_IO_ERROR, code by errno) with one
 * sentence naming the path, and durable writing made of them.
 *
 * Interrupted calls are started again. Descriptors are opened with O_CLOEXEC.
 * Ownership: descriptors and strings returned are the caller's.
 */
#pragma once

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/types.h>

G_BEGIN_DECLS

static inline void
bal_fd_cleanup (int *fd)
{
  if (*fd >= 0)
    g_close (*fd, NULL);
}

/* A descriptor that is closed when it goes out of scope; for one that was written to, close with
 * g_close() where the error can be told. */
#define BAL_AUTO_FD __attribute__ ((cleanup (bal_fd_cleanup))) int

/* @path below @root; @root "/", "" and NULL are the real root. The caller's. */
char *bal_root_path (const char *root, const char *path);

int bal_open (const char *path, int flags, mode_t mode, GError **error);

/* Bytes read, 0 at the end, -1 with @error. @path is for the error only. */
gssize bal_read (int fd, void *buffer, gsize length_bytes, const char *path, GError **error);
gssize bal_pread (
  int fd, void *buffer, gsize length_bytes, guint64 offset, const char *path, GError **error);
gboolean
bal_write_all (int fd, const void *data, gsize length_bytes, const char *path, GError **error);
gboolean bal_fsync (int fd, const char *path, GError **error);
gboolean bal_rename (const char *from, const char *to, GError **error);
gboolean bal_unlink (const char *path, GError **error);

/* Makes the folder and those above it. Those that exist stay as they are. */
gboolean bal_make_folder (const char *path, mode_t mode, GError **error);

/* A whole file, NUL-terminated; one longer than @max_bytes is an error (G_IO_ERROR_INVALID_DATA),
 * so that a file of somebody else's costs little. Works for /proc. @length_bytes may be NULL. */
char *bal_read_file (const char *path, gsize max_bytes, gsize *length_bytes, GError **error);

/* Replaces <folder>/<name> by @data so that after success, and after a power cut at any time, the
 * file holds either its old content or the new one, and after success the new one: temporary file,
 * fsync, rename, fsync of the folder. On failure the old content is there still, unless only the
 * last step failed; the temporary file (".<name>.tmp-...") is removed. */
gboolean bal_write_durably (const char *folder,
                            const char *name,
                            const void *data,
                            gsize length_bytes,
                            mode_t mode,
                            GError **error);

/* Removes the file so that it stays removed after a power cut. A file that is not there is fine. */
gboolean bal_remove_durably (const char *folder, const char *name, GError **error);

G_END_DECLS
