/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Range list: sets of guest-physical addresses.
 *
 * A BalRanges is a list of half-open intervals [start, start + length), in bytes, that is at all
 * times sorted by start, disjoint, and maximal: two neighbours never touch, because adding a range
 * that begins where the last one ends lengthens the last one. Lengths are never zero, and no range
 * reaches beyond BAL_ADDRESS_LIMIT, so start + length never wraps. That makes equality of sets
 * equality of lists, and a hostile peer's list either valid or refused as a whole.
 *
 * Ownership: the creator frees it with bal_ranges_free(). Nothing here does I/O.
 *
 * Failure: bal_ranges_append() is the only function that can fail, with BAL_RANGES_ERROR; the list
 * is then left unmodified.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_RANGES_ERROR (bal_ranges_error_quark ())
GQuark bal_ranges_error_quark (void);

typedef enum
{
  BAL_RANGES_ERROR_EMPTY, /* length is zero */
  BAL_RANGES_ERROR_LIMIT, /* reaches beyond BAL_ADDRESS_LIMIT */
  BAL_RANGES_ERROR_ORDER, /* begins before the end of the last range */
} BalRangesError;

typedef struct
{
  guint64 start;  /* guest-physical, bytes */
  guint64 length; /* bytes, never 0 */
} BalRange;

typedef struct _BalRanges BalRanges;

BalRanges *bal_ranges_new (void);
void bal_ranges_free (BalRanges *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalRanges, bal_ranges_free)

/* Adds [start, start + length) behind the last range, joining it when the two touch. */
gboolean bal_ranges_append (BalRanges *self, guint64 start, guint64 length, GError **error);

guint bal_ranges_count (const BalRanges *self);

/* The range at @index, 0 <= @index < count. Valid until the list changes. */
const BalRange *bal_ranges_get (const BalRanges *self, guint index);

/* Sum of all lengths, in bytes. */
guint64 bal_ranges_total_bytes (const BalRanges *self);

gboolean bal_ranges_equal (const BalRanges *a, const BalRanges *b);

G_END_DECLS
