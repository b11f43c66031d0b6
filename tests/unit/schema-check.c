/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schema-check.h"

#include "json-literal.h"

/* One object inside of the message that is being tried. Exactly one of the two ends is set. */
typedef struct
{
  JsonObject *schema;
  JsonObject *object;
  const SchemaArguments *arguments; /* then @object is the whole of them */
  SchemaAccept accept;              /* then it takes @result */
  JsonNode *result;
} Trial;

JsonObject *
schema_load (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *schema;
  gsize length;

  g_file_get_contents (path, &text, &length, &error);
  g_assert_no_error (error);
  schema = bal_json_parse_line (text, length, &error);
  g_assert_no_error (error);
  return schema;
}

JsonObject *
schema_find (JsonArray *list, const char *key, const char *value)
{
  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      JsonObject *element = json_array_get_object_element (list, i);

      if (g_str_equal (json_object_get_string_member (element, key), value))
        return element;
    }
  g_error ("The schema has no %s \"%s\"", key, value);
}

static gboolean
is_accepted (const Trial *trial)
{
  g_autoptr (JsonObject) rebuilt = NULL;

  if (trial->accept != NULL)
    return trial->accept (trial->result);
  rebuilt = trial->arguments->rebuild (trial->object);
  return rebuilt != NULL;
}

/* Tries the message with member @name set to @value, or without it (NULL); then puts it back. */
static void
try_value (const Trial *trial, const char *name, JsonNode *value, gboolean expected)
{
  JsonNode *before = json_object_dup_member (trial->object, name);
  g_autofree char *shown = value != NULL ? json_to_string (value, FALSE) : g_strdup ("absent");

  if (value != NULL)
    json_object_set_member (trial->object, name, value);
  else
    json_object_remove_member (trial->object, name);
  if (is_accepted (trial) != expected)
    g_error ("\"%s\" %s is %s", name, shown, expected ? "refused" : "accepted");
  if (before != NULL)
    json_object_set_member (trial->object, name, before);
  else
    json_object_remove_member (trial->object, name);
}

static void
try_json (const Trial *trial, const char *name, const char *value, gboolean expected)
{
  g_autofree char *text = g_strdup_printf ("{'v':%s}", value);
  g_autoptr (JsonObject) holder = json_literal (text);

  try_value (trial, name, json_object_dup_member (holder, "v"), expected);
}

static void
try_int (const Trial *trial, const char *name, gint64 value, gboolean expected)
{
  try_value (trial, name, json_node_init_int (json_node_alloc (), value), expected);
}

static void
try_string (const Trial *trial, const char *name, const char *value, gboolean expected)
{
  try_value (trial, name, json_node_init_string (json_node_alloc (), value), expected);
}

static void
check_uint (const Trial *trial, JsonObject *member, const char *name)
{
  gint64 min = json_object_get_int_member (member, "minimum");
  gint64 max = json_object_get_int_member (member, "maximum");

  try_int (trial, name, min, TRUE);
  try_int (trial, name, max, TRUE);
  try_int (trial, name, min - 1, FALSE);
  try_int (trial, name, -1, FALSE);
  try_int (trial, name, G_MININT64, FALSE);
  if (max < G_MAXINT64)
    {
      try_int (trial, name, max + 1, FALSE);
      try_int (trial, name, G_MAXINT64, FALSE);
    }
  if (json_object_get_boolean_member_with_default (member, "power-of-two", FALSE))
    try_int (trial, name, 3 * 4096, FALSE);
}

static void
check_int64 (const Trial *trial, JsonObject *member, const char *name)
{
  try_int (trial, name, G_MININT64, TRUE);
  try_int (trial, name, G_MAXINT64, TRUE);
}

static void
check_bool (const Trial *trial, JsonObject *member, const char *name)
{
  try_json (trial, name, "true", TRUE);
  try_json (trial, name, "false", TRUE);
  try_int (trial, name, 1, FALSE);
}

static void
check_token (const Trial *trial, JsonObject *member, const char *name)
{
  g_autofree char *longest = g_strnfill (BAL_TOKEN_MAX_CHARS, 'x');
  g_autofree char *too_long = g_strnfill (BAL_TOKEN_MAX_CHARS + 1, 'x');

  try_string (trial, name, "AZaz09._-", TRUE);
  try_string (trial, name, longest, TRUE);
  try_string (trial, name, too_long, FALSE);
  try_string (trial, name, "", FALSE);
  try_string (trial, name, "a b", FALSE);
  try_string (trial, name, "a/b", FALSE);
  try_string (trial, name, "a\n", FALSE);
  try_string (trial, name, "\xc3\xa4", FALSE);
}

static void
check_text (const Trial *trial, JsonObject *member, const char *name)
{
  g_autofree char *very_long = g_strnfill (10 * BAL_STRING_MAX_CHARS, 'x');

  try_string (trial, name, "", TRUE);
  try_string (trial, name, "a b\n", TRUE);
  try_string (trial, name, very_long, TRUE);
}

static void
check_enum (const Trial *trial, JsonObject *member, const char *name)
{
  JsonArray *values = json_object_get_array_member (member, "values");
  gboolean is_open = json_object_get_boolean_member_with_default (member, "open", FALSE);

  for (guint i = 0; i < json_array_get_length (values); i++)
    try_string (trial, name, json_array_get_string_element (values, i), TRUE);
  try_string (trial, name, "later", is_open);
}

static void
check_range_list (const Trial *trial, JsonObject *member, const char *name)
{
  /* `next` of the sample is 1: only a list that ends there goes with it. */
  try_json (trial, name, "[[0,1]]", TRUE);
  try_json (trial, name, "[[0,1],[0,1]]", FALSE);
  try_json (trial, name, "[[0]]", FALSE);
  try_json (trial, name, "[{}]", FALSE);
}

/* --- the types of VFs --- */

static void
check_uuid (const Trial *trial, JsonObject *member, const char *name)
{
  try_string (trial, name, "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f", TRUE);
  try_string (trial, name, "6D1F0C2A-0F9E-4B0E-9C55-0A1B2C3D4E5F", TRUE);
  try_string (trial, name, "6d1f0c2a0f9e4b0e9c550a1b2c3d4e5f", FALSE);
  try_string (trial, name, "", FALSE);
}

static void
check_bandwidth (const Trial *trial, JsonObject *member, const char *name)
{
  try_string (trial, name, "1Mbit", TRUE);
  try_string (trial, name, "2.5Gbit", TRUE);
  try_string (trial, name, "1000Gbit", TRUE);
  try_string (trial, name, "1000001Mbit", FALSE);
  try_string (trial, name, "0Mbit", FALSE);
  try_string (trial, name, "1.5Mbit", FALSE);
  try_string (trial, name, "1000", FALSE);
}

static void
check_mac (const Trial *trial, JsonObject *member, const char *name)
{
  try_string (trial, name, "52:54:00:12:34:56", TRUE);
  try_string (trial, name, "52:54:00:AB:CD:EF", TRUE);
  try_string (trial, name, "01:00:5e:00:00:01", FALSE);
  try_string (trial, name, "00:00:00:00:00:00", FALSE);
  try_string (trial, name, "52:54:00:12:34", FALSE);
}

static void
check_device (const Trial *trial, JsonObject *member, const char *name)
{
  g_autofree char *longest = g_strnfill (32, 'x');
  g_autofree char *too_long = g_strnfill (33, 'x');

  try_string (trial, name, "0000:03:10.0", TRUE);
  try_string (trial, name, "enp3s0f0_@-9", TRUE);
  try_string (trial, name, longest, TRUE);
  try_string (trial, name, too_long, FALSE);
  try_string (trial, name, "", FALSE);
  try_string (trial, name, "..", FALSE);
  try_string (trial, name, "a/b", FALSE);
}

static void
check_alias (const Trial *trial, JsonObject *member, const char *name)
{
  g_autofree char *tail = g_strnfill (BAL_TOKEN_MAX_CHARS - 3, 'x');
  g_autofree char *longest = g_strconcat ("ua-", tail, NULL);
  g_autofree char *too_long = g_strconcat (longest, "x", NULL);

  try_string (trial, name, "ua-AZaz09_-", TRUE);
  try_string (trial, name, longest, TRUE);
  try_string (trial, name, too_long, FALSE);
  try_string (trial, name, "ua-", FALSE);
  try_string (trial, name, "net0", FALSE);
  try_string (trial, name, "ua-a.b", FALSE);
}

static void
check_numa (const Trial *trial, JsonObject *member, const char *name)
{
  try_string (trial, name, "domain", TRUE);
  try_string (trial, name, "0", FALSE);
  try_int (trial, name, 0, TRUE);
  try_int (trial, name, 1023, TRUE);
  try_int (trial, name, 1024, FALSE);
  try_int (trial, name, -1, FALSE);
}

static void check_members (const Trial *trial, JsonArray *documented);

static JsonArray *
members_of (JsonObject *schema, JsonObject *type)
{
  JsonObject *structures = json_object_get_object_member (schema, "structures");

  if (json_object_has_member (type, "members"))
    return json_object_get_array_member (type, "members");
  return json_object_get_array_member (structures,
                                       json_object_get_string_member (type, "structure"));
}

static void
check_object (const Trial *trial, JsonObject *member, const char *name)
{
  Trial inner = *trial;

  inner.object = json_object_get_object_member (trial->object, name);
  check_members (&inner, members_of (trial->schema, member));
  try_json (trial, name, "{}", FALSE);
}

static void
check_list (const Trial *trial, JsonObject *member, const char *name)
{
  Trial inner = *trial;
  JsonArray *list = json_object_get_array_member (trial->object, name);

  g_assert_cmpint (json_object_get_int_member (member, "maximum-length"), ==, BAL_COMMANDS_MAX);
  inner.object = json_array_get_object_element (list, 0);
  check_members (&inner, members_of (trial->schema, member));
  try_json (trial, name, "[]", TRUE);
  try_json (trial, name, "[{}]", FALSE);
}

typedef struct
{
  const char *type;
  const char *json; /* some value of it */
  void (*check) (const Trial *trial, JsonObject *member, const char *name);
} Type;

static const Type types[] = {
  {"uint", "1", check_uint},
  {"int64", "1", check_int64},
  {"bool", "true", check_bool},
  {"token", "'x'", check_token},
  {"text", "'x'", check_text},
  {"enum", "'x'", check_enum},
  {"object", "{}", check_object},
  {"list", "[]", check_list},
  {"range-list", "[]", check_range_list},
  {"uuid", "'x'", check_uuid},
  {"bandwidth", "'x'", check_bandwidth},
  {"mac", "'x'", check_mac},
  {"device", "'x'", check_device},
  {"numa", "1", check_numa},
  {"alias", "'x'", check_alias},
};

static const Type *
find_type (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].type, name))
      return &types[i];
  g_error ("The schema uses a type \"%s\" that it does not have", name);
}

/* Each JSON value of another type than the member's is refused. */
static void
check_wrong_types (const Trial *trial, const Type *type, const char *name)
{
  static const char *const values[] = {"null", "1",  "1.0", "1e3", "true",   "'x'",
                                       "'1'",  "[]", "[1]", "{}",  "{'a':1}"};

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      gboolean is_string = values[i][0] == '\'' && type->json[0] == '\'';
      gboolean is_array = values[i][0] == '[' && type->json[0] == '[';
      gboolean is_object = values[i][0] == '{' && type->json[0] == '{';

      if (!is_string && !is_array && !is_object && !g_str_equal (values[i], type->json))
        try_json (trial, name, values[i], FALSE);
    }
}

static void
check_member (const Trial *trial, JsonObject *member)
{
  const char *name = json_object_get_string_member (member, "name");
  const Type *type = find_type (json_object_get_string_member (member, "type"));

  g_assert_cmpstr (json_object_get_string_member (member, "since"), ==, "0.1");
  g_assert_true (json_object_has_member (member, "doc"));
  type->check (trial, member, name);
  check_wrong_types (trial, type, name);
  try_value (trial, name, NULL, !json_object_get_boolean_member (member, "required"));
}

/* The object at hand has each documented member and no other. */
static void
check_members (const Trial *trial, JsonArray *documented)
{
  g_autoptr (GList) names = json_object_get_members (trial->object);

  for (GList *item = names; item != NULL; item = item->next)
    schema_find (documented, "name", item->data);
  g_assert_cmpuint (g_list_length (names), ==, json_array_get_length (documented));
  for (guint i = 0; i < json_array_get_length (documented); i++)
    check_member (trial, json_array_get_object_element (documented, i));
  try_json (trial, "x-not-documented", "1", trial->accept != NULL);
}

void
schema_check_result (JsonObject *schema, JsonObject *returns, JsonNode *sample, SchemaAccept accept)
{
  Trial trial = {.schema = schema,
                 .object = json_node_get_object (sample),
                 .accept = accept,
                 .result = sample};

  g_assert_true (accept (sample));
  check_members (&trial, members_of (schema, returns));
}

/* Left out, an argument means its default. */
static void
check_default (const SchemaArguments *arguments, JsonObject *member)
{
  g_autoptr (JsonObject) without = json_literal (arguments->least);
  g_autoptr (JsonObject) with = json_literal (arguments->least);

  if (!json_object_has_member (member, "default"))
    return;
  json_object_set_member (with, json_object_get_string_member (member, "name"),
                          json_object_dup_member (member, "default"));
  g_autoptr (JsonObject) rebuilt = arguments->rebuild (without);
  g_autoptr (JsonObject) rebuilt_with = arguments->rebuild (with);
  g_assert_true (json_object_equal (rebuilt, rebuilt_with));
}

void
schema_check_arguments (JsonArray *documented, const SchemaArguments *arguments)
{
  g_autoptr (JsonObject) least = json_literal (arguments->least);
  Trial trial = {.object = least, .arguments = arguments};

  g_assert_true (is_accepted (&trial));
  for (guint i = 0; i < json_array_get_length (documented); i++)
    {
      JsonObject *member = json_array_get_object_element (documented, i);

      check_member (&trial, member);
      check_default (arguments, member);
    }
  try_json (&trial, "x-not-documented", "1", FALSE);
}
