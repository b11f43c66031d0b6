/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of /proc and /sys below a root.
 *
 * @root is "" for the running kernel; tests pass a folder that holds proc/ and sys/.
 * Ownership: strings returned are the caller's.
 * Failure: G_FILE_ERROR, with the path in the sentence.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @path begins with '/'. */
char *bal_proc_path (const char *root, const char *path);

/* Opens close-on-exec. Gives the descriptor, or -1. */
int bal_proc_open (const char *root, const char *path, int flags, GError **error);

/* The whole text of a file that the kernel makes up when it is read (no size in its inode). */
char *bal_proc_read (const char *root, const char *path, GError **error);

/* Writes @text by one write(), as the kernel's control files want it. With FALSE *@error_number
 * (may be NULL) is the errno of the write() or of the open(). */
gboolean bal_proc_write (const char *root, const char *path, const char *text, int *error_number);

/* A file that holds one decimal integer. */
gboolean bal_proc_read_integer (const char *root, const char *path, gint64 *out, GError **error);

/* The number behind @key in the lines of @text ("MemFree:   12 kB", "pswpout 7"; the colon belongs
 * to the key). FALSE when no line begins with @key followed by blanks and a number. */
gboolean bal_proc_find_number (const char *text, const char *key, guint64 *out);

/* Sum of the numbers of all lines that begin with @prefix ("allocstall_" of /proc/vmstat). */
guint64 bal_proc_sum_numbers (const char *text, const char *prefix);

/* /proc/meminfo's @key in bytes; 0 when there is no such line, as kernels built without a feature
 * leave it out. */
guint64 bal_meminfo_bytes (const char *meminfo, const char *key);

G_END_DECLS
