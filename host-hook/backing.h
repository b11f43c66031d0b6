/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Backing: how much of a set of guest-physical addresses the host has given memory to, counted by
 * /proc/<qemu>/pagemap.
 *
 * What counts as backed depends on the mapping, which is looked up in /proc/<qemu>/maps:
 * - private ('p'): swapped, or present and exclusively mapped (pagemap bit 56). The shared zero
 * page, which QEMU's own zero scan maps everywhere, is present but not exclusive and does not
 * count; nor do pages that KSM merged. Present hugetlb pages are exclusive.
 * - shared ('s': memfd, file, shared hugetlb): present or swapped. There is no zero page in them.
 * The kernel does not show swapped shmem in pagemap, so that it goes uncounted. Each error of this
 * kind makes the count too small, so at worst something is not released.
 *
 * Counting streams through pagemap in large reads: a few hundred KiB of memory whatever the size of
 * the guest.
 *
 * Backed memory may still be zeros, of which a migration sends nothing: a host that uses huge pages
 * backs 2 MiB when the guest writes a byte. How much is not is estimated from evenly spread pages,
 * read through /proc/<qemu>/mem. Swapped pages are not read, since that would bring them back, and
 * count as filled; so does everything when that file cannot be read.
 *
 * Ownership: a BalBacking is the caller's and owns its descriptor. Failure: BAL_BACKING_ERROR,
 * BAL_PROCESS_ERROR, or G_IO_ERROR when a file of /proc cannot be read, with one sentence.
 */
#pragma once

#include "host-hook/process.h"
#include "protocol/ranges.h"

G_BEGIN_DECLS

#define BAL_BACKING_ERROR (bal_backing_error_quark ())
GQuark bal_backing_error_quark (void);

typedef enum
{
  BAL_BACKING_ERROR_MAP,  /* segments overlap, are not page aligned, or are not mapped in QEMU */
  BAL_BACKING_ERROR_READ, /* pagemap ends early: QEMU has ended */
} BalBackingError;

/* A piece of guest RAM: guest-physical [gpa, gpa + length) lies at QEMU's [hva, hva + length). */
typedef struct
{
  guint64 gpa;
  guint64 length;
  guint64 hva;
} BalBackingSegment;

typedef struct _BalBacking BalBacking;

/* @segments: in any order; copied. @n_segments may be 0. */
BalBacking *bal_backing_open (const char *root,
                              const BalIncarnation *qemu,
                              const BalBackingSegment *segments,
                              gsize n_segments,
                              GError **error);
void bal_backing_free (BalBacking *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalBacking, bal_backing_free)

typedef struct
{
  guint64 backed_bytes;
  guint64 filled_bytes; /* of these, not zero: an estimate, off by a thirtieth of backed_bytes at
                           most in 19 of 20 cases */
} BalBackingAmount;

/* How much of @ranges, inside @window when that is not NULL (a virtio-mem device's place, say), is
 * backed now. Addresses in no segment are not backed. Whole pages only. */
gboolean bal_backing_count (const BalBacking *self,
                            const BalRanges *ranges,
                            const BalRange *window,
                            BalBackingAmount *amount,
                            GError **error);

G_END_DECLS
