/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory info: the figures of guest-get-memory-info, gathered from /proc and /sys.
 *
 * Failure: BAL_PROTOCOL_ERROR_GENERIC when /proc/meminfo, /proc/zoneinfo or vm.* cannot be read;
 * what a kernel may be built without (PSI, swap, memory hotplug) is reported as absent instead.
 */
#pragma once

#include "guest-agent/hold.h"
#include "guest-agent/kernel-facts.h"
#include "protocol/messages.h"

G_BEGIN_DECLS

/* Clean file pages that reclaim could drop: what the file LRUs hold, which leaves out locked and
 * unevictable pages, and no more than the page cache without shmem; less dirty and written-back
 * ones. Errs on the low side. @meminfo: the text of /proc/meminfo. */
guint64 bal_memory_info_clean_cache (const char *meminfo);

/* @limits: for the default headroom. @held_bytes: held just now. */
gboolean bal_memory_info_read (const char *root,
                               const BalKernelFacts *facts,
                               const BalHoldLimits *limits,
                               guint64 held_bytes,
                               BalMemoryInfo *out,
                               GError **error);

G_END_DECLS
