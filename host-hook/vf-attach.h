/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF attach: a port's VF given to its running domain and taken from it, and the port in the
 * domain's metadata; by libvirt, and looked at afterwards in libvirt's XML and in sysfs.
 *
 * Idempotent: what is the case already is not done again, so that any step can be cut off.
 *
 * Ownership: nothing is kept. Failure: BAL_FAILURE with what libvirt says, BAL_VF_ERROR_CONFLICT
 * where libvirt did not do it.
 */
#pragma once

#include "host-hook/vf-libvirt.h"

G_BEGIN_DECLS

/* For a person who waits; and for a round that comes again. */
#define BAL_VF_DETACH_MS 30000u
#define BAL_VF_DETACH_AGAIN_MS 3000u

/* The domain has the entry's VF in its live definition. */
gboolean bal_vf_attach_is_done (const BalVfLibvirt *libvirt,
                                const BalVfEntry *entry,
                                gboolean *out,
                                GError **error);

/* Attaches it and verifies that the domain has it, with its MAC address, and that vfio has the VF.
 */
gboolean bal_vf_attach (const BalVfLibvirt *libvirt,
                        const char *root,
                        const BalVfEntry *entry,
                        GError **error);

/* Asks the guest to let go and waits at most @wait_ms for it, and then a little for libvirt to
 * bring the VF back to its own driver: only behind that libvirt has put back what it had changed.
 * BAL_VF_ERROR_CONFLICT: the guest has not let go; it may still, and the sentence ends with what
 * the caller does @then. */
gboolean bal_vf_detach (const BalVfLibvirt *libvirt,
                        const char *root,
                        const BalVfEntry *entry,
                        guint wait_ms,
                        const char *then,
                        GError **error);

/* Whether bal_vf_metadata_add() can do it: before anything else is done that would be undone. */
gboolean bal_vf_metadata_check (const BalVfLibvirt *libvirt,
                                const BalVfRequest *request,
                                BalVfWhere where,
                                GError **error);

/* Writes the request into the metadata, in the place of one for the same port, and beside others.
 */
gboolean bal_vf_metadata_add (const BalVfLibvirt *libvirt,
                              const BalVfRequest *request,
                              BalVfWhere where,
                              GError **error);

/* Takes the port, with @port NULL all of them, out of it. *@was_there (may be NULL): it held some.
 */
gboolean bal_vf_metadata_remove (const BalVfLibvirt *libvirt,
                                 const char *uuid,
                                 const char *port,
                                 BalVfWhere where,
                                 gboolean *was_there,
                                 GError **error);

G_END_DECLS
