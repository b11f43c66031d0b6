/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Privileges: what the agent keeps of root's power, and how it gives up the rest.
 *
 * It stays uid 0, because /proc/kpageflags, memory.reclaim and drop_caches belong to root and are
 * open to their owner alone; no capability is needed for them. Kept are:
 *   CAP_SYS_ADMIN     /proc/PID/pagemap and /proc/iomem show physical addresses to nobody else
 *   CAP_IPC_LOCK      to lock what is held (the holder's only one)
 *   CAP_SYS_RESOURCE  a PSI trigger needs it before Linux 6.4; without it pressure is polled
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Gives up all else, in the bounding set too; umask, no core dumps, no new privileges. Capabilities
 * that the agent was started without are no error here. G_FILE_ERROR when it is not root or the
 * kernel refuses. */
gboolean bal_privileges_drop (GError **error);

/* Keeps CAP_IPC_LOCK alone. FALSE when the kernel refuses. */
gboolean bal_privileges_keep_lock_only (void);

/* TRUE when this process may lock any amount of memory. */
gboolean bal_privileges_can_lock (void);

G_END_DECLS
