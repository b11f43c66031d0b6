/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/size-stand.h"

/* The balloon moves in pages; libvirt and QEMU round differently by less than this. */
#define SAME_SIZE_KIB 1024

gboolean
bal_size_same (guint64 a_kib, guint64 b_kib)
{
  return MAX (a_kib, b_kib) - MIN (a_kib, b_kib) < SAME_SIZE_KIB;
}

BalSizeStand
bal_size_judge (const BalSizeRecord *record, guint64 now_kib, guint64 maximum_kib)
{
  if (record->original_kib > maximum_kib)
    return BAL_SIZE_IMPLAUSIBLE;
  if (bal_size_same (now_kib, record->original_kib))
    return BAL_SIZE_WHOLE;
  if (bal_size_same (now_kib, record->set_kib))
    return BAL_SIZE_OURS;
  if (record->between_is_ours && now_kib > record->set_kib && now_kib < record->original_kib)
    return BAL_SIZE_OURS;
  return BAL_SIZE_CHANGED;
}
