/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF client: one call about virtual functions to this host's ballastd, which alone has the ledger,
 * and its answer; for the command line.
 *
 * Ownership: what is returned is the caller's. Failure: BAL_VF_ERROR when ballastd says no,
 * BAL_FAILURE with BAL_EXIT_NOT_FOUND when there is none, BAL_DAEMON_ERROR else: it may then be at
 * work still, and `ballast vf list` tells what came of it.
 */
#pragma once

#include "host-hook/daemon-message.h"

G_BEGIN_DECLS

/* Waits as long as libvirt and the guest may keep ballastd waiting. */
JsonObject *bal_vf_client_call (const char *root, const BalVfCall *call, GError **error);

G_END_DECLS
