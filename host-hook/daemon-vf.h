/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballastd's end of the VF service: takes requests off its socket, has the service (vf-service.h)
 * carry them out in threads, and answers on the default main context, which never waits. What
 * waits for libvirt or a guest has threads of its own, so that hooks, which libvirt waits for, are
 * never behind it.
 *
 * Where the service cannot be had (the ledger cannot be read, vf.conf is wrong) each request is
 * refused with the sentence why, and nothing else of ballastd suffers.
 *
 * While something is in the ledger, and libvirt is there, it is settled every 15 s; else nothing is
 * done that nobody asked for.
 *
 * Ownership: the creator frees it. Each request is answered exactly once, also when it is freed
 * meanwhile; calls at work then end by themselves, and what they had not done yet the ledger tells
 * the next ballastd. Failure: none.
 */
#pragma once

#include "host-hook/daemon-server.h"
#include "host-hook/vf-service.h"

G_BEGIN_DECLS

typedef struct _BalDaemonVf BalDaemonVf;

/* As bal_vf_service_new() takes them; @root and @nic live as long as the process. The service is
 * opened in a thread; requests wait for it, at most 15 s. */
BalDaemonVf *bal_daemon_vf_new (const char *root, const char *config_path, const BalVfNic *nic);
void bal_daemon_vf_free (BalDaemonVf *self);

/* vf.conf is to be read again; also when the service could not be had. */
void bal_daemon_vf_reload (BalDaemonVf *self);

/* NULL: libvirt is away. */
void bal_daemon_vf_set_connection (BalDaemonVf *self, virConnectPtr connection);

/* A domain has come, gone, or runs again. */
void bal_daemon_vf_settle (BalDaemonVf *self, const char *uuid);

/* Answers @request, now or later. Hooks of one domain are carried out in the order that they come
 * in; what nobody waits for any more is not begun with, but for a domain's end. */
void bal_daemon_vf_hook (BalDaemonVf *self, BalDaemonRequest *request, const BalHookCall *call);
void bal_daemon_vf_call (BalDaemonVf *self, BalDaemonRequest *request, BalVfCall *call);

G_END_DECLS
