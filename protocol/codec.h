/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Codec: bytes <-> lines <-> JSON objects.
 *
 * qemu-ga's framing: one JSON object a line, ended by '\n'. The byte 0xFF, which no UTF-8 text can
 * hold, is the sentinel of guest-sync-delimited: it voids whatever stood before it in the line, so
 * that each end can find the beginning of a message after a torn one.
 *
 * The peer is hostile. Lines are parsed by a strict parser of our own into json-glib's nodes,
 * because json-glib 1.6 parses nested arrays by unbounded recursion, silently wraps integers and
 * accepts comments. Accepted is only valid UTF-8 without NUL, at most BAL_JSON_DEPTH_MAX deep, with
 * integers that fit gint64, one object, no duplicate member, nothing behind it.
 *
 * Ownership: a framer belongs to its creator. Strings and objects returned are the caller's.
 * Failure: BAL_CODEC_ERROR with a sentence that never quotes the peer's bytes. No I/O here.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define BAL_CODEC_ERROR (bal_codec_error_quark ())
GQuark bal_codec_error_quark (void);

typedef enum
{
  BAL_CODEC_ERROR_SYNTAX,  /* not one JSON object in valid UTF-8 */
  BAL_CODEC_ERROR_LIMIT,   /* too long, too deep, a number out of range */
  BAL_CODEC_ERROR_CONTENT, /* an object, but not the reply that was expected; see messages.h */
} BalCodecError;

typedef enum
{
  BAL_FRAME_NONE,     /* feed more bytes */
  BAL_FRAME_LINE,     /* a whole line, possibly not JSON */
  BAL_FRAME_OVERLONG, /* a line passed the limit and was dropped; reported once per such line */
} BalFrame;

typedef struct _BalFramer BalFramer;

/* @line_max_bytes: longest line kept, without its newline. Memory use never passes it by more than
 * what was fed since bal_framer_next() last returned BAL_FRAME_NONE. */
BalFramer *bal_framer_new (gsize line_max_bytes);
void bal_framer_free (BalFramer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalFramer, bal_framer_free)

void bal_framer_feed (BalFramer *self, const void *data, gsize length_bytes);

/* Takes the next frame out. With BAL_FRAME_LINE *@line is set to the line without newline and
 * sentinel, NUL-terminated; *@length_bytes to its length (it may hold NULs of its own). Blank lines
 * are skipped. What comes out does not depend on how the stream was split into feeds. */
BalFrame bal_framer_next (BalFramer *self, char **line, gsize *length_bytes);

/* TRUE when the line that bal_framer_next() returned last came right behind a sentinel. */
gboolean bal_framer_after_sentinel (const BalFramer *self);

/* Forgets everything: the peer left and another one comes. */
void bal_framer_reset (BalFramer *self);

/* Parses and checks one line. */
JsonObject *bal_json_parse_line (const char *line, gsize length_bytes, GError **error);

/* One line of JSON for @object, ended by '\n'; with @sentinel led by 0xFF. NB: all of it is plain
 * ASCII or UTF-8 but for the sentinel, which is why length is returned. NB: json-glib 1.6 writes a
 * real number such as 1e98 as 1e+98.0, which is not JSON; nothing in the protocol has one. */
char *bal_json_to_line (JsonObject *object, gboolean sentinel, gsize *length_bytes);

/* Escapes a peer's string for a terminal or a log: control characters, invalid UTF-8, bidirectional
 * overrides and invisible characters become \xNN, byte by byte; cut to BAL_STRING_MAX_CHARS with
 * "..." at the end. Escaping twice is the same as once. */
char *bal_escape_for_display (const char *text);

/* The same without the cut, for text whose length is bounded otherwise. */
char *bal_escape_whole (const char *text);

G_END_DECLS
