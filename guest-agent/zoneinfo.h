/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Zoneinfo: what /proc/zoneinfo and /proc/buddyinfo say about each zone of each NUMA node.
 *
 * A fixed-size table, filled line by line, because the text grows with zones times CPUs and is read
 * before each chunk that is held. A guest with more zones than the table has room for is seen as if
 * the rest had nothing free.
 *
 * Failure: G_FILE_ERROR when the file cannot be read or names no zone.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_ZONES_MAX 256u

/* Pages of the kernel's base size. */
typedef struct
{
  guint node;
  guint64 free_pages;
  guint64 per_cpu_pages; /* as free, on the lists of single CPUs */
  guint64 high_pages;    /* high watermark, boost included */
  guint64
    protection_pages; /* lowmem reserve kept from allocations that could go to a higher zone */
  guint64 managed_pages;
} BalZone;

typedef struct
{
  guint count;
  BalZone zones[BAL_ZONES_MAX];
} BalZones;

gboolean bal_zones_read (const char *root, BalZones *out, GError **error);

guint64 bal_zones_free_pages (const BalZones *self);
/* Those of one node, with what is on lists of single CPUs. */
guint64 bal_zones_node_free_pages (const BalZones *self, guint node);
guint64 bal_zones_managed_pages (const BalZones *self);

/* TRUE when zones of more than one node have pages. */
gboolean bal_zones_many_nodes (const BalZones *self);

/* Free blocks of 2^@order pages on @node, larger ones counted as the blocks they split into; from
 * /proc/buddyinfo. 0 when it cannot be read. */
guint64 bal_buddy_blocks (const char *root, guint node, guint order);

G_END_DECLS
