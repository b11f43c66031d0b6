/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Status folder: libvirt keeps a file about each running domain in /run/libvirt/qemu, rewritten
 * whenever a job begins, changes phase or ends, and read by libvirt itself across its upgrades. It
 * is the only sign on a source host that a migration begins: there is neither a hook nor an event
 * before memory flows. It serves as a wake-up only; what really goes on is asked of libvirt.
 *
 * Files are replaced by rename, so each one is read whole.
 *
 * Ownership: the creator frees it; names passed to the callback are lent. Failure: only
 * bal_status_folder_new(): G_IO_ERROR with one sentence. A folder that does not exist yet (libvirtd
 * was never started) is made by libvirt later: try again then.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_STATUS_FOLDER "/run/libvirt/qemu"

typedef enum
{
  BAL_STATUS_GONE,    /* there is no file: the domain is off, or gone */
  BAL_STATUS_NO_JOB,  /* no job holds it */
  BAL_STATUS_BUSY,    /* a job holds it that is none of ours */
  BAL_STATUS_LEAVING, /* a migration away from here has begun */
} BalStatusKind;

typedef struct
{
  BalStatusKind kind;
  char *uuid;            /* NULL with BAL_STATUS_GONE */
  gboolean has_agent;    /* the domain has the agent's channel ... */
  gboolean has_window;   /* ... and the window tag */
  gboolean lacks_memory; /* a virtio-mem device has less than libvirt asked for */
} BalStatus;

typedef struct _BalStatusFolder BalStatusFolder;

/* @name: the domain's name; @status is lent. */
typedef void (*BalStatusFunc) (const char *name, const BalStatus *status, gpointer user_data);

/* Calls @func from the default main context whenever a file changes. A burst of changes of one
 * domain may be told as one. */
BalStatusFolder *
bal_status_folder_new (const char *root, BalStatusFunc func, gpointer user_data, GError **error);
void bal_status_folder_free (BalStatusFolder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalStatusFolder, bal_status_folder_free)

/* Tells of every file that is there, and of every one that is not any more, at once: at the
 * beginning, and whenever events may be lost. */
void bal_status_folder_rescan (BalStatusFolder *self);

/* FALSE once the folder is gone (libvirt was removed and installed again): then nothing is told any
 * more, and a new watch is needed. */
gboolean bal_status_folder_works (const BalStatusFolder *self);

/* What the text of one status file says; @out->uuid is the caller's. FALSE when it is not one. */
gboolean bal_status_parse (const char *text, BalStatus *out);

G_END_DECLS
