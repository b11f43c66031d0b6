/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF list: the host's PFs, their VFs and whose they are, for people and management systems.
 * protocol/vf-schema.json documents the JSON. Pure.
 *
 * Ownership: the object is the caller's. Failure: BAL_VF_ERROR_NOT_FOUND.
 */
#pragma once

#include "host-hook/vf-book.h"
#include "host-hook/vf-inventory.h"

G_BEGIN_DECLS

/* More are counted and left out, so that the list stays below the limits of an answer: 1 MiB and
 * BAL_JSON_VALUES_MAX values.
 */
#define BAL_VF_LIST_VFS_MAX 1000u
#define BAL_VF_LIST_PORTS_MAX 700u

/* {"pfs": [...], "ports": [...], "left-out": N}; of one PF (netdev or PCI address), or with NULL of
 * all. */
JsonObject *bal_vf_list_build (const BalVfInventory *inventory,
                               const BalVfBook *book,
                               const char *pf,
                               GError **error);

G_END_DECLS
