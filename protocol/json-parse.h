/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A strict JSON parser (RFC 8259) into json-glib's nodes; private to the protocol library.
 *
 * json-glib's own parser is no match for a hostile peer: version 1.6 recurses without a bound,
 * wraps integers, takes comments, single quotes and JavaScript assignments, and keeps the last of
 * two members with one name. This one recurses at most BAL_JSON_DEPTH_MAX deep and refuses all of
 * that.
 *
 * Ownership: the object returned is the caller's. Failure: BAL_CODEC_ERROR, nothing returned.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Parses exactly one object. @text need not end with a NUL. */
JsonObject *bal_json_parse_object (const char *text, gsize length_bytes, GError **error);

G_END_DECLS
