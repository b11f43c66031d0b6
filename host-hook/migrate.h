/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Migrate: plan, release, migrate, give back.
 *
 * Never worse than a plain migration: whatever cannot be found out, released or written down falls
 * back to a plain one with a warning. Whatever happens after something was released, the memory is
 * given back where the domain runs; if that is not possible now the journal keeps the sizes and the
 * error says what to do.
 *
 * Ownership: borrows everything. The report gets figures and warnings; printing is the caller's.
 * Failure: BAL_FAILURE, see exit-codes.h.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/job.h"
#include "host-hook/migrate-options.h"

G_BEGIN_DECLS

gboolean bal_migrate (const BalJob *job,
                      virConnectPtr source,
                      virDomainPtr domain,
                      const BalMigrateOptions *options,
                      GError **error);

G_END_DECLS
