/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt tells of a migration that is over.
 *
 * Failure: figures that nobody tells stay unset in the summary.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/report.h"

G_BEGIN_DECLS

/* Fills bytes sent and downtime in. @domain is the source's, which may be gone; @migrated the
 * destination's, which may be NULL. */
void bal_transfer_stats (virDomainPtr domain, virDomainPtr migrated, BalSummary *summary);

G_END_DECLS
