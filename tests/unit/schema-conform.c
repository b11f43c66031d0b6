/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schema-conform.h"

#include "host-hook/vf-value.h"
#include "schema-check.h"

#include <string.h>

static gboolean
is_of (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

static gboolean
is_text_that (JsonNode *node,
              gboolean (*parse) (const char *name, const char *text, char **out, GError **error))
{
  g_autofree char *value = NULL;

  return is_of (node, G_TYPE_STRING) && parse ("x", json_node_get_string (node), &value, NULL);
}

static gboolean
is_in_range (JsonObject *member, JsonNode *node)
{
  return is_of (node, G_TYPE_INT64)
         && json_node_get_int (node) >= json_object_get_int_member (member, "minimum")
         && json_node_get_int (node) <= json_object_get_int_member (member, "maximum");
}

static gboolean
is_one_of (JsonObject *member, JsonNode *node)
{
  JsonArray *values = json_object_get_array_member (member, "values");

  for (guint i = 0; is_of (node, G_TYPE_STRING) && i < json_array_get_length (values); i++)
    if (strcmp (json_array_get_string_element (values, i), json_node_get_string (node)) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_list (JsonObject *schema, JsonObject *member, JsonNode *node, GHashTable *seen)
{
  JsonArray *list;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  list = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (list); i++)
    schema_conforms (schema, member, json_array_get_object_element (list, i), seen);
  return json_array_get_length (list)
         <= (guint)json_object_get_int_member (member, "maximum-length");
}

static gboolean
is_object (JsonObject *schema, JsonObject *member, JsonNode *node, GHashTable *seen)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  schema_conforms (schema, member, json_node_get_object (node), seen);
  return TRUE;
}

static gboolean
is_right (JsonObject *schema, JsonObject *member, JsonNode *node, GHashTable *seen)
{
  const char *type = json_object_get_string_member (member, "type");

  if (strcmp (type, "uint") == 0)
    return is_in_range (member, node);
  if (strcmp (type, "bool") == 0)
    return is_of (node, G_TYPE_BOOLEAN);
  if (strcmp (type, "text") == 0)
    return is_of (node, G_TYPE_STRING);
  if (strcmp (type, "enum") == 0)
    return is_one_of (member, node);
  if (strcmp (type, "token") == 0)
    return is_text_that (node, bal_vf_parse_token);
  if (strcmp (type, "uuid") == 0)
    return is_text_that (node, bal_vf_parse_uuid);
  if (strcmp (type, "mac") == 0)
    return is_text_that (node, bal_vf_parse_mac);
  if (strcmp (type, "device") == 0)
    return is_text_that (node, bal_vf_parse_device);
  if (strcmp (type, "alias") == 0)
    return is_text_that (node, bal_vf_parse_alias);
  if (strcmp (type, "list") == 0)
    return is_list (schema, member, node, seen);
  if (strcmp (type, "object") == 0)
    return is_object (schema, member, node, seen);
  g_error ("There is no type %s for results", type);
}

/* Of "members" or of a "structure". */
static JsonArray *
members_of (JsonObject *schema, JsonObject *type)
{
  if (json_object_has_member (type, "members"))
    return json_object_get_array_member (type, "members");
  return json_object_get_array_member (json_object_get_object_member (schema, "structures"),
                                       json_object_get_string_member (type, "structure"));
}

static void
see (GHashTable *seen, JsonObject *type, const char *name)
{
  if (seen != NULL && json_object_has_member (type, "structure"))
    g_hash_table_add (seen,
                      g_strdup_printf ("%s.%s", json_object_get_string_member (type, "structure"),
                                       name));
}

void
schema_conforms (JsonObject *schema, JsonObject *type, JsonObject *object, GHashTable *seen)
{
  JsonArray *documented = members_of (schema, type);
  g_autoptr (GList) names = json_object_get_members (object);

  for (const GList *name = names; name != NULL; name = name->next)
    {
      JsonObject *member = schema_find (documented, "name", name->data);

      if (!is_right (schema, member, json_object_get_member (object, name->data), seen))
        g_error ("\"%s\" is not what the schema says", (const char *)name->data);
      see (seen, type, name->data);
    }
  for (guint i = 0; i < json_array_get_length (documented); i++)
    {
      JsonObject *member = json_array_get_object_element (documented, i);
      const char *name = json_object_get_string_member (member, "name");

      if (json_object_get_boolean_member (member, "required")
          && !json_object_has_member (object, name))
        g_error ("\"%s\" is missing", name);
    }
}

void
schema_assert_all_seen (JsonObject *schema, const char *structure, GHashTable *seen)
{
  JsonArray *documented =
    json_object_get_array_member (json_object_get_object_member (schema, "structures"), structure);

  for (guint i = 0; i < json_array_get_length (documented); i++)
    {
      JsonObject *member = json_array_get_object_element (documented, i);
      g_autofree char *name =
        g_strdup_printf ("%s.%s", structure, json_object_get_string_member (member, "name"));

      if (!g_hash_table_contains (seen, name))
        g_error ("%s is documented, and never written", name);
    }
}
