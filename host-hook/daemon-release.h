/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ballastd does about a domain that libvirt has begun to migrate away: releases memory of it,
 * or goes on with what somebody released who died since, and keeps the lease of what is held.
 *
 * It blocks until it is cancelled, or nothing is held any more, and has the domain's lock
 * meanwhile: nobody else begins with the domain.
 *
 * Ownership: borrows what it points to. Failure: one sentence; then nothing more is released. A
 * domain that somebody else is at work on is none.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/daemon-history.h"
#include "host-hook/job.h"

G_BEGIN_DECLS

typedef struct
{
  const BalJob *job;
  virConnectPtr connection;
  virDomainPtr domain;
  const char *uuid;
  BalReleaseResult *result; /* filled in, but for @began_us, which the caller has set */
  void (*released) (gpointer user_data); /* called once something is, and no more will be */
  gpointer user_data;
} BalDaemonRelease;

/* *@is_leaving: FALSE when libvirt, asked, does not migrate the domain; then nothing is done. */
gboolean
bal_daemon_release_run (const BalDaemonRelease *self, gboolean *is_leaving, GError **error);

G_END_DECLS
