/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF ledger: the book (vf-book.h), durable, in one file below <root>/var/lib/ballast/vf/.
 *
 * The file is a log: a line of JSON a change, each with a generation one above that of the line
 * before it. A change is checked by the book, appended, forced to the disk, and only then made in
 * memory and told. When most of its lines are of no use any more the file is replaced by a new one
 * (fsync, rename) with one line an entry ("keep"), whose generations go on counting.
 *
 *   {"version": 1, "generation": 40}
 *   {"generation": 41, "keep": {an entry}}
 *   {"generation": 42, "put": {the entry}}
 *   {"generation": 43, "remove": {"domain": "UUID", "port": "net0"}}
 *
 * After a crash at any time the file is what it was before the change or after it: a last line
 * without its newline is a change that nobody was told of, and is dropped. Any other line that is
 * not as it should be, an unknown version, a generation left out, or entries that break the book's
 * rules, make the whole ledger unreadable, because a bandwidth or a VF would be handed out twice:
 * it does not open, nothing is handed out, and the file is left as it is.
 *
 * One process at a time has the ledger open, by a lock on a file beside it. Not thread-safe.
 *
 * Ownership: the ledger is the caller's. Failure: the book's errors, with nothing changed;
 * BAL_VF_ERROR_LEDGER when the ledger cannot be read, is in use, or cannot be written. A write that
 * fails is undone by replacing the file; where that fails too, what is on the disk is not known,
 * and each change tries first to replace the file, and is refused when that fails.
 */
#pragma once

#include "host-hook/vf-book.h"

G_BEGIN_DECLS

#define BAL_VF_LEDGER_VERSION 1
#define BAL_VF_LEDGER_FOLDER "/var/lib/ballast/vf"
#define BAL_VF_LEDGER_NAME "ledger"

/* Longest file that is read: of 65536 ports, by far not the longest that is written. */
#define BAL_VF_LEDGER_MAX_BYTES (256u * 1024u * 1024u)

typedef struct _BalVfLedger BalVfLedger;

/* Makes folder (mode 0700) and file (0600) when they are missing. */
BalVfLedger *bal_vf_ledger_open (const char *root, GError **error);
void bal_vf_ledger_free (BalVfLedger *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfLedger, bal_vf_ledger_free)

const BalVfBook *bal_vf_ledger_book (const BalVfLedger *self);

/* Durable on success; @entry is copied, with changed_us set to now. */
gboolean bal_vf_ledger_put (BalVfLedger *self, const BalVfEntry *entry, GError **error);
gboolean
bal_vf_ledger_remove (BalVfLedger *self, const char *uuid, const char *port, GError **error);

G_END_DECLS
