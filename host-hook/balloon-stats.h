/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's balloon driver tells through libvirt (virDomainMemoryStats), for guests without
 * an agent and for remote hosts.
 *
 * The driver reports only while QEMU polls it. Where the domain's XML sets no <stats period> it is
 * set to one second for the reading and back to zero after it; that changes nothing in the guest.
 *
 * Ownership: none. Failure: FALSE without error: nobody answered in time.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

typedef struct
{
  guint64 free_bytes;  /* MemFree ("unused") */
  guint64 total_bytes; /* MemTotal ("available") */
  guint64 rss_bytes;   /* of QEMU; 0 when libvirt does not say */
} BalBalloonStats;

/* @has_period: the domain polls by itself. Waits for a fresh report at most @timeout_ms. */
gboolean bal_balloon_stats_read (virDomainPtr domain,
                                 gboolean has_period,
                                 guint timeout_ms,
                                 BalBalloonStats *out);

G_END_DECLS
