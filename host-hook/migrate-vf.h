/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual functions (VFs) of a domain that `ballast migrate` moves: QEMU migrates no passed-through
 * device, so this host's ballastd detaches them first, those that a standby stands in for aside,
 * and keeps them reserved. The destination's ballastd attaches one of the same bandwidth and MAC
 * address when the domain has arrived there, by its metadata.
 *
 * Ownership: nothing is kept. Failure: one sentence; ballastd sees to it then that the
 * domain has its VFs in the end.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/job.h"

G_BEGIN_DECLS

/* Of a domain that asks for VFs in its live metadata. *@detached is set to TRUE when
 * bal_migrate_vf_attach() is to be called if it stays, and otherwise left as it is. They are kept
 * for it for two minutes without a migration, from the last such call on. Waits for the guest. A
 * ballastd that is not there is warned of: libvirt then says what it thinks of the migration. */
gboolean bal_migrate_vf_detach (
  const BalJob *job, virDomainPtr domain, const char *uuid, gboolean *detached, GError **error);

/* After a migration that failed: gives the domain its VFs back if it is still here. What does not
 * work is warned of, and tried again by ballastd. */
void bal_migrate_vf_attach (const BalJob *job, virConnectPtr source, const char *uuid);

/* After one that succeeded: waits a while until the domain has its VFs at the destination. That it
 * was not seen to is a warning. */
void bal_migrate_vf_await (const BalJob *job, virConnectPtr destination, const char *uuid);

G_END_DECLS
