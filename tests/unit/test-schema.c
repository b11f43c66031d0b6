/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * schema.json says what the code does: each command, argument, result, limit and error class that
 * it documents is tried on the parsers and builders, and what it does not document is refused (an
 * argument) or ignored (a member of a result).
 */
#include "schema-check.h"

#include "protocol/limits.h"

typedef struct
{
  const char *name;
  guint64 value;
} Limit;

static const Limit limits[] = {
  {"request-line-max-bytes", BAL_REQUEST_LINE_MAX_BYTES},
  {"reply-line-max-bytes", BAL_REPLY_LINE_MAX_BYTES},
  {"json-depth-max", BAL_JSON_DEPTH_MAX},
  {"json-values-max", BAL_JSON_VALUES_MAX},
  {"json-members-max", BAL_JSON_MEMBERS_MAX},
  {"ranges-per-reply-max", BAL_RANGES_PER_REPLY_MAX},
  {"range-pages-max", BAL_RANGE_PAGES_MAX},
  {"commands-max", BAL_COMMANDS_MAX},
  {"token-max-chars", BAL_TOKEN_MAX_CHARS},
  {"string-max-chars", BAL_STRING_MAX_CHARS},
  {"address-limit", BAL_ADDRESS_LIMIT},
  {"hold-deadline-min-ms", BAL_HOLD_DEADLINE_MIN_MS},
  {"hold-deadline-max-ms", BAL_HOLD_DEADLINE_MAX_MS},
  {"hold-lease-default-ms", BAL_HOLD_LEASE_DEFAULT_MS},
  {"headroom-min-bytes", BAL_HEADROOM_MIN_BYTES},
  {"headroom-percent", BAL_HEADROOM_PERCENT},
};

/* --- arguments: parsed and built again, or NULL when refused --- */

static JsonObject *
rebuild_sync (JsonObject *arguments)
{
  gint64 id;

  return bal_sync_arguments_parse (arguments, &id, NULL) ? bal_sync_arguments_build (id) : NULL;
}

static JsonObject *
rebuild_none (JsonObject *arguments)
{
  return bal_no_arguments_parse (arguments, NULL) ? json_object_new () : NULL;
}

static JsonObject *
rebuild_free_ranges (JsonObject *arguments)
{
  BalFreeRangesArguments parsed;

  return bal_free_ranges_arguments_parse (arguments, &parsed, NULL)
           ? bal_free_ranges_arguments_build (&parsed)
           : NULL;
}

static JsonObject *
rebuild_hold (JsonObject *arguments)
{
  g_auto (BalHoldArguments) parsed = {0};

  return bal_hold_arguments_parse (arguments, &parsed, NULL) ? bal_hold_arguments_build (&parsed)
                                                             : NULL;
}

static JsonObject *
rebuild_hold_status (JsonObject *arguments)
{
  BalHoldStatusArguments parsed;

  return bal_hold_status_arguments_parse (arguments, &parsed, NULL)
           ? bal_hold_status_arguments_build (&parsed)
           : NULL;
}

static JsonObject *
rebuild_trim (JsonObject *arguments)
{
  guint64 bytes;

  return bal_trim_arguments_parse (arguments, &bytes, NULL) ? bal_trim_arguments_build (bytes)
                                                            : NULL;
}

/* --- results: one with all members, and whether a changed one is accepted --- */

static JsonNode *
sample_guest_info (void)
{
  g_auto (BalGuestInfo) info = {.version = g_strdup ("1"), .lease_ms = 1};

  info.commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_insert (info.commands, g_strdup ("guest-ping"), GINT_TO_POINTER (TRUE));
  return bal_guest_info_build (&info);
}

static gboolean
accept_guest_info (JsonNode *result)
{
  g_auto (BalGuestInfo) info = {0};

  return bal_guest_info_parse (result, &info, NULL);
}

static JsonNode *
sample_memory_info (void)
{
  g_auto (BalMemoryInfo) info = {.page_bytes = 4096, .boot_id = g_strdup ("b"), .has_psi = TRUE};

  return bal_memory_info_build (&info);
}

static gboolean
accept_memory_info (JsonNode *result)
{
  g_auto (BalMemoryInfo) info = {0};

  return bal_memory_info_parse (result, &info, NULL);
}

static JsonNode *
sample_free_ranges (void)
{
  BalFreeRanges page = {.has_next = TRUE, .next = 1};

  return bal_free_ranges_build (&page);
}

static gboolean
accept_free_ranges (JsonNode *result)
{
  g_auto (BalFreeRanges) page = {0};

  return bal_free_ranges_parse (result, &page, NULL);
}

static JsonNode *
sample_hold_status (void)
{
  BalHoldStatus status = {.token = (char *)"t",
                          .has_ranges = TRUE,
                          .ranges = {.has_next = TRUE, .next = 1}};

  return bal_hold_status_build (&status);
}

static gboolean
accept_hold_status (JsonNode *result)
{
  g_auto (BalHoldStatus) status = {0};

  return bal_hold_status_parse (result, &status, NULL);
}

static JsonNode *
sample_trim (void)
{
  BalTrim trim = {.method = (char *)"drop_caches"};

  return bal_trim_build (&trim);
}

static gboolean
accept_trim (JsonNode *result)
{
  g_auto (BalTrim) trim = {0};

  return bal_trim_parse (result, &trim, NULL);
}

typedef struct
{
  const char *name;
  JsonObject *(*rebuild) (JsonObject *arguments);
  const char *arguments; /* the least that is accepted, with ' in place of " */
  JsonNode *(*sample) (void);
  gboolean (*accept) (JsonNode *result);
} Command;

static const Command commands[] = {
  {BAL_COMMAND_SYNC_DELIMITED, rebuild_sync, "{'id':1}", NULL, NULL},
  {BAL_COMMAND_SYNC, rebuild_sync, "{'id':1}", NULL, NULL},
  {BAL_COMMAND_PING, rebuild_none, "{}", NULL, NULL},
  {BAL_COMMAND_INFO, rebuild_none, "{}", sample_guest_info, accept_guest_info},
  {BAL_COMMAND_MEMORY_INFO, rebuild_none, "{}", sample_memory_info, accept_memory_info},
  {BAL_COMMAND_FREE_RANGES, rebuild_free_ranges, "{}", sample_free_ranges, accept_free_ranges},
  {BAL_COMMAND_HOLD, rebuild_hold, "{'bytes':1,'token':'t'}", sample_hold_status,
   accept_hold_status},
  {BAL_COMMAND_HOLD_STATUS, rebuild_hold_status, "{}", sample_hold_status, accept_hold_status},
  {BAL_COMMAND_RETURN, rebuild_none, "{}", sample_hold_status, accept_hold_status},
  {BAL_COMMAND_TRIM, rebuild_trim, "{'bytes':1}", sample_trim, accept_trim},
};

static void
test_limits (gconstpointer data)
{
  JsonArray *documented = json_object_get_array_member ((JsonObject *)data, "limits");

  g_assert_cmpuint (json_array_get_length (documented), ==, G_N_ELEMENTS (limits));
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      JsonObject *limit = schema_find (documented, "name", limits[i].name);

      g_assert_cmpuint ((guint64)json_object_get_int_member (limit, "value"), ==, limits[i].value);
    }
}

/* The table above has each limit of the header. */
static void
test_limits_are_complete (gconstpointer path)
{
  g_autofree char *text = NULL;
  g_autoptr (GRegex) regex = g_regex_new ("^#define BAL_(\\w+)", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  guint count = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  for (g_regex_match (regex, text, 0, &match); g_match_info_matches (match);
       g_match_info_next (match, NULL))
    {
      g_autofree char *macro = g_match_info_fetch (match, 1);
      g_autofree char *name = g_ascii_strdown (g_strdelimit (macro, "_", '-'), -1);
      gboolean is_listed = g_str_equal (name, "channel-name");

      for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
        is_listed |= g_str_equal (name, limits[i].name);
      g_assert_true (is_listed);
      count++;
    }
  g_assert_cmpuint (count, ==, G_N_ELEMENTS (limits) + 1);
}

static void
test_errors (gconstpointer data)
{
  JsonArray *documented = json_object_get_array_member ((JsonObject *)data, "errors");

  g_assert_cmpuint (json_array_get_length (documented), ==, BAL_PROTOCOL_ERROR_HOLD_BUSY + 1);
  for (int code = 0; code <= BAL_PROTOCOL_ERROR_HOLD_BUSY; code++)
    schema_find (documented, "class", bal_protocol_error_class ((BalProtocolError)code));
}

static void
test_channel (gconstpointer data)
{
  g_assert_cmpstr (json_object_get_string_member ((JsonObject *)data, "channel"), ==,
                   BAL_CHANNEL_NAME);
}

static void
test_commands (gconstpointer data)
{
  JsonObject *schema = (JsonObject *)data;
  JsonArray *documented = json_object_get_array_member (schema, "commands");
  JsonArray *errors = json_object_get_array_member (schema, "errors");

  g_assert_cmpuint (json_array_get_length (documented), ==, G_N_ELEMENTS (commands));
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      JsonObject *command = schema_find (documented, "name", commands[i].name);
      JsonArray *raised = json_object_get_array_member (command, "errors");

      g_assert_cmpstr (json_object_get_string_member (command, "since"), ==, "0.1");
      for (guint j = 0; j < json_array_get_length (raised); j++)
        schema_find (errors, "class", json_array_get_string_element (raised, j));
    }
}

static void
test_arguments (gconstpointer data)
{
  JsonArray *documented = json_object_get_array_member ((JsonObject *)data, "commands");

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      JsonObject *command = schema_find (documented, "name", commands[i].name);
      SchemaArguments check = {commands[i].rebuild, commands[i].arguments};

      g_test_message ("%s", commands[i].name);
      schema_check_arguments (json_object_get_array_member (command, "arguments"), &check);
    }
}

static void
test_results (gconstpointer data)
{
  JsonObject *schema = (JsonObject *)data;
  JsonArray *documented = json_object_get_array_member (schema, "commands");

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      JsonObject *command = schema_find (documented, "name", commands[i].name);
      JsonObject *returns = json_object_get_object_member (command, "returns");

      g_test_message ("%s", commands[i].name);
      if (commands[i].sample == NULL)
        continue;
      g_autoptr (JsonNode) sample = commands[i].sample ();
      schema_check_result (schema, returns, sample, commands[i].accept);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonObject) schema = NULL;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  schema = schema_load (argv[1]);
  g_test_add_data_func ("/schema/channel", schema, test_channel);
  g_test_add_data_func ("/schema/limits", schema, test_limits);
  g_test_add_data_func ("/schema/limits-are-complete", argv[2], test_limits_are_complete);
  g_test_add_data_func ("/schema/errors", schema, test_errors);
  g_test_add_data_func ("/schema/commands", schema, test_commands);
  g_test_add_data_func ("/schema/arguments", schema, test_arguments);
  g_test_add_data_func ("/schema/results", schema, test_results);
  return g_test_run ();
}
