/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holding what the code writes against what vf-schema.json documents: for results that have no
 * strict reader. Ownership: nothing is taken over. Failure: the test aborts.
 */
#pragma once

#include "protocol/messages.h"

/* @object has each required member of @type (of "members" or a "structure"), no member that is not
 * documented, and values of the documented types and ranges, to the innermost. Names of members
 * that were seen, as "structure.member", are added to @seen (may be NULL; owns its keys). */
void schema_conforms (JsonObject *schema, JsonObject *type, JsonObject *object, GHashTable *seen);

/* Each member of the structure is in @seen. */
void schema_assert_all_seen (JsonObject *schema, const char *structure, GHashTable *seen);
