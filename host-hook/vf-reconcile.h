/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF reconciliation: what is to be done about the ledger's entries, seen what sysfs and libvirt
 * say, after a start, when libvirt came back, and when a domain came or went. Pure.
 *
 * The rule: an entry is freed only when libvirt answered and no domain has the VF, sysfs shows no
 * user, and the reservation expired (one of an earlier boot has), or it was being released already,
 * or it was attached and its domain is off with the VF back at its own driver.
 * One that is being released ends too when the VF is another domain's by now, or the host has
 * booted since: then its VF is not touched.
 * Of a domain that a migration holds nothing is said or done: that is over some time, and until it
 * has arrived what it has is reserved.
 * When in doubt nothing is done: a VF that is kept too long is a smaller evil than one that two
 * guests have.
 *
 * Ownership: the list is the caller's; keys in it are copies. Nothing fails.
 */
#pragma once

#include "host-hook/vf-reserve.h"

G_BEGIN_DECLS

/* A domain that runs, or is about to (libvirt calls it active). */
typedef struct
{
  char *uuid;
  gboolean is_busy;   /* a job holds it, or it is arriving */
  GPtrArray *vf_pcis; /* char *: host PCI devices that its live definition has */
} BalVfDomain;

BalVfDomain *bal_vf_domain_new (const char *uuid);
void bal_vf_domain_free (BalVfDomain *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfDomain, bal_vf_domain_free)

typedef enum
{
  BAL_VF_MARK_ATTACHED, /* the domain has it: write that down */
  BAL_VF_ATTACH,        /* the domain runs without it: attach it */
  BAL_VF_DETACH,        /* it was being released, and the domain has it still: go on from there */
  BAL_VF_PUT_BACK,      /* nobody has it: put the settings back, and remove the entry */
  BAL_VF_DROP,          /* nothing is left to put back: remove the entry and leave the VF alone */
} BalVfActionKind;

typedef struct
{
  BalVfActionKind kind;
  char *uuid;
  char *port;
} BalVfAction;

void bal_vf_action_free (gpointer self);

/* About the ports of domain @uuid, or of all with NULL. @domains: all active domains, of
 * BalVfDomain; NULL: libvirt did not answer, and the list is then empty. Of what only that domain
 * is known about, PUT_BACK and DROP are not to be done. In the order of bal_vf_book_list(); of
 * BalVfAction. */
GPtrArray *bal_vf_reconcile (const BalVfBook *book,
                             const char *uuid,
                             const BalVfInventory *inventory,
                             const GPtrArray *domains,
                             const BalVfClock *clock);

G_END_DECLS
