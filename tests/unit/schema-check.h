/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trying what schema.json and vf-schema.json document on parsers: each member is taken away, given
 * the ends of its range, one more, and a wrong type, and each time the parser must answer as the
 * schema says.
 *
 * Ownership: nothing is taken over. Failure: the test aborts.
 */
#pragma once

#include "protocol/messages.h"

typedef struct
{
  JsonObject *(*rebuild) (JsonObject *arguments); /* NULL: refused */
  const char *least;                              /* what is accepted with the least members */
} SchemaArguments;

typedef gboolean (*SchemaAccept) (JsonNode *result);

JsonObject *schema_load (const char *path);

/* The element of @list whose member @key is @value. */
JsonObject *schema_find (JsonArray *list, const char *key, const char *value);

void schema_check_arguments (JsonArray *documented, const SchemaArguments *arguments);

/* @sample holds all members that there are. */
void schema_check_result (JsonObject *schema,
                          JsonObject *returns,
                          JsonNode *sample,
                          SchemaAccept accept);
