/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands: the table of commands that the agent serves, and what they do.
 *
 * Ownership: BalAgentState is the caller's and outlives the calls. Results are new nodes.
 * Failure: BAL_PROTOCOL_ERROR.
 */
#pragma once

#include "guest-agent/config.h"
#include "guest-agent/hold.h"
#include "guest-agent/kernel-facts.h"
#include "protocol/messages.h"

G_BEGIN_DECLS

/* What commands work on. Nothing of it is theirs. */
typedef struct
{
  const char *root; /* "" for the running kernel */
  const BalAgentConfig *config;
  BalKernelFacts facts;
  BalHold *hold;
} BalAgentState;

gboolean bal_command_exists (const char *name);

/* Commands that no config can take away: without them no host could tell what is there. */
gboolean bal_command_is_basic (const char *name);

/* Runs @name. CommandNotFound when there is no such command or the config blocks it. */
JsonNode *
bal_command_run (BalAgentState *state, const char *name, JsonObject *arguments, GError **error);

G_END_DECLS
