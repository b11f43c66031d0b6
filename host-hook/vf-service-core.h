/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF service, inside: what its parts share (vf-service-*.c), and the seam at which tests put a
 * made-up libvirt.
 *
 * Two kinds of mutual exclusion. The lock is for ledger, inventory, configuration and NIC, and is
 * never held across a call to libvirt; hooks take it and nothing else. A claim is on a domain: who
 * has it is alone in telling libvirt what to do with the domain's ports and, hooks aside, in
 * changing its entries. It is taken before libvirt is asked what is the case, so that the answer
 * does not age meanwhile; nobody waits for a claim while holding the lock. While a VF's address is
 * on its way to libvirt the domain is marked as attaching: then not even a hook frees its VFs.
 *
 * Entries are good as long as the lock is held.
 */
#pragma once

#include "host-hook/vf-attach.h"
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
  guint detach_ms; /* how long a person waits for a guest: BAL_VF_DETACH_MS; tests have less time */

  GHashTable *claims;    /* UUIDs; under the lock, as the next two */
  GHashTable *attaching; /* UUIDs */
  GHashTable *parked;    /* UUID -> gint64, monotonic: since when nothing has held it */
  GCond unclaimed;

  GMutex connection_lock; /* for the next two alone */
  virConnectPtr connection;
  const BalVfLibvirt *stand_in; /* a test's, in place of the connection */
};

/* --- with the lock held --- */

/* What reservations are made from. */
BalVfHost bal_vf_service_host (BalVfService *self);

/* Reads inventory and settings anew. On failure the old ones stay. Settings that cannot be read are
 * logged, and not known. */
gboolean bal_vf_service_look (BalVfService *self, GError **error);

/* Reserves. A refusal is looked into once more with a fresh look at what may have changed. */
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

/* NULL: there is none. */
const BalVfEntry *bal_vf_service_find (BalVfService *self, const char *uuid, const char *port);

/* The same entry with another state and sentence (NULL: none); one that is the same already is not
 * written. */
gboolean bal_vf_service_put_state (
  BalVfService *self, const BalVfEntry *entry, BalVfState state, const char *why, GError **error);

/* --- without it --- */

/* Waits for the claim. */
void bal_vf_service_claim (BalVfService *self, const char *uuid);
gboolean bal_vf_service_try_claim (BalVfService *self, const char *uuid);
void bal_vf_service_unclaim (BalVfService *self, const char *uuid);

/* The port's entry as it is now; NULL: there is none. */
BalVfEntry *bal_vf_service_copy (BalVfService *self, const char *uuid, const char *port);

/* What speaks to libvirt now; a failure says that it is away. */
gboolean bal_vf_service_reach (BalVfService *self, BalVfLibvirt *out, GError **error);

/* The rest with the claim on the domain held. */

/* Says in the ledger that the domain has it, and that its live metadata asks for it. */
gboolean bal_vf_service_note_attached (BalVfService *self,
                                       const char *uuid,
                                       const char *port,
                                       GError **error);

/* Attaches a reserved port's VF, if the domain does not have it, and says so in live metadata and
 * ledger. On failure the entry is as it was, and the domain may have the VF. */
gboolean bal_vf_service_attach (BalVfService *self,
                                const BalVfLibvirt *libvirt,
                                const char *uuid,
                                const char *port,
                                GError **error);

/* Goes on with the release of a port that is marked so: takes it out of the live metadata,
 * detaches, puts back and frees. @standing: the domain's. */
gboolean bal_vf_service_finish (BalVfService *self,
                                const BalVfLibvirt *libvirt,
                                const BalVfStanding *standing,
                                const char *uuid,
                                const char *port,
                                guint wait_ms,
                                GError **error);

/* Ends the release of a port whose VF is not to be touched: out of live metadata and ledger. */
gboolean bal_vf_service_drop (BalVfService *self,
                              const BalVfLibvirt *libvirt,
                              const BalVfStanding *standing,
                              const char *uuid,
                              const char *port,
                              GError **error);

G_END_DECLS
