/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hold mechanism, host side: makes the guest agent hold free memory, and give it back.
 *
 * The guest's kernel hands out recently freed pages first, so a hold takes the garbage first. It
 * grows in steps and stops as soon as the source host has to back what is held with new memory:
 * from there on holding would cost memory instead of saving it.
 *
 * Failure: the guest can refuse, stop or die at any time; that ends the mechanism with a warning in
 * the report, never the migration.
 */
#pragma once

#include "host-hook/agent-client.h"
#include "host-hook/job.h"
#include "host-hook/process.h"

G_BEGIN_DECLS

/* Holds up to @bytes under @token, leaving @headroom_bytes free. @qemu (may be NULL) is watched for
 * growth. *@held_bytes: what was held when it last answered. FALSE when the agent itself said that
 * it holds nothing any more; otherwise it may hold more than that by now. */
gboolean bal_hold_grow (const BalJob *job,
                        BalAgentClient *agent,
                        const BalIncarnation *qemu,
                        const char *token,
                        guint64 bytes,
                        guint64 headroom_bytes,
                        guint64 *held_bytes);

/* Has all given back and waits until it is, at most some seconds. */
gboolean bal_hold_return (const BalJob *job, BalAgentClient *agent, GError **error);

G_END_DECLS
