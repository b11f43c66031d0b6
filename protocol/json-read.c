/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"

#include "protocol/codec.h"
#include "protocol/limits.h"
#include "protocol/messages.h"

#include <string.h>

BalJsonReader
bal_json_reader_arguments (JsonObject *arguments)
{
  return (BalJsonReader){arguments, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT,
                         "Argument"};
}

BalJsonReader
bal_json_reader_request (JsonObject *line)
{
  return (BalJsonReader){line, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC, "Request member"};
}

BalJsonReader
bal_json_reader_reply (JsonObject *line)
{
  return (BalJsonReader){line, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT, "Reply member"};
}

gboolean
bal_json_reader_result (JsonNode *result, BalJsonReader *out, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (result))
    {
      g_set_error_literal (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT,
                           "Reply member \"return\" is not an object");
      return FALSE;
    }
  *out = bal_json_reader_reply (json_node_get_object (result));
  return TRUE;
}

gboolean
bal_read_fail (const BalJsonReader *self, GError **error, const char *format, ...)
{
  g_autofree char *problem = NULL;
  va_list arguments;

  va_start (arguments, format);
  problem = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, self->domain, self->code, "%s %s", self->what, problem);
  return FALSE;
}

gboolean
bal_read_only (const BalJsonReader *self, const char *const *allowed, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (self->object);

  for (GList *item = names; item != NULL; item = item->next)
    {
      if (!g_strv_contains (allowed, item->data))
        {
          g_autofree char *name = bal_escape_for_display (item->data);

          return bal_read_fail (self, error, "\"%s\" is not known", name);
        }
    }
  return TRUE;
}

/* *@node is NULL when an optional member is absent. */
static gboolean
find_member (const BalJsonReader *self,
             BalPresence presence,
             const char *name,
             JsonNode **node,
             GError **error)
{
  *node = json_object_get_member (self->object, name);
  if (*node == NULL && presence == BAL_REQUIRED)
    return bal_read_fail (self, error, "\"%s\" is missing", name);
  return TRUE;
}

static gboolean
holds (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

gboolean
bal_read_uint (const BalJsonReader *self,
               BalPresence presence,
               const char *name,
               guint64 min,
               guint64 max,
               guint64 *out,
               GError **error)
{
  JsonNode *node;
  gint64 value = -1; /* as unsigned, any negative one is above @max */

  if (!find_member (self, presence, name, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (holds (node, G_TYPE_INT64))
    value = json_node_get_int (node);
  if ((guint64)value < min || (guint64)value > max)
    return bal_read_fail (self, error,
                          "\"%s\" is not an integer from %" G_GUINT64_FORMAT
                          " to %" G_GUINT64_FORMAT,
                          name, min, max);
  *out = (guint64)value;
  return TRUE;
}

gboolean
bal_read_int (const BalJsonReader *self, const char *name, gint64 *out, GError **error)
{
  JsonNode *node;

  if (!find_member (self, BAL_REQUIRED, name, &node, error))
    return FALSE;
  if (!holds (node, G_TYPE_INT64))
    return bal_read_fail (self, error, "\"%s\" is not an integer", name);
  *out = json_node_get_int (node);
  return TRUE;
}

gboolean
bal_read_bool (
  const BalJsonReader *self, BalPresence presence, const char *name, gboolean *out, GError **error)
{
  JsonNode *node;

  if (!find_member (self, presence, name, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!holds (node, G_TYPE_BOOLEAN))
    return bal_read_fail (self, error, "\"%s\" is not true or false", name);
  *out = json_node_get_boolean (node);
  return TRUE;
}

static gboolean
is_token (const char *text)
{
  gsize length = strlen (text);

  if (length == 0 || length > BAL_TOKEN_MAX_CHARS)
    return FALSE;
  for (; *text != '\0'; text++)
    if (!g_ascii_isalnum (*text) && strchr ("._-", *text) == NULL)
      return FALSE;
  return TRUE;
}

gboolean
bal_read_token (
  const BalJsonReader *self, BalPresence presence, const char *name, char **out, GError **error)
{
  JsonNode *node;

  if (!find_member (self, presence, name, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!holds (node, G_TYPE_STRING) || !is_token (json_node_get_string (node)))
    return bal_read_fail (self, error, "\"%s\" is not 1 to %u characters of [A-Za-z0-9._-]", name,
                          BAL_TOKEN_MAX_CHARS);
  *out = json_node_dup_string (node);
  return TRUE;
}

gboolean
bal_read_text (const BalJsonReader *self, const char *name, char **out, GError **error)
{
  JsonNode *node;

  if (!find_member (self, BAL_REQUIRED, name, &node, error))
    return FALSE;
  if (!holds (node, G_TYPE_STRING))
    return bal_read_fail (self, error, "\"%s\" is not a string", name);
  *out = bal_escape_for_display (json_node_get_string (node));
  return TRUE;
}

gboolean
bal_read_array (
  const BalJsonReader *self, const char *name, guint max_length, JsonArray **out, GError **error)
{
  JsonNode *node;

  if (!find_member (self, BAL_REQUIRED, name, &node, error))
    return FALSE;
  if (!JSON_NODE_HOLDS_ARRAY (node)
      || json_array_get_length (json_node_get_array (node)) > max_length)
    return bal_read_fail (self, error, "\"%s\" is not an array of at most %u elements", name,
                          max_length);
  *out = json_node_get_array (node);
  return TRUE;
}

gboolean
bal_read_object (const BalJsonReader *self,
                 BalPresence presence,
                 const char *name,
                 BalJsonReader *out,
                 GError **error)
{
  JsonNode *node;

  if (!find_member (self, presence, name, &node, error))
    return FALSE;
  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return bal_read_fail (self, error, "\"%s\" is not an object", name);
  *out = *self;
  out->object = json_node_get_object (node);
  return TRUE;
}

JsonNode *
bal_result_take (JsonObject *content)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, content);
  return node;
}
