/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon: releases memory of each domain that libvirt migrates away from this host, whoever asked
 * for that, and gives memory back to each that arrives, stays after all, or was left by somebody
 * who died. It hands out virtual functions as well (daemon-vf.h), and libvirt's events tell that
 * what became of the domains that have some.
 *
 * The status folder wakes it, libvirt's events tell what became of the domain, domain-states.h says
 * what to do, daemon-task.h does it. The main loop itself never waits for libvirt.
 *
 * Ownership: the creator frees it; it has its share of a configuration, which is one of
 * bal_config_new(). Failure: only when the socket cannot be served; what libvirt or a guest does
 * not let do now is tried again.
 */
#pragma once

#include "host-hook/config.h"

G_BEGIN_DECLS

typedef struct _BalDaemon BalDaemon;

/* On the default main context. @root lives as long as the process. @uri: this host's libvirt.
 * @vf_config_path as bal_vf_service_new() takes it. */
BalDaemon *bal_daemon_new (const char *root,
                           const char *uri,
                           const BalConfig *config,
                           const char *vf_config_path,
                           GError **error);
void bal_daemon_free (BalDaemon *self);

/* From now on; what is under way goes on by the configuration that it began with. */
void bal_daemon_set_config (BalDaemon *self, const BalConfig *config);

/* Reads vf.conf again; what is wrong with it is logged. */
void bal_daemon_reload_vf (BalDaemon *self);

G_END_DECLS
