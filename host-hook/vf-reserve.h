/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF reservation: a request's way into the ledger. Inventory and ledger alone are asked, never
 * libvirt, which may be waiting for the answer.
 *
 * Idempotent: a port that has its VF keeps it, and the reservation's time begins anew; an incoming
 * domain asks twice, and a host that booted asks for what it had before. What the inventory says of
 * the VF and of the PF's link is looked at once more before it counts.
 *
 * No setting is made here: see vf-settings.h.
 *
 * Ownership: the entry belongs to the ledger's book and is good until the next change. Failure: the
 * errors of vf-allocate.h and vf-ledger.h, nothing reserved.
 */
#pragma once

#include "host-hook/vf-allocate.h"
#include "host-hook/vf-ledger.h"

G_BEGIN_DECLS

/* What time it is: of the boot, because the host's clock is set when it likes. */
typedef struct
{
  gint64 boottime_us; /* CLOCK_BOOTTIME */
  char boot_id[37];
} BalVfClock;

/* Fails with G_IO_ERROR or BAL_PROCESS_ERROR when the boot id cannot be read. */
gboolean bal_vf_clock_read (const char *root, BalVfClock *out, GError **error);

/* What reservations are made from; all borrowed. */
typedef struct
{
  const char *root;
  const BalVfConfig *config;
  BalVfInventory *inventory; /* mended where a second look says otherwise */
  BalVfLedger *ledger;
} BalVfHost;

/* A port that is there already keeps its VF, unless that is gone, or is not attached and somebody
 * else has it by now: then it gets another. @home_node as for bal_vf_allocate(). */
const BalVfEntry *bal_vf_reserve (const BalVfHost *host,
                                  const BalVfClock *clock,
                                  const BalVfRequest *request,
                                  gboolean from_metadata,
                                  int home_node,
                                  GError **error);

G_END_DECLS
