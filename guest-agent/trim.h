/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trim: gives up clean page cache.
 *
 * By cgroup2's memory.reclaim of the root cgroup (Linux 5.19), in slices, for about a second a
 * call: the host calls again for more. Reclaim may take anonymous memory too, so with swap it is
 * used only where the kernel takes "swappiness=0" (Linux 6.9). Else drop_caches, which drops all of
 * it at once.
 *
 * Failure: BAL_PROTOCOL_ERROR_GENERIC when the guest offers neither way.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

/* Gives up @bytes of clean page cache, or less; memory.reclaim may overshoot by one slice. Reports
 * by how much the clean cache really fell. */
gboolean bal_trim (const char *root, guint64 bytes, BalTrim *out, GError **error);

G_END_DECLS
