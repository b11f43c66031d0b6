/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/commands.h"

#include "guest-agent/free-ranges.h"
#include "guest-agent/memory-info.h"
#include "guest-agent/trim.h"

typedef JsonNode *(*CommandFunc) (BalAgentState *state, JsonObject *arguments, GError **error);

typedef struct
{
  const char *name;
  CommandFunc run;
  gboolean basic;
} Command;

static JsonNode *
run_sync (BalAgentState *state, JsonObject *arguments, GError **error)
{
  gint64 id;

  if (!bal_sync_arguments_parse (arguments, &id, error))
    return NULL;
  return json_node_init_int (json_node_alloc (), id);
}

static JsonNode *
run_ping (BalAgentState *state, JsonObject *arguments, GError **error)
{
  g_autoptr (JsonObject) nothing = json_object_new ();

  if (!bal_no_arguments_parse (arguments, error))
    return NULL;
  return json_node_init_object (json_node_alloc (), nothing);
}

static JsonNode *run_info (BalAgentState *state, JsonObject *arguments, GError **error);

static JsonNode *
run_memory_info (BalAgentState *state, JsonObject *arguments, GError **error)
{
  g_auto (BalMemoryInfo) info = {0};

  if (!bal_no_arguments_parse (arguments, error)
      || !bal_memory_info_read (state->root, &state->facts, &state->config->hold,
                                bal_hold_held_bytes (state->hold), &info, error))
    return NULL;
  return bal_memory_info_build (&info);
}

static JsonNode *
run_free_ranges (BalAgentState *state, JsonObject *arguments, GError **error)
{
  BalFreeRangesArguments parsed;
  g_auto (BalFreeRanges) page = {0};

  if (!bal_free_ranges_arguments_parse (arguments, &parsed, error)
      || !bal_free_ranges_scan (state->root, &parsed, &page, error))
    return NULL;
  return bal_free_ranges_build (&page);
}

static JsonNode *
build_status (BalAgentState *state)
{
  g_auto (BalHoldStatus) status = {0};

  bal_hold_get_status (state->hold, &status);
  return bal_hold_status_build (&status);
}

static JsonNode *
run_hold (BalAgentState *state, JsonObject *arguments, GError **error)
{
  g_auto (BalHoldArguments) parsed = {0};

  if (!bal_hold_arguments_parse (arguments, &parsed, error)
      || !bal_hold_request (state->hold, &parsed, error))
    return NULL;
  return build_status (state);
}

static JsonNode *
run_hold_status (BalAgentState *state, JsonObject *arguments, GError **error)
{
  BalHoldStatusArguments parsed;
  g_auto (BalHoldStatus) status = {0};

  if (!bal_hold_status_arguments_parse (arguments, &parsed, error))
    return NULL;
  bal_hold_get_status (state->hold, &status);
  status.has_ranges = parsed.want_ranges;
  if (parsed.want_ranges && !bal_hold_get_ranges (state->hold, parsed.from, &status.ranges, error))
    return NULL;
  return bal_hold_status_build (&status);
}

static JsonNode *
run_return (BalAgentState *state, JsonObject *arguments, GError **error)
{
  if (!bal_no_arguments_parse (arguments, error))
    return NULL;
  bal_hold_return (state->hold);
  return build_status (state);
}

static JsonNode *
run_trim (BalAgentState *state, JsonObject *arguments, GError **error)
{
  g_auto (BalTrim) trim = {0};
  guint64 bytes;

  if (!bal_trim_arguments_parse (arguments, &bytes, error)
      || !bal_trim (state->root, bytes, &trim, error))
    return NULL;
  return bal_trim_build (&trim);
}

static const Command commands[] = {
  {BAL_COMMAND_SYNC_DELIMITED, run_sync, TRUE},
  {BAL_COMMAND_SYNC, run_sync, TRUE},
  {BAL_COMMAND_PING, run_ping, TRUE},
  {BAL_COMMAND_INFO, run_info, TRUE},
  {BAL_COMMAND_MEMORY_INFO, run_memory_info, FALSE},
  {BAL_COMMAND_FREE_RANGES, run_free_ranges, FALSE},
  {BAL_COMMAND_HOLD, run_hold, FALSE},
  {BAL_COMMAND_HOLD_STATUS, run_hold_status, FALSE},
  /* Giving back is always allowed. */
  {BAL_COMMAND_RETURN, run_return, TRUE},
  {BAL_COMMAND_TRIM, run_trim, FALSE},
};

static const Command *
find_command (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return &commands[i];
  return NULL;
}

static JsonNode *
run_info (BalAgentState *state, JsonObject *arguments, GError **error)
{
  g_auto (BalGuestInfo) info = {0};

  if (!bal_no_arguments_parse (arguments, error))
    return NULL;
  info.version = g_strdup (BAL_VERSION);
  info.lease_ms = state->config->hold.lease_ms;
  info.commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    g_hash_table_insert (info.commands, g_strdup (commands[i].name),
                         GINT_TO_POINTER (
                           bal_agent_config_allows (state->config, commands[i].name)));
  return bal_guest_info_build (&info);
}

gboolean
bal_command_exists (const char *name)
{
  return find_command (name) != NULL;
}

gboolean
bal_command_is_basic (const char *name)
{
  const Command *command = find_command (name);

  return command != NULL && command->basic;
}

JsonNode *
bal_command_run (BalAgentState *state, const char *name, JsonObject *arguments, GError **error)
{
  const Command *command = find_command (name);

  if (command == NULL)
    {
      g_autofree char *shown = bal_escape_for_display (name);

      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND,
                   "The command %s has not been found", shown);
      return NULL;
    }
  if (!bal_agent_config_allows (state->config, name))
    {
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND,
                   "The command %s has been disabled in this guest's config", name);
      return NULL;
    }
  return command->run (state, arguments, error);
}
