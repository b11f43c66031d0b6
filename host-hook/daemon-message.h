/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon messages: what goes over ballastd's local socket, as bytes. No I/O here.
 *
 * One request and one reply a connection. A request is a line of JSON, {"execute": NAME,
 * "arguments": {...}}, and behind its newline as many raw bytes as its argument "payload-bytes"
 * says: a domain's XML travels unescaped, whatever characters it has. A reply is one line,
 * {"return": {...}} or {"error": {"class", "desc"}}.
 *
 * The codec and its limits are the guest protocol's (protocol/codec.h): in a reply no object has
 * more than BAL_JSON_MEMBERS_MAX members, so that lists are arrays and never keyed by name.
 * Requests are read strictly (an unknown member or argument is an error), replies generously.
 *
 * Ownership: everything returned is the caller's; a BalHookCall is cleared by its owner.
 * Failure: a request that is refused sets BAL_PROTOCOL_ERROR, or BAL_VF_ERROR when it is about VFs,
 * whose code names the class on the wire; a reply sets BAL_DAEMON_ERROR, or the BAL_VF_ERROR that
 * its class names. Texts quote the peer only escaped.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "host-hook/daemon-message-vf.h"

G_BEGIN_DECLS

/* Below the root. */
#define BAL_DAEMON_FOLDER "/run/ballast"
#define BAL_DAEMON_SOCKET BAL_DAEMON_FOLDER "/ballastd.sock"

/* A request's line without its newline, and what follows it. */
#define BAL_DAEMON_HEADER_MAX_BYTES (64u * 1024u)
#define BAL_DAEMON_PAYLOAD_MAX_BYTES (1024u * 1024u)

/* A reply's line without its newline. */
#define BAL_DAEMON_REPLY_MAX_BYTES (1024u * 1024u)

/* Each word of a hook's command line; a domain's name is part of file names, thus below 256. All
 * of them escaped as \u00XX fit the header. */
#define BAL_DAEMON_WORD_MAX_BYTES 1024u

#define BAL_DAEMON_ERROR (bal_daemon_error_quark ())
GQuark bal_daemon_error_quark (void);

typedef enum
{
  BAL_DAEMON_ERROR_ABSENT,  /* no ballastd runs here */
  BAL_DAEMON_ERROR_TIMEOUT, /* no answer in time */
  BAL_DAEMON_ERROR_BROKEN,  /* the socket cannot be used, or was closed without an answer */
  BAL_DAEMON_ERROR_GARBAGE, /* an answer that is none */
  BAL_DAEMON_ERROR_REFUSED, /* ballastd said no; the message is its sentence */
} BalDaemonError;

/* How libvirt called a hook program. The words are valid UTF-8 but raw: escape them before they are
 * shown. @xml need not be XML, nor end with a NUL; it may hold secrets and is never logged. */
typedef struct
{
  char *hook; /* which program: "memory" or "vf"; a token as bal_read_token() has it */
  char *domain;
  char *operation;
  char *sub_operation;
  char *extra;
  GBytes *xml;
} BalHookCall;

void bal_hook_call_clear (BalHookCall *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalHookCall, bal_hook_call_clear)

typedef enum
{
  BAL_DAEMON_COMMAND_HOOK,   /* "hook": {hook, domain, operation, sub-operation, extra,
                                payload-bytes} and the XML */
  BAL_DAEMON_COMMAND_STATUS, /* "status": {domain}, or no arguments */
  BAL_DAEMON_COMMAND_VF,     /* those of daemon-message-vf.h */
} BalDaemonCommand;

typedef struct
{
  BalDaemonCommand command;
  BalHookCall hook;    /* of BAL_DAEMON_COMMAND_HOOK */
  char *status_domain; /* of BAL_DAEMON_COMMAND_STATUS: a name or UUID; NULL: all domains */
  BalVfCall vf;        /* of BAL_DAEMON_COMMAND_VF */
} BalDaemonCall;

void bal_daemon_call_clear (BalDaemonCall *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalDaemonCall, bal_daemon_call_clear)

/* --- requests --- */

/* Fails, with BAL_PROTOCOL_ERROR_INVALID_ARGUMENT, when a word is too long or no UTF-8, or the XML
 * too long. */
GBytes *bal_daemon_build_hook (const BalHookCall *call, GError **error);

/* About @domain, a name or UUID, or all when that is NULL. Fails in the same way. */
GBytes *bal_daemon_build_status (const char *domain, GError **error);

GBytes *bal_daemon_build_vf (const BalVfCall *call);

/* Intake: takes a request apart as its bytes come in; keeps no more of them than the limits above
 * and one feed. */
typedef struct _BalDaemonIntake BalDaemonIntake;

BalDaemonIntake *bal_daemon_intake_new (void);
void bal_daemon_intake_free (BalDaemonIntake *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalDaemonIntake, bal_daemon_intake_free)

/* FALSE as soon as the request is known to be bad, however much of it is still to come; the intake
 * is of no use after that. */
gboolean bal_daemon_intake_feed (BalDaemonIntake *self,
                                 const void *data,
                                 gsize length_bytes,
                                 GError **error);

/* TRUE, once, when the request is whole; *@out is then the caller's. */
gboolean bal_daemon_intake_take (BalDaemonIntake *self, BalDaemonCall *out);

/* --- replies, newline included --- */

/* Takes ownership of @result, an object. A result that passes BAL_DAEMON_REPLY_MAX_BYTES becomes an
 * error reply. */
GBytes *bal_daemon_build_return (JsonNode *result);
GBytes *bal_daemon_build_error (const char *error_class, const char *sentence);

/* The object that was returned, by one line without its newline. */
JsonNode *bal_daemon_parse_reply (const char *line, gsize length_bytes, GError **error);

G_END_DECLS
