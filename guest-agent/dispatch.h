/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dispatch: one line of a host's in, one line of reply out. Whatever the line holds, there is
 * exactly one reply, as from qemu-ga.
 *
 * Ownership: the reply is the caller's. Failure: goes into the reply.
 */
#pragma once

#include "guest-agent/commands.h"

G_BEGIN_DECLS

/* @line as bal_framer_next() gave it; NULL for a line that was too long. */
char *bal_dispatch (BalAgentState *state,
                    const char *line,
                    gsize length_bytes,
                    gsize *reply_length_bytes);

G_END_DECLS
