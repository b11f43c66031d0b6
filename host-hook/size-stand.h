/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Size stand: what a size of a domain says about who set it. Ballast gives a size back only from
 * the value that it set itself, and never goes beyond what the domain itself allows.
 *
 * Nothing here fails or does I/O.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  BAL_SIZE_OURS,        /* as Ballast set it, or on its way there */
  BAL_SIZE_WHOLE,       /* as it was before */
  BAL_SIZE_CHANGED,     /* somebody decided otherwise */
  BAL_SIZE_IMPLAUSIBLE, /* the domain cannot have had what was written down */
} BalSizeStand;

/* What was written down of a size before and when Ballast changed it. */
typedef struct
{
  guint64 original_kib;
  guint64 set_kib;
  gboolean between_is_ours; /* a release or a give-back may have been cut off half way, or a balloon
                               deflates by itself when the guest runs short */
} BalSizeRecord;

/* TRUE when the two sizes differ by less than the guest driver's rounding. */
gboolean bal_size_same (guint64 a_kib, guint64 b_kib);

/* @now_kib: the size at present; @maximum_kib: the most that the domain can have. */
BalSizeStand bal_size_judge (const BalSizeRecord *record, guint64 now_kib, guint64 maximum_kib);

G_END_DECLS
