/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF ports: the settings of a reserved VF made, and a port given up, in steps that can be cut off
 * anywhere and taken up again: the ledger says what is about to be done before it is done.
 *
 * Attaching and detaching are not done here: a port is set up before its domain gets it, and torn
 * down when its domain no longer has it.
 *
 * Ownership: entries belong to the ledger's book. Failure: the errors of vf-ledger.h and
 * vf-settings.h; what is in the ledger then is enough to go on from.
 */
#pragma once

#include "host-hook/vf-reserve.h"

G_BEGIN_DECLS

/* Makes the settings of a port that is there, once more when they were made already. A VF that
 * sysfs shows in use may be somebody else's by now: BAL_VF_ERROR_CONFLICT, nothing set. When making
 * them fails those that were made are put back, as far as the NIC lets it, and the entry stays with
 * a sentence why: tear it down, or try again. */
const BalVfEntry *bal_vf_port_set_up (
  const BalVfHost *host, const BalVfNic *nic, const char *uuid, const char *port, GError **error);

/* Puts back the settings, unless they went with an earlier boot or with the VF itself, and removes
 * the entry. Fails with BAL_VF_ERROR_NOT_FOUND when there is none, with BAL_VF_ERROR_CONFLICT
 * when sysfs shows that somebody uses the VF: nothing is changed then, but a port that is being
 * released gets a sentence why. When the settings cannot be put back
 * the entry stays, as releasing, with a sentence why: its VF is not handed out. */
gboolean bal_vf_port_tear_down (const BalVfHost *host,
                                const BalVfNic *nic,
                                const BalVfClock *clock,
                                const char *uuid,
                                const char *port,
                                GError **error);

G_END_DECLS
