/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

G_DEFINE_QUARK (bal_protocol_error, bal_protocol_error)

static const char *const error_classes[] = {
  [BAL_PROTOCOL_ERROR_GENERIC] = "GenericError",
  [BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
  [BAL_PROTOCOL_ERROR_INVALID_ARGUMENT] = "InvalidArgument",
  [BAL_PROTOCOL_ERROR_HOLD_REFUSED] = "HoldRefused",
  [BAL_PROTOCOL_ERROR_HOLD_BUSY] = "HoldBusy",
};

const char *
bal_protocol_error_class (BalProtocolError code)
{
  g_assert ((guint)code < G_N_ELEMENTS (error_classes));
  return error_classes[code];
}

BalProtocolError
bal_protocol_error_from_class (const char *error_class)
{
  for (guint i = 0; i < G_N_ELEMENTS (error_classes); i++)
    if (g_str_equal (error_class, error_classes[i]))
      return (BalProtocolError)i;
  return BAL_PROTOCOL_ERROR_GENERIC;
}

void
bal_request_clear (BalRequest *self)
{
  g_clear_pointer (&self->command, g_free);
  g_clear_pointer (&self->arguments, json_object_unref);
  g_clear_pointer (&self->id, json_node_unref);
}

/* NB: json-glib 1.6 writes 1e98 as 1e+98.0, which is not JSON: an id with such a number in it would
 * make a line of the reply that nobody can read. */
static gboolean
can_be_echoed (JsonNode *id)
{
  g_autoptr (JsonObject) holder = json_object_new ();
  g_autoptr (JsonObject) again = NULL;
  g_autofree char *line = NULL;
  gsize length;

  json_object_set_member (holder, "id", json_node_copy (id));
  line = bal_json_to_line (holder, FALSE, &length);
  again = bal_json_parse_line (line, length, NULL);
  return again != NULL;
}

gboolean
bal_request_parse (JsonObject *line, BalRequest *out, GError **error)
{
  static const char *const allowed[] = {"execute", "arguments", "id", NULL};
  BalJsonReader reader = bal_json_reader_request (line);
  BalJsonReader arguments = {.object = NULL};
  g_autofree char *command = NULL;

  memset (out, 0, sizeof *out);
  out->id = json_object_dup_member (line, "id");
  if (out->id != NULL && !can_be_echoed (out->id))
    {
      g_clear_pointer (&out->id, json_node_unref);
      return bal_read_fail (&reader, error, "\"id\" holds a number that cannot be echoed");
    }
  if (!bal_read_only (&reader, allowed, error)
      || !bal_read_text (&reader, "execute", &command, error)
      || !bal_read_object (&reader, BAL_OPTIONAL, "arguments", &arguments, error))
    return FALSE;
  out->command = g_steal_pointer (&command);
  out->arguments =
    arguments.object != NULL ? json_object_ref (arguments.object) : json_object_new ();
  return TRUE;
}

static void
add_id (JsonObject *line, JsonNode *id)
{
  if (id != NULL)
    json_object_set_member (line, "id", json_node_copy (id));
}

JsonObject *
bal_request_build (const char *command, JsonObject *arguments, JsonNode *id)
{
  JsonObject *line = json_object_new ();

  json_object_set_string_member (line, "execute", command);
  if (arguments != NULL)
    json_object_set_object_member (line, "arguments", json_object_ref (arguments));
  add_id (line, id);
  return line;
}

JsonObject *
bal_reply_build (JsonNode *result, JsonNode *id)
{
  JsonObject *line = json_object_new ();

  json_object_set_member (line, "return", result);
  add_id (line, id);
  return line;
}

JsonObject *
bal_reply_build_error (const GError *failure, JsonNode *id)
{
  JsonObject *line = json_object_new ();
  JsonObject *content = json_object_new ();
  BalProtocolError code = BAL_PROTOCOL_ERROR_GENERIC;
  /* NB: an error of another library may quote a file name, which need not be UTF-8. */
  g_autofree char *text = g_utf8_make_valid (failure->message, -1);

  if (failure->domain == BAL_PROTOCOL_ERROR)
    code = (BalProtocolError)failure->code;
  json_object_set_string_member (content, "class", bal_protocol_error_class (code));
  json_object_set_string_member (content, "desc", text);
  json_object_set_object_member (line, "error", content);
  add_id (line, id);
  return line;
}

/* Sets @error to what the peer reported. */
static void
read_peer_error (const BalJsonReader *reply, GError **error)
{
  BalJsonReader content;
  g_autofree char *error_class = NULL;
  g_autofree char *text = NULL;

  if (!bal_read_object (reply, BAL_REQUIRED, "error", &content, error)
      || !bal_read_text (&content, "class", &error_class, error)
      || !bal_read_text (&content, "desc", &text, error))
    return;
  g_set_error_literal (error, BAL_PROTOCOL_ERROR, (int)bal_protocol_error_from_class (error_class),
                       text);
}

JsonNode *
bal_reply_parse (JsonObject *line, GError **error)
{
  BalJsonReader reader = bal_json_reader_reply (line);
  JsonNode *result = json_object_get_member (line, "return");

  if (result == NULL)
    {
      read_peer_error (&reader, error);
      return NULL;
    }
  if (json_object_has_member (line, "error"))
    {
      bal_read_fail (&reader, error, "\"return\" stands beside \"error\"");
      return NULL;
    }
  return result;
}

gint64
bal_reply_id (JsonObject *line)
{
  JsonNode *id = json_object_get_member (line, "id");

  if (id == NULL || !JSON_NODE_HOLDS_VALUE (id) || json_node_get_value_type (id) != G_TYPE_INT64)
    return -1;
  return json_node_get_int (id);
}

gboolean
bal_sync_arguments_parse (JsonObject *arguments, gint64 *id, GError **error)
{
  static const char *const allowed[] = {"id", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);

  return bal_read_only (&reader, allowed, error) && bal_read_int (&reader, "id", id, error);
}

JsonObject *
bal_sync_arguments_build (gint64 id)
{
  JsonObject *arguments = json_object_new ();

  json_object_set_int_member (arguments, "id", id);
  return arguments;
}

gboolean
bal_no_arguments_parse (JsonObject *arguments, GError **error)
{
  static const char *const allowed[] = {NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);

  return bal_read_only (&reader, allowed, error);
}
