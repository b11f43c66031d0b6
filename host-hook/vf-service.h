/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF service: this host's virtual functions, handed out and taken back: inventory, ledger, the
 * NIC's settings and libvirt brought together.
 *
 * Thread-safe, and every call but new, free and set_connection may block: on the disk, the kernel
 * and, where said, on libvirt and the guest. So they belong into worker threads. What a hook asks
 * never waits for libvirt, which waits for the hook. Ledger and inventory are used by one thread at
 * a time, never across a call to libvirt; one operation at a time is at work on a domain's ports
 * with libvirt, others of that domain wait for it, at most a minute.
 *
 * Each VF that is reserved by a hook, attached, detached for a migration or freed has a line in
 * ballastd's log, with the fields BALLAST_DOMAIN, BALLAST_VF_PORT, BALLAST_VF_PF, BALLAST_VF_PCI
 * and BALLAST_VF_BANDWIDTH_MBPS.
 *
 * Ownership: the service is its creator's and outlives all calls; what is returned is the caller's.
 * Failure: BAL_VF_ERROR, BAL_FAILURE or the reader's own error, one sentence that says what was
 * left; after one the ledger says what settle() goes on from.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libvirt/libvirt.h>

#include "host-hook/vf-port-info.h"
#include "host-hook/vf-settings.h"

G_BEGIN_DECLS

typedef struct _BalVfService BalVfService;

/* Reads configuration and inventory, opens the ledger, makes VFs where the configuration wants some
 * and there are none. @nic NULL: the kernel's, by netlink. Paths below @root; @config_path is as it
 * is, NULL: BAL_VF_CONFIG_PATH, which need not be there. */
BalVfService *
bal_vf_service_new (const char *root, const char *config_path, const BalVfNic *nic, GError **error);
void bal_vf_service_free (BalVfService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfService, bal_vf_service_free)

/* Reads the configuration again; on failure it stays as it was. */
gboolean bal_vf_service_reload (BalVfService *self, GError **error);

/* A reference is taken; NULL: libvirt is away. Main thread. */
void bal_vf_service_set_connection (BalVfService *self, virConnectPtr connection);

/* --- for a management system and the command line: blocks on libvirt and the guest --- */

/* Reserves, makes the settings, attaches to the running domain, verifies, and writes the request
 * into the live metadata, whence a destination knows it; with @in_config also into that of the
 * definition, so that the next start asks for the same. Of a domain that is off, in the definition
 * alone, and *@port is then NULL. On failure all of it is undone. A port that is there already for
 * the same request is gone on with. *@port: a port-info object. */
gboolean bal_vf_service_allocate (BalVfService *self,
                                  const BalVfRequest *request,
                                  gboolean in_config,
                                  JsonObject **port,
                                  GError **error);

/* @port NULL: all of the domain's. Detaches, waiting for the guest for at most 30 s, puts the
 * settings back, frees. When the guest does not let go: BAL_VF_ERROR_CONFLICT, and the port stays
 * as releasing, gone on with by settle(). */
gboolean bal_vf_service_release (
  BalVfService *self, const char *uuid, const char *port, gboolean in_config, GError **error);

/* Before a migration of a domain whose VFs have no standby: detaches them and keeps them reserved,
 * not to be attached until unpark(), the domain's end, or two minutes without a migration job. */
gboolean bal_vf_service_park (BalVfService *self, const char *uuid, GError **error);
gboolean bal_vf_service_unpark (BalVfService *self, const char *uuid, GError **error);

/* Carries out what bal_vf_reconcile() says of this domain's ports, or of all with NULL: attaches,
 * goes on with releases, frees. Failures are logged and tried again by the next call. A domain that
 * was booted and called a port required is destroyed when that could not be attached as long as its
 * reservation lasts. One that a job holds is left alone; a call about just that one waits for it,
 * at most 5 s. One that another call is at work on is left to that, which does the same when it
 * ends. About one domain libvirt is asked for that alone, unless a VF is to be freed. */
void bal_vf_service_settle (BalVfService *self, const char *uuid);

/* Before Ballast is removed, by who has the ledger alone: empties it, as far as that can be now.
 * Ports that their domain does not have are released whether or not their reservations last. Those
 * that it has are handed over: out of ledger and live metadata, with VF and settings as they are;
 * @handed_over gets copies, of BalVfEntry. @left gets a sentence about each that is left, or about
 * its domain when a job holds that. FALSE: libvirt did not answer, and nothing was changed. */
gboolean
bal_vf_service_retire (BalVfService *self, GPtrArray *handed_over, GPtrArray *left, GError **error);

/* {"pfs": [...], "ports": [...], "left-out": N}, as protocol/vf-schema.json documents; @pf limits
 * it to one PF (netdev or PCI address; NULL: all). Does not ask libvirt. */
JsonObject *bal_vf_service_list (BalVfService *self, const char *pf, GError **error);

/* TRUE when nothing is in the ledger: settle() has nothing to do. */
gboolean bal_vf_service_is_idle (BalVfService *self);

/* --- for hooks: ledger, sysfs and netlink alone --- */

/* `prepare begin`: reserves all that the domain's metadata asks for, and makes the settings; on
 * failure frees what this call reserved. Nothing asked: TRUE. An interface that has a port's MAC
 * address and another VF than the port is BAL_VF_ERROR_CONFLICT. When nothing but a link is missing
 * it is waited for, at most 5 s. */
gboolean bal_vf_service_prepare (BalVfService *self, const char *xml, GError **error);

/* `migrate begin` and `restore begin`: as prepare, and *@new_xml is the domain's XML with the VFs
 * of this host in its interfaces, or NULL where nothing is to be changed. Without such interfaces
 * nothing is reserved, because `prepare begin`, which follows, does that; if it does: nobody says
 * so when it does not. A domain that runs here already: BAL_VF_ERROR_CONFLICT, nothing changed. */
gboolean
bal_vf_service_arrive (BalVfService *self, const char *xml, char **new_xml, GError **error);

/* `release end`: the domain is off, or elsewhere; its ports are freed, those whose VF is still in
 * use by settle(). */
void bal_vf_service_end (BalVfService *self, const char *uuid);

G_END_DECLS
