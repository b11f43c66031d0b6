/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF book: the ledger's entries in memory, and the rules that no change may break:
 *
 * - the bandwidth taken of a PF stays below its capacity (residual bandwidth is greater than what
 * is asked, before it is given),
 * - no VF and no MAC address is two ports' at once,
 * - an entry goes from state to state as `transitions` in vf-book.c says, and only a releasing one
 *   is removed, of which nothing is left, or an attached one, with which VF and settings become its
 *   domain's alone,
 * - what was asked stays as it is, and so do the settings to go back to once some were made, until
 *   the host boots.
 *
 * Pure: no I/O. Ownership: the book owns its entries; those returned are good until the next
 * change. Failure: BAL_VF_ERROR_REFUSED (bandwidth), BAL_VF_ERROR_CONFLICT, BAL_VF_ERROR_NOT_FOUND.
 */
#pragma once

#include "host-hook/vf-entry.h"

G_BEGIN_DECLS

typedef struct _BalVfBook BalVfBook;

BalVfBook *bal_vf_book_new (void);
void bal_vf_book_free (BalVfBook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfBook, bal_vf_book_free)

/* With the same entries, for another thread. */
BalVfBook *bal_vf_book_copy (const BalVfBook *self);

guint bal_vf_book_size (const BalVfBook *self);

/* NULL: none. @mac in lower case. */
const BalVfEntry *bal_vf_book_find (const BalVfBook *self, const char *uuid, const char *port);
const BalVfEntry *bal_vf_book_find_vf (const BalVfBook *self, const char *vf_pci);
const BalVfEntry *bal_vf_book_find_mac (const BalVfBook *self, const char *mac);

/* Of all entries on the PF, in whatever state. */
guint64 bal_vf_book_allocated_mbps (const BalVfBook *self, const char *pf_pci);

/* Entries of one domain, or with NULL of all, oldest first; the array is the caller's, of const
 * BalVfEntry. */
GPtrArray *bal_vf_book_list (const BalVfBook *self, const char *uuid);

/* Whether @entry may become, or take the place of, the entry of its key. */
gboolean bal_vf_book_check_put (const BalVfBook *self, const BalVfEntry *entry, GError **error);

/* Whether @entry may stand beside the others, whatever state it is in and whatever its PF's
 * capacity was when the others came: for what was checked before. */
gboolean bal_vf_book_check_keep (const BalVfBook *self, const BalVfEntry *entry, GError **error);

/* After a check that succeeded; takes @entry over. */
void bal_vf_book_put (BalVfBook *self, BalVfEntry *entry);

gboolean bal_vf_book_check_remove (const BalVfBook *self,
                                   const char *uuid,
                                   const char *port,
                                   GError **error);
void bal_vf_book_remove (BalVfBook *self, const char *uuid, const char *port);

G_END_DECLS
