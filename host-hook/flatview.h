/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flat view: where a guest's RAM lies in guest-physical addresses, read from the text of the HMP
 * commands `info mtree -f` and `gpa2hva`, which is the only place where QEMU tells.
 *
 * QEMU prints one FlatView for each different view of an address space, led by the names of the
 * spaces that have it; the CPUs' one is the one that holds AS "memory". Its entries are sorted and
 * disjoint. A range's host address may be asked for with gpa2hva at its start and holds for that
 * range only.
 *
 * The text comes from a process that a guest may have taken over: odd text gives an error.
 *
 * Ownership: the view is the caller's. Failure: BAL_FLATVIEW_ERROR, with one sentence. No I/O.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Longest text looked at, and most RAM ranges in a view. */
#define BAL_FLATVIEW_TEXT_MAX_BYTES (16u * 1024u * 1024u)
#define BAL_FLATVIEW_RANGES_MAX 4096u

#define BAL_FLATVIEW_ERROR (bal_flatview_error_quark ())
GQuark bal_flatview_error_quark (void);

typedef enum
{
  BAL_FLATVIEW_ERROR_SYNTAX,     /* not what QEMU prints */
  BAL_FLATVIEW_ERROR_NO_MEMORY,  /* no FlatView with AS "memory", or no RAM in it */
  BAL_FLATVIEW_ERROR_NOT_MAPPED, /* gpa2hva found no RAM at that address */
} BalFlatViewError;

typedef struct
{
  guint64 start;  /* guest-physical, bytes; below BAL_ADDRESS_LIMIT */
  guint64 length; /* bytes, never 0 */
  char *region;   /* memory region: "pc.ram", "ram-node0", "/objects/memvirtiomem0"; QEMU's text,
                     escape before showing it */
  guint64 offset; /* of @start in the region, bytes */
} BalFlatRange;

typedef struct
{
  GArray *ranges; /* of BalFlatRange: RAM only, sorted by start, disjoint; neighbours that continue
                     one another in the same region are one range */
} BalFlatView;

BalFlatView *bal_flatview_parse (const char *text, GError **error);
void bal_flatview_free (BalFlatView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalFlatView, bal_flatview_free)

/* The command line for HMP that asks for the host address of @range's start; the caller's. */
char *bal_flatview_gpa2hva_command (const BalFlatRange *range);

/* Reads its reply, which must speak of just that address and region. @hva: QEMU's virtual
 * address. */
gboolean bal_flatview_gpa2hva_parse (const char *text,
                                     const BalFlatRange *range,
                                     guint64 *hva,
                                     GError **error);

G_END_DECLS
