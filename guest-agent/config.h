/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Config: the agent's config file, a GKeyFile.
 *
 * Ownership: bal_agent_config_clear() frees what the struct points to.
 * Failure: G_KEY_FILE_ERROR or G_FILE_ERROR, one sentence that names the file; unknown groups,
 * unknown keys and values out of range are errors. The output is then cleared.
 */
#pragma once

#include "guest-agent/hold.h"

G_BEGIN_DECLS

#define BAL_AGENT_CONFIG_PATH "/etc/ballast/ballast-agent.conf"

typedef struct
{
  char **allow; /* command names; NULL: all */
  char **block; /* command names, or NULL */
  BalHoldLimits hold;
} BalAgentConfig;

void bal_agent_config_clear (BalAgentConfig *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalAgentConfig, bal_agent_config_clear)

/* @must_exist: FALSE takes the defaults when there is no such file. */
gboolean
bal_agent_config_load (const char *path, gboolean must_exist, BalAgentConfig *out, GError **error);

/* Whether a host may use @command. */
gboolean bal_agent_config_allows (const BalAgentConfig *self, const char *command);

G_END_DECLS
