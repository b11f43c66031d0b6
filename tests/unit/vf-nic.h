/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a NIC (host-hook/vf-settings.h) made of memory, which refuses what it is told to, as
 * real ones do. One for all PFs. Ownership: vf_nic_clear() frees it.
 */
#pragma once

#include "host-hook/vf-settings.h"

typedef struct
{
  GArray *vfs;         /* of BalVfSettings */
  guint not_supported; /* BAL_VF_SET_...; BAL_VF_SET_MIN_RATE: any minimum but 0 */
  guint broken;        /* fails without being a refusal */
  gboolean is_silent;  /* says that it did and did not */
  guint n_sets;        /* calls so far */
  guint dies_after;    /* of so many sets nothing works any more; 0: never */
} VfNic;

/* @n_vfs VFs without MAC, spoofchk on, trust off. */
void vf_nic_init (VfNic *self, guint n_vfs);
void vf_nic_clear (VfNic *self);
BalVfNic vf_nic (VfNic *self);
BalVfSettings *vf_nic_vf (VfNic *self, guint index);
