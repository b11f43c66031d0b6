/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Journal: what was released, and the sizes to go back to, in one JSON file a release, below
 * <root>/var/lib/ballast/journal/, named <uuid>.<incarnation>.<migration id>.json.
 *
 * An entry is written durably before anything is released. It stays until the memory was seen
 * restored, or nothing can be left to restore here: the domain is gone or was started anew, or a
 * hold, which the guest takes back by itself, is all there was. Whoever finds one whose owner is
 * gone can finish the work. Originals are written once: bal_journal_save() of an entry that exists
 * already refuses to change them.
 *
 * Whoever saves or removes an entry holds the domain's lock (domain-lock.h). Files that are not
 * valid, or of a version that is not known, cost an error for that file alone and are left alone.
 *
 * Ownership: entries and lists are the caller's. Failure: BAL_JOURNAL_ERROR, or G_IO_ERROR (the
 * list: G_FILE_ERROR) from the file system, with one sentence.
 */
#pragma once

#include "host-hook/process.h"

G_BEGIN_DECLS

#define BAL_JOURNAL_VERSION 1
#define BAL_JOURNAL_FOLDER "/var/lib/ballast/journal"

/* Largest file that is read. */
#define BAL_JOURNAL_FILE_MAX_BYTES (256u * 1024u)

#define BAL_JOURNAL_ERROR (bal_journal_error_quark ())
GQuark bal_journal_error_quark (void);

typedef enum
{
  BAL_JOURNAL_ERROR_INVALID,   /* not an entry: corrupt, hostile, incomplete */
  BAL_JOURNAL_ERROR_VERSION,   /* an entry of another version of Ballast */
  BAL_JOURNAL_ERROR_ORIGINALS, /* the caller tried to change what may not change */
} BalJournalError;

typedef enum
{
  BAL_JOURNAL_PLANNED,   /* nothing is released yet */
  BAL_JOURNAL_RELEASING, /* some is, maybe */
  BAL_JOURNAL_RELEASED,
  BAL_JOURNAL_MIGRATING, /* the domain may be at either end */
  BAL_JOURNAL_RESTORING,
} BalJournalStage;

const char *bal_journal_stage_name (BalJournalStage stage);

typedef struct
{
  char *alias;
  guint64 original_kib; /* `requested` before the release */
  guint64 set_kib;      /* `requested` that Ballast set; equal to original when it did not yet */
} BalJournalVirtioMem;

typedef struct
{
  /* Which release. None of these may change. */
  char *uuid;                 /* of the domain, canonical */
  BalIncarnation incarnation; /* of the source's QEMU; {0, 0} when the source is remote */
  char *migration_id;         /* nonce: [A-Za-z0-9._-], 1 to BAL_TOKEN_MAX_CHARS */
  char *boot_id;              /* of this host: after a reboot the incarnations mean nothing */
  gint64 created_us;          /* real time, microseconds since 1970 */

  char *domain_name;
  char *source_uri;     /* libvirt's canonical one, virConnectGetURI() */
  char *dest_uri;       /* NULL: no migration (ballast release) */
  char *dest_name;      /* NULL: the same name */
  BalIncarnation owner; /* the process that works on it */
  BalJournalStage stage;

  char *hold_token;   /* NULL: no hold; may be added later, never changed */
  guint64 hold_bytes; /* asked of the agent */

  gboolean has_balloon;         /* may not change */
  guint64 balloon_original_kib; /* may not change */
  guint64 balloon_set_kib;      /* what Ballast set; equal to original when it did not yet */

  GArray *virtio_mem; /* of BalJournalVirtioMem; aliases and originals may not change; NULL: none */
  gboolean by_qmp; /* they were changed behind libvirt, which has the originals still, and without
                      a tag; may not change */
} BalJournalEntry;

/* An empty entry with created_us set to now. */
BalJournalEntry *bal_journal_entry_new (void);
void bal_journal_entry_free (BalJournalEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalJournalEntry, bal_journal_entry_free)

void bal_journal_entry_add_virtio_mem (BalJournalEntry *self,
                                       const char *alias,
                                       guint64 original_kib,
                                       guint64 set_kib);

/* How much was, or was to be, taken from the guest; a hold may have ended with less. */
guint64 bal_journal_entry_released_bytes (const BalJournalEntry *self);

/* TRUE when the release changed the domain's own sizes; a hold comes back by itself. */
gboolean bal_journal_entry_changes_sizes (const BalJournalEntry *self);

/* TRUE when they are in the domain's metadata, too. */
gboolean bal_journal_entry_has_tag (const BalJournalEntry *self);

/* The JSON text of an entry and back. */
char *bal_journal_entry_to_json (const BalJournalEntry *self);
BalJournalEntry *bal_journal_entry_from_json (const char *text, gsize length_bytes, GError **error);

/* Writes the entry durably, mode 0600, making the folder (mode 0700) when it is missing. */
gboolean bal_journal_save (const char *root, const BalJournalEntry *entry, GError **error);

/* One file of the folder: either @entry or @error is set. */
typedef struct
{
  char *file_name; /* without the folder */
  BalJournalEntry *entry;
  GError *error;
} BalJournalItem;

/* All entries, or with @uuid those of one domain, oldest first, unreadable ones last; of
 * BalJournalItem. A missing folder is an empty list. */
GPtrArray *bal_journal_list (const char *root, const char *uuid, GError **error);

/* TRUE when the item is of the domain of that name or UUID; NULL: of any. A file that is not
 * readable still tells the UUID by its own name. */
gboolean bal_journal_item_matches (const BalJournalItem *self, const char *domain);

/* One entry, by its file name as bal_journal_list() gives it. */
BalJournalEntry *bal_journal_load (const char *root, const char *file_name, GError **error);

/* Removes the entry durably; one that is not there is fine. */
gboolean bal_journal_remove (const char *root, const BalJournalEntry *entry, GError **error);

G_END_DECLS
