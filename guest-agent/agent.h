/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agent: a single-threaded main loop around the channel, from start to SIGTERM.
 *
 * Failure: one sentence; whatever was held has been given back.
 */
#pragma once

#include "guest-agent/config.h"

G_BEGIN_DECLS

/* Gives up privileges, serves @channel_path until SIGTERM or SIGINT, or until the channel is lost.
 * FALSE when it could not begin to. */
gboolean bal_agent_run (const char *channel_path, const BalAgentConfig *config, GError **error);

G_END_DECLS
