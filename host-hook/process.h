/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes: which QEMU runs a domain, since when, and how much memory the host gives it.
 *
 * A process is named by pid and start time together (an incarnation), so that a pid that was used
 * again is never taken for the old process. All paths are below @root ("/" in production).
 *
 * Ownership: nothing here keeps anything. Failure: BAL_PROCESS_ERROR with one sentence (the boot
 * id: also G_IO_ERROR); output is then left untouched.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

#define BAL_PROCESS_ERROR (bal_process_error_quark ())
GQuark bal_process_error_quark (void);

typedef enum
{
  BAL_PROCESS_ERROR_GONE,    /* no such process, or its pid is another one's now */
  BAL_PROCESS_ERROR_INVALID, /* a file that does not hold what the kernel or libvirt writes */
  BAL_PROCESS_ERROR_DENIED,  /* exists, but may not be read */
} BalProcessError;

typedef struct
{
  pid_t pid;           /* 0: not known */
  guint64 start_ticks; /* proc(5) stat field 22: clock ticks after boot */
} BalIncarnation;

gboolean bal_incarnation_equal (const BalIncarnation *a, const BalIncarnation *b);

/* "<pid>-<start>", the caller's. */
char *bal_incarnation_to_string (const BalIncarnation *self);
gboolean bal_incarnation_from_string (const char *text, BalIncarnation *out);

/* The process of @pid as it is now. */
gboolean bal_process_incarnation (const char *root, pid_t pid, BalIncarnation *out, GError **error);

/* TRUE when just this process is still there (a zombie is not). FALSE also when that cannot be told
 * because /proc/<pid>/stat is unreadable, which the kernel never does to root. */
gboolean bal_process_is_alive (const char *root, const BalIncarnation *self);

/* The QEMU of a domain: /run/libvirt/qemu/<name>.pid (monolithic and modular daemons alike), whose
 * command line must hold `-uuid @uuid`, so that a stale pid file cannot mislead. */
gboolean bal_process_find_qemu (
  const char *root, const char *name, const char *uuid, BalIncarnation *out, GError **error);

/* /proc/<pid>/status, in bytes. The kernel batches RSS counters per thread, so that they may be off
 * by some hundred KiB. */
typedef struct
{
  guint64 rss_bytes; /* anon + file + shmem; hugetlb is not in it */
  guint64 rss_anon_bytes;
  guint64 rss_shmem_bytes;
  guint64 swap_bytes; /* of private anonymous memory only: swapped shmem is not counted */
  guint64 hugetlb_bytes;
} BalProcessMemory;

gboolean bal_process_memory (const char *root,
                             const BalIncarnation *process,
                             BalProcessMemory *out,
                             GError **error);

/* /proc/sys/kernel/random/boot_id of this host, the caller's. */
char *bal_host_boot_id (const char *root, GError **error);

G_END_DECLS
