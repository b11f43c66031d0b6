/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a scripted peer, in a thread of its own, at the other end of the agent client's socket.
 *
 * A script that returns closes the connection; the peer_ functions but for _start(), _open_client()
 * and _end() are for scripts.
 *
 * Ownership: peer_end() frees what peer_start() made and waits for the script, so free the client
 * first; objects returned are the caller's. Failure: the test aborts.
 */
#pragma once

#include "host-hook/agent-client.h"

/* Long enough for a busy machine; nothing waits for it. */
#define AMPLE_MS 20000
#define SHORT_MS 150

typedef struct _Peer Peer;
typedef void (*Script) (Peer *peer);

struct _Peer
{
  int fd;
  Script script;
  GThread *thread;
  int client_fd;
  GString *input;
};

void peer_start (Peer *peer, Script script);
void peer_end (Peer *peer);

/* FALSE when the client has gone. */
gboolean peer_send_bytes (Peer *peer, const char *data, gsize length);
void peer_send (Peer *peer, const char *text);

/* The next request, or NULL when the client has gone. Drops a sentinel in front. */
JsonObject *peer_receive (Peer *peer);

void peer_answer_sync (Peer *peer);

/* Receives a request of @command and gives its id. */
gint64 peer_expect (Peer *peer, const char *command);

void peer_reply (Peer *peer, gint64 id, const char *content);

/* Until the client leaves. */
void peer_drain (Peer *peer);

/* --- the client's side --- */

BalAgentClient *peer_open_client (Peer *peer);

/* A trim, as any call would do. */
#define TRIMMED(bytes) "\"return\":{\"trimmed-bytes\":" #bytes ",\"method\":\"drop_caches\"}"
void assert_trims (BalAgentClient *client, guint64 expected_bytes);
void assert_trim_fails (BalAgentClient *client, guint timeout_ms, int code);
