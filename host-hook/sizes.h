/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's movable sizes: its balloon and its virtio-mem devices, read and set by libvirt's
 * public API on the live domain only. The guest follows in its own time, or not at all; so setting
 * is one thing and waiting for it another.
 *
 * While a migration job holds the domain, setting fails after 30 s of waiting for the job, and what
 * the guest has is not brought up to date: virtio-mem devices can be reached by QMP then.
 *
 * Ownership: BalSize borrows what it points to. Failure: BAL_FAILURE with one sentence.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "host-hook/cancel.h"

G_BEGIN_DECLS

typedef struct
{
  virDomainPtr domain;
  const char *alias; /* of a virtio-mem device; NULL: the balloon */
  gboolean by_qmp;   /* never the balloon */
} BalSize;

/* "the balloon" or "virtio-mem device X", the caller's. */
char *bal_size_describe (const BalSize *self);

/* @requested_kib: what was asked for last (for the balloon libvirt does not tell, so that it is the
 * same as @actual_kib); @actual_kib: what the guest has. */
gboolean
bal_size_read (const BalSize *self, guint64 *requested_kib, guint64 *actual_kib, GError **error);

gboolean bal_size_set (const BalSize *self, guint64 kib, GError **error);

/* The most that the domain can have: <memory> for the balloon, a device's own size. */
gboolean bal_size_read_maximum (const BalSize *self, guint64 *maximum_kib, GError **error);

/* Called with each reading. */
typedef void (*BalSizeProgress) (guint64 actual_kib, gpointer data);

/* Waits until the guest has @target_kib, until it came hardly nearer for @stall_ms or is too slow
 * on the whole (see patience.h), or until @cancel (may be NULL). Gives the last reading in
 * *@actual_kib. */
gboolean bal_size_settle (const BalSize *self,
                          guint64 target_kib,
                          guint stall_ms,
                          BalCancel *cancel,
                          BalSizeProgress progress,
                          gpointer data,
                          guint64 *actual_kib,
                          GError **error);

G_END_DECLS
