/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF service, inside: what its parts share (vf-service-*.c), and the seam at which tests put a
 * made-up libvirt.
 *
 * Two kinds of mutual exclusion. The lock is for ledger, inventory, configuration and NIC, and is
 * never held across a call to libvirt, nor across a look at all of the host; hooks take it and
 * nothing else that others keep for long. Such a look is taken by one thread at a time, with the
 * look lock, which goes before the lock, and what it found is then put in the inventory's place. A
 * claim is on a domain: who has it is alone in telling libvirt what to do with the domain's ports
 * and, hooks aside, in changing its entries. It is taken before libvirt is asked what is the case,
 * so that the answer does not age meanwhile; nobody waits for a claim while holding the lock. While
 * a VF's address is on its way to libvirt the domain is marked as attaching: then not even a hook
 * frees its VFs.
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

  GMutex look_lock; /* for the next three; and the configuration is changed with both locks */
  BalVfNetlink *look_netlink; /* NULL: a NIC was given */
  BalVfNic look_nic;
  GHashTable *unmade; /* PCI addresses of PFs whose VFs could not be made */

  GMutex lock;
  BalVfConfig config;
  BalVfInventory *inventory;
  gint64 look_began_us; /* monotonic: of the look that found it */
  gint64 looked_us;     /* when that ended */
  GHashTable *changed;  /* VF's PCI address -> gint64, monotonic: when its settings changed */
  BalVfLedger *ledger;
  BalVfNetlink *netlink; /* NULL: a NIC was given */
  BalVfNic nic;
  guint detach_ms; /* how long a person waits for a guest; tests have less time */
  guint link_ms;   /* how long a domain that starts waits for a PF's link */

  guint claim_ms;        /* how long one operation on a domain waits for another */
  GHashTable *claims;    /* UUIDs; under the lock, as the next three */
  GHashTable *again;     /* UUIDs of those to be settled by who has the claim */
  GHashTable *attaching; /* UUIDs */
  GHashTable *parked;    /* UUID -> gint64, monotonic: since when nothing has held it */
  GCond unclaimed;

  GMutex connection_lock; /* for the next two alone */
  virConnectPtr connection;
  const BalVfLibvirt *stand_in; /* a test's, in place of the connection */
};

/* A line in ballastd's log, with the fields that all lines about a VF have: what has become of the
 * port's VF, such as "attached". With the lock or without. */
void bal_vf_service_log (const BalVfEntry *entry, const char *what);

/* --- with the lock held --- */

/* What reservations are made from. */
BalVfHost bal_vf_service_host (BalVfService *self);

/* Reserves. A refusal is looked into once more with a fresh look at what may have changed; the lock
 * is let go for that. */
const BalVfEntry *bal_vf_service_reserve (BalVfService *self,
                                          const BalVfRequest *request,
                                          gboolean from_metadata,
                                          int home_node,
                                          GError **error);

/* bal_vf_port_set_up() and bal_vf_port_tear_down() with what the service has; and the entry removed
 * with the NIC left alone: the VF is somebody else's, or the settings went with an earlier boot.
 * What is free then is logged. */
gboolean
bal_vf_service_set_up (BalVfService *self, const char *uuid, const char *port, GError **error);
gboolean
bal_vf_service_tear_down (BalVfService *self, const char *uuid, const char *port, GError **error);
gboolean
bal_vf_service_let_go (BalVfService *self, const char *uuid, const char *port, GError **error);

/* Says in the ledger that all of the domain's ports (@port NULL), or this one, are being released.
 */
gboolean bal_vf_service_mark_releasing (BalVfService *self,
                                        const char *uuid,
                                        const char *port,
                                        GError **error);

/* What an earlier run of the domain has left, of which nobody heard that it had ended, is marked so
 * unless @requests (of BalVfRequest) ask for it again just so. */
gboolean bal_vf_service_release_others (BalVfService *self,
                                        const char *uuid,
                                        const GArray *requests,
                                        GError **error);

/* Frees what is being released of a domain that does not run, for which it waits a little and lets
 * the lock go meanwhile. Behind it the ports that are still being released say why. */
void bal_vf_service_await_releases (BalVfService *self, const char *uuid);

/* NULL: there is none. */
const BalVfEntry *bal_vf_service_find (BalVfService *self, const char *uuid, const char *port);

/* The same entry with another state and sentence (NULL: none); one that is the same already is not
 * written. */
gboolean bal_vf_service_put_state (
  BalVfService *self, const BalVfEntry *entry, BalVfState state, const char *why, GError **error);

/* --- without it --- */

/* Reads inventory and settings anew, and makes VFs where some are wanted and there are none. On
 * failure the old ones stay. Settings that cannot be read are logged, and not known. */
gboolean bal_vf_service_look (BalVfService *self, GError **error);

/* The host and the ledger at one time, for who has much to read: all of it is the caller's. */
typedef struct
{
  BalVfInventory *inventory;
  BalVfBook *book;
  gint64 began_us;
} BalVfStock;

/* A fresh look; it is to be put back, and then serves all. */
gboolean bal_vf_service_take_stock (BalVfService *self, BalVfStock *out, GError **error);
void bal_vf_service_put_stock (BalVfService *self, BalVfStock *stock);

/* The claim on a domain, if nobody has it; or a mark besides, upon which who has it settles the
 * domain when he gives it up. */
gboolean bal_vf_service_try_claim (BalVfService *self, const char *uuid);
gboolean bal_vf_service_claim_or_mark (BalVfService *self, const char *uuid);
void bal_vf_service_unclaim (BalVfService *self, const char *uuid);

typedef gboolean (*BalVfOperation) (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error);

/* Does it with the claim on the domain. BAL_VF_ERROR_CONFLICT: others have it for too long. */
gboolean bal_vf_service_operate (
  BalVfService *self, const char *uuid, BalVfOperation operation, gpointer data, GError **error);

typedef gboolean (*BalVfPortOperation) (BalVfService *self,
                                        const BalVfLibvirt *libvirt,
                                        const BalVfEntry *entry,
                                        gconstpointer data,
                                        GError **error);

/* Does it with each of @entries (copies), whatever becomes of one; the error is the first. */
gboolean bal_vf_service_do_each (BalVfService *self,
                                 const BalVfLibvirt *libvirt,
                                 const GPtrArray *entries,
                                 BalVfPortOperation operation,
                                 gconstpointer data,
                                 GError **error);

/* The port's entry as it is now; NULL: there is none. */
BalVfEntry *bal_vf_service_copy (BalVfService *self, const char *uuid, const char *port);

/* Of one domain, or with NULL of all; of BalVfEntry, oldest first. */
GPtrArray *bal_vf_service_copy_all (BalVfService *self, const char *uuid);

/* What speaks to libvirt now; a failure says that it is away. */
gboolean bal_vf_service_reach (BalVfService *self, BalVfLibvirt *out, GError **error);

/* The rest with the claim on the domain held. */

/* Says in the ledger, and where that is new in the log, that the domain has it, and that its live
 * metadata asks for it. */
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

/* Takes the port out of the live metadata. Metadata that cannot be read is left, with a line in the
 * log: that is no reason to leave the guest the VF. */
gboolean bal_vf_service_forget_live (const BalVfLibvirt *libvirt,
                                     const BalVfRequest *request,
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

/* One round of settling about a domain. @others: all active domains (BalVfDomain), a little older;
 * NULL: libvirt is asked for them when a VF is to be freed. TRUE when the domain was busy. */
gboolean bal_vf_service_settle_domain (BalVfService *self,
                                       const BalVfLibvirt *libvirt,
                                       const char *uuid,
                                       const GPtrArray *others);

G_END_DECLS
