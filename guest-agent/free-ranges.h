/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Free ranges: where the guest's free memory lies, by one pass over /proc/kpageflags
 * (Documentation/admin-guide/mm/pagemap.rst). KPF_BUDDY is set on every page of a free block. It is
 * a snapshot: a page seen free may be in use a moment later.
 *
 * Only the frames that /proc/iomem calls System RAM are read, as a guest made for memory hotplug
 * can have holes of terabytes; without it, all. One call reads for about a second at most and then
 * says where to go on.
 *
 * Failure: BAL_PROTOCOL_ERROR_GENERIC; the output is then cleared. Memory use does not grow with
 * the guest.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

gboolean bal_free_ranges_scan (const char *root,
                               const BalFreeRangesArguments *arguments,
                               BalFreeRanges *out,
                               GError **error);

G_END_DECLS
