/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon server: ballastd's local socket, on the default main context; never blocks.
 *
 * Clients are trusted little: only root is served (the socket's mode, and SO_PEERCRED), at most
 * BAL_DAEMON_CONNECTIONS_MAX at once while others wait in the kernel's queue; a request has
 * BAL_DAEMON_REQUEST_MS to come in whole, a reply as long to be taken; a request that is too long,
 * no JSON or unknown is refused with a sentence.
 *
 * Ownership: the server is its creator's. A request belongs to the handler that got it, which
 * answers it exactly once, from within the handler or later, by one of bal_daemon_request_*(),
 * which free it. It stays valid until then, also when its client has left or the server was freed.
 * Failure: bal_daemon_server_new() only; what clients do wrong is their own error.
 */
#pragma once

#include "host-hook/daemon-message.h"

G_BEGIN_DECLS

#define BAL_DAEMON_CONNECTIONS_MAX 256u
#define BAL_DAEMON_REQUEST_MS 5000u

typedef struct _BalDaemonServer BalDaemonServer;
typedef struct _BalDaemonRequest BalDaemonRequest;

typedef struct
{
  /* @call is borrowed for the time of the handler. How long the answer may take is for the handler
   * to bound: a client waits as long as it likes. */
  void (*hook) (BalDaemonRequest *request, const BalHookCall *call, gpointer user_data);
  /* @domain: the name or UUID that was asked about, lent; NULL: all. */
  void (*status) (BalDaemonRequest *request, const char *domain, gpointer user_data);
  /* @call is lent; its contents may be taken out. */
  void (*vf) (BalDaemonRequest *request, BalVfCall *call, gpointer user_data);
} BalDaemonHandlers;

/* Listens below @root. Fails with G_IO_ERROR_BUSY when another ballastd runs. @handlers is copied.
 */
BalDaemonServer *bal_daemon_server_new (const char *root,
                                        const BalDaemonHandlers *handlers,
                                        gpointer user_data,
                                        GError **error);

/* Hangs up on everybody and removes the socket. Replies that were not taken yet are lost. */
void bal_daemon_server_free (BalDaemonServer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalDaemonServer, bal_daemon_server_free)

/* @left is called once if the client hangs up before @request is answered, which is to be answered
 * all the same. */
void bal_daemon_request_watch (BalDaemonRequest *request,
                               void (*left) (gpointer user_data),
                               gpointer user_data);

/* Answers with @result, an object, whose ownership is taken. */
void bal_daemon_request_return (BalDaemonRequest *request, JsonNode *result);

/* Answers with an error; @error_class is a name such as "GenericError". */
void
bal_daemon_request_fail (BalDaemonRequest *request, const char *error_class, const char *sentence);

G_END_DECLS
