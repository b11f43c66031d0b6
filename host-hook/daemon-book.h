/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Book: what ballastd remembers of the host's domains and of their migrations away from here, to be
 * asked for by `ballast status`, and logged: one line a migration, when that is over and libvirt
 * has had the time to tell its figures.
 *
 * Main context only. Ownership: the creator frees it, what is not logged yet is logged then; what
 * it is told it copies. Failure: none.
 */
#pragma once

#include "host-hook/daemon-status.h"
#include "host-hook/status-folder.h"

G_BEGIN_DECLS

typedef struct _BalBook BalBook;

BalBook *bal_book_new (void);
void bal_book_free (BalBook *self);

/* What its status file says, again and again. */
void
bal_book_note_status (BalBook *self, const char *uuid, const char *name, const BalStatus *status);

void bal_book_note_state (BalBook *self, const char *uuid, BalState state);
void bal_book_note_release (BalBook *self, const char *uuid, const BalReleaseResult *release);

/* A virDomainEventType and what belongs to it. */
void bal_book_note_lifecycle (BalBook *self, const char *uuid, int event, int detail);
void bal_book_note_figures (BalBook *self, const char *uuid, const BalMigrationFigures *figures);

/* Adds the members "domains", "domains-left-out" and "migrations" to @object; with @domain, a name
 * or UUID, only what is about that one. */
void bal_book_to_json (const BalBook *self, const char *domain, JsonObject *object);

G_END_DECLS
