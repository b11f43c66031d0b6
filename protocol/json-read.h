/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading members of a JSON object that is not trusted with their types and ranges checked: for the
 * messages of this library, and for the host's journal.
 *
 * A reader says what kind of object is being read, which decides the error's domain, code and
 * wording: arguments (BAL_PROTOCOL_ERROR_INVALID_ARGUMENT), a request's envelope
 * (BAL_PROTOCOL_ERROR_GENERIC) or a reply (BAL_CODEC_ERROR_CONTENT). For any other kind the caller
 * fills in a BalJsonReader itself.
 *
 * Ownership: a reader borrows its object; strings read are the caller's.
 * Failure: FALSE with @error set, the output untouched. An optional member that is absent also
 * leaves the output untouched, so that it keeps its default.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct
{
  JsonObject *object;
  GQuark domain;
  int code;
  const char *what; /* "Argument", the subject of error sentences */
} BalJsonReader;

typedef enum
{
  BAL_REQUIRED,
  BAL_OPTIONAL,
} BalPresence;

BalJsonReader bal_json_reader_arguments (JsonObject *arguments);
BalJsonReader bal_json_reader_request (JsonObject *line);
BalJsonReader bal_json_reader_reply (JsonObject *line);

/* Fails when @result is not an object. */
gboolean bal_json_reader_result (JsonNode *result, BalJsonReader *out, GError **error);

/* Fails when there is a member that @allowed, NULL-terminated, does not list. */
gboolean bal_read_only (const BalJsonReader *self, const char *const *allowed, GError **error);

/* An integer from @min to @max; @max is at most G_MAXINT64, all that JSON integers here hold. */
gboolean bal_read_uint (const BalJsonReader *self,
                        BalPresence presence,
                        const char *name,
                        guint64 min,
                        guint64 max,
                        guint64 *out,
                        GError **error);

/* Any 64-bit integer. */
gboolean bal_read_int (const BalJsonReader *self, const char *name, gint64 *out, GError **error);

gboolean bal_read_bool (
  const BalJsonReader *self, BalPresence presence, const char *name, gboolean *out, GError **error);

/* 1 to BAL_TOKEN_MAX_CHARS characters of [A-Za-z0-9._-]: harmless wherever it is shown. */
gboolean bal_read_token (
  const BalJsonReader *self, BalPresence presence, const char *name, char **out, GError **error);

/* Any string, escaped and cut by bal_escape_for_display(). */
gboolean bal_read_text (const BalJsonReader *self, const char *name, char **out, GError **error);

/* An array of at most @max_length elements; *@out is borrowed. */
gboolean bal_read_array (
  const BalJsonReader *self, const char *name, guint max_length, JsonArray **out, GError **error);

/* An object, read by a reader of the same kind. */
gboolean bal_read_object (const BalJsonReader *self,
                          BalPresence presence,
                          const char *name,
                          BalJsonReader *out,
                          GError **error);

/* The node of a result, which takes ownership of @content. NB: json_node_init_object() would not.
 */
JsonNode *bal_result_take (JsonObject *content);

/* Sets @error to "<what> <problem>". */
gboolean bal_read_fail (const BalJsonReader *self, GError **error, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

G_END_DECLS
