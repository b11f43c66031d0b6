/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF service, inside: what its parts share (vf-service-*.c), and the seam at which tests put a
 * made-up libvirt.
 *
 * Two kinds of mutual exclusion. The lock is for ledger, inventory, configuration and NIC, and is
 * never held across a call to libvirt; hooks take it and nothing else. A claim is on a domain: who
 * has it is alone in telling libvirt what to do with the domain's ports, and, `end` of a hook
 * aside, in changing its entries. A claim is taken before libvirt is asked what is the case, so
 * that the answer does not age meanwhile; nobody waits for a claim while holding the lock.
 *
 * Entries are good as long as the lock is held.
 */
#pragma once

#include "host-hook/vf-netlink.h"
#include "host-hook/vf-port.h"
#include "host-hook/vf-service.h"

G_BEGIN_DECLS

struct _BalVfService
{
  char *root;
  char *config_path; /* NULL: the default, which need not be there */

  GMutex lock;
  BalVfConfig config;
  BalVfInventory *inventory;
  gint64 looked_us; /* monotonic: when the inventory was read */
  BalVfLedger *ledger;
  BalVfNetlink *netlink; /* NULL: a NIC was given */
  BalVfNic nic;

  GHashTable *claims; /* UUIDs; under the lock */
  GCond unclaimed;
};

/* --- with the lock held --- */

/* What reservations are made from. */
BalVfHost bal_vf_service_host (BalVfService *self);

/* Reads inventory and settings anew. On failure the old ones stay. Settings that cannot be read are
 * logged, and not known. */
gboolean bal_vf_service_look (BalVfService *self, GError **error);

/* Reserves, and makes the settings. A refusal is looked into once more with a fresh inventory. */
const BalVfEntry *bal_vf_service_reserve (BalVfService *self,
                                          const BalVfRequest *request,
                                          gboolean from_metadata,
                                          int home_node,
                                          GError **error);

/* bal_vf_port_set_up() and bal_vf_port_tear_down() with what the service has. */
gboolean
bal_vf_service_set_up (BalVfService *self, const char *uuid, const char *port, GError **error);
gboolean
bal_vf_service_tear_down (BalVfService *self, const char *uuid, const char *port, GError **error);

/* Says in the ledger that all of the domain's ports (@port NULL), or this one, are being released.
 */
gboolean bal_vf_service_mark_releasing (BalVfService *self,
                                        const char *uuid,
                                        const char *port,
                                        GError **error);

gboolean bal_vf_service_is_claimed (BalVfService *self, const char *uuid);

/* --- without it --- */

/* Waits for the claim. */
void bal_vf_service_claim (BalVfService *self, const char *uuid);
void bal_vf_service_unclaim (BalVfService *self, const char *uuid);

G_END_DECLS
