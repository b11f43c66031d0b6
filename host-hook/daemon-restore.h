/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How ballastd gives a domain its memory back, at either end of a migration: by the journal, by the
 * domain's own metadata, and of one that has just come from elsewhere also what its agent holds.
 *
 * It blocks, some seconds while a job holds the domain, and some more while the guest takes its
 * memory.
 *
 * Ownership: borrows what it points to. Failure: one sentence; something is or may be released
 * still, and it is worth another try.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/job.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  virConnectPtr connection;
  const char *uuid;
  gboolean has_just_arrived; /* from elsewhere: of what is released there is no record here */
} BalDaemonRestore;

gboolean bal_daemon_restore_run (const BalDaemonRestore *self, GError **error);

G_END_DECLS
