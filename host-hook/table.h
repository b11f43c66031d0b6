/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Table: rows of text under headings, in columns as wide as what is in them, for people.
 *
 * Ownership: the table copies what it is given; the caller frees it. Failure: none. Control
 * characters in cells are escaped.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

typedef struct _BalTable BalTable;

/* @headings: NULL-terminated, at least one. */
BalTable *bal_table_new (const char *const *headings);
void bal_table_free (BalTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalTable, bal_table_free)

/* The next cell, row by row; NULL or "" is shown as "-". */
void bal_table_add (BalTable *self, const char *text);

/* The same, consuming @text. */
void bal_table_take (BalTable *self, char *text);

void bal_table_add_number (BalTable *self, gint64 number);

void bal_table_print (const BalTable *self, FILE *stream);

G_END_DECLS
