/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

void
bal_guest_info_clear (BalGuestInfo *self)
{
  g_clear_pointer (&self->version, g_free);
  g_clear_pointer (&self->commands, g_hash_table_unref);
  self->lease_ms = 0;
}

static JsonObject *
build_command (const char *name, gboolean enabled)
{
  JsonObject *command = json_object_new ();

  json_object_set_string_member (command, "name", name);
  json_object_set_boolean_member (command, "enabled", enabled);
  json_object_set_boolean_member (command, "success-response", TRUE);
  return command;
}

JsonNode *
bal_guest_info_build (const BalGuestInfo *info)
{
  JsonObject *result = json_object_new ();
  JsonArray *commands = json_array_new ();
  GList *names = info->commands != NULL ? g_hash_table_get_keys (info->commands) : NULL;

  names = g_list_sort (names, (GCompareFunc)strcmp);
  for (GList *item = names; item != NULL; item = item->next)
    {
      gboolean enabled = GPOINTER_TO_INT (g_hash_table_lookup (info->commands, item->data));

      json_array_add_object_element (commands, build_command (item->data, enabled));
    }
  g_list_free (names);

  json_object_set_string_member (result, "version", info->version);
  json_object_set_array_member (result, "supported_commands", commands);
  if (info->lease_ms != 0)
    json_object_set_int_member (result, "lease-ms", (gint64)info->lease_ms);
  return bal_result_take (result);
}

static gboolean
parse_command (JsonNode *node, GHashTable *commands, GError **error)
{
  BalJsonReader reader;
  g_autofree char *name = NULL;
  gboolean enabled;
  gboolean success_response; /* qemu-ga's; nothing here depends on it */

  if (!bal_json_reader_result (node, &reader, error)
      || !bal_read_token (&reader, BAL_REQUIRED, "name", &name, error)
      || !bal_read_bool (&reader, BAL_REQUIRED, "enabled", &enabled, error)
      || !bal_read_bool (&reader, BAL_OPTIONAL, "success-response", &success_response, error))
    return FALSE;
  if (!g_hash_table_insert (commands, g_steal_pointer (&name), GINT_TO_POINTER (enabled)))
    return bal_read_fail (&reader, error, "\"supported_commands\" names a command twice");
  return TRUE;
}

gboolean
bal_guest_info_parse (JsonNode *result, BalGuestInfo *out, GError **error)
{
  g_auto (BalGuestInfo) info = {0};
  BalJsonReader reader;
  JsonArray *commands;

  memset (out, 0, sizeof *out);
  if (!bal_json_reader_result (result, &reader, error)
      || !bal_read_text (&reader, "version", &info.version, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "lease-ms", 0, BAL_HOLD_DEADLINE_MAX_MS,
                         &info.lease_ms, error)
      || !bal_read_array (&reader, "supported_commands", BAL_COMMANDS_MAX, &commands, error))
    return FALSE;
  info.commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < json_array_get_length (commands); i++)
    if (!parse_command (json_array_get_element (commands, i), info.commands, error))
      return FALSE;
  *out = info;
  memset (&info, 0, sizeof info);
  return TRUE;
}
