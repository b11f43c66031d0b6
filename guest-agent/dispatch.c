/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/dispatch.h"

static gboolean
read_request (const char *line, gsize length_bytes, BalRequest *request, GError **error)
{
  if (line == NULL)
    {
      g_set_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_LIMIT,
                   "The request is longer than %u bytes", BAL_REQUEST_LINE_MAX_BYTES);
      return FALSE;
    }
  g_autoptr (JsonObject) object = bal_json_parse_line (line, length_bytes, error);

  return object != NULL && bal_request_parse (object, request, error);
}

char *
bal_dispatch (BalAgentState *state, const char *line, gsize length_bytes, gsize *reply_length_bytes)
{
  g_auto (BalRequest) request = {0};
  g_autoptr (GError) failure = NULL;
  g_autoptr (JsonObject) reply = NULL;
  JsonNode *result = NULL;

  if (read_request (line, length_bytes, &request, &failure))
    {
      bal_hold_renew_lease (state->hold);
      result = bal_command_run (state, request.command, request.arguments, &failure);
    }
  if (result != NULL)
    reply = bal_reply_build (result, request.id);
  else
    reply = bal_reply_build_error (failure, request.id);
  return bal_json_to_line (reply,
                           result != NULL
                             && g_str_equal (request.command, BAL_COMMAND_SYNC_DELIMITED),
                           reply_length_bytes);
}
