/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF allocation: which VF a request gets. Pure: the same inventory, book, request and policy give
 * the same answer, and nothing is changed.
 *
 * A PF qualifies when it is not excluded, has a link and a known capacity, is the PF and on the
 * network that the request names, when its residual bandwidth (capacity less what the book says is
 * taken) is GREATER THAN what is asked, and when it has a VF left. Of these, those on the NUMA node
 * go first; then the least residual bandwidth (pack) or the most (spread); then the lowest PCI
 * address. In the PF it is the VF of the lowest index that nobody uses and that is in nobody's
 * entry: one in use that the book does not know is foreign, and never offered.
 *
 * Failure: BAL_VF_ERROR_NOT_FOUND (no such PF), BAL_VF_ERROR_CONFLICT (the MAC address is taken),
 * BAL_VF_ERROR_REFUSED with the numbers, PF by PF.
 */
#pragma once

#include "host-hook/vf-book.h"
#include "host-hook/vf-inventory.h"

G_BEGIN_DECLS

typedef struct
{
  BalVfPf *pf; /* both the inventory's */
  BalVf *vf;
} BalVfChoice;

/* @home_node: the domain's own NUMA node, for a request that names none; -1: not known. */
gboolean bal_vf_allocate (const BalVfInventory *inventory,
                          const BalVfBook *book,
                          const BalVfRequest *request,
                          int home_node,
                          BalVfPolicy policy,
                          BalVfChoice *out,
                          GError **error);

/* Of a request that is refused: PFs that it may have are there, and all that they lack, as far as
 * can be told, is a link. */
gboolean bal_vf_allocate_lacks_link (const BalVfInventory *inventory,
                                     const BalVfBook *book,
                                     const BalVfRequest *request);

/* Capacity less what is taken; 0 when more is taken than there is. */
guint bal_vf_residual_mbps (const BalVfPf *pf, const BalVfBook *book);

G_END_DECLS
