/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-message.h"
#include "json-literal.h"
#include "protocol/json-read.h"
#include "protocol/messages.h"

#define HEADER_OF_HOOK                                                                             \
  "{'execute':'hook','arguments':{'hook':'memory','domain':'d','operation':'migrate',"             \
  "'sub-operation':'begin','extra':'-','payload-bytes':3}}"

static GBytes *
random_bytes (gsize length)
{
  guint8 *bytes = g_malloc (length);
  for (gsize i = 0; i < length; i++)
    bytes[i] = (guint8)g_test_rand_int ();
  return g_bytes_new_take (bytes, length);
}

/* Borrows everything. */
static BalHookCall
call_of (const char *domain, const char *extra, GBytes *xml)
{
  return (BalHookCall){
    .hook = (char *)"memory",
    .domain = (char *)domain,
    .operation = (char *)"migrate",
    .sub_operation = (char *)"begin",
    .extra = (char *)extra,
    .xml = xml,
  };
}

/* One feed; the rest of the outcome is in @error and bal_daemon_intake_take(). */
static gboolean
feed_text (BalDaemonIntake *intake, const char *text, GError **error)
{
  g_autofree char *quoted = g_strdelimit (g_strdup (text), "'", '"');
  return bal_daemon_intake_feed (intake, quoted, strlen (quoted), error);
}

static void
assert_refused (const char *text, BalProtocolError code)
{
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;
  g_test_message ("%.80s", text);
  g_assert_false (feed_text (intake, text, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, (int)code);
}

/* By feeds of @step_bytes; the last byte is what makes the request whole. */
static void
round_trip (const BalHookCall *call, gsize step_bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) request = bal_daemon_build_hook (call, &error);
  g_assert_no_error (error);
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_auto (BalDaemonCall) out = {0};
  gsize length;
  const guint8 *bytes = g_bytes_get_data (request, &length);
  for (gsize at = 0; at < length; at += step_bytes)
    {
      g_assert_false (bal_daemon_intake_take (intake, &out));
      g_assert_true (
        bal_daemon_intake_feed (intake, bytes + at, MIN (step_bytes, length - at), &error));
    }
  g_assert_true (bal_daemon_intake_take (intake, &out));
  g_assert_cmpint (out.command, ==, BAL_DAEMON_COMMAND_HOOK);
  g_assert_cmpstr (out.hook.hook, ==, call->hook);
  g_assert_cmpstr (out.hook.domain, ==, call->domain);
  g_assert_cmpstr (out.hook.operation, ==, call->operation);
  g_assert_cmpstr (out.hook.sub_operation, ==, call->sub_operation);
  g_assert_cmpstr (out.hook.extra, ==, call->extra);
  g_assert_true (g_bytes_equal (out.hook.xml, call->xml));
  g_auto (BalDaemonCall) again = {0};
  g_assert_false (bal_daemon_intake_take (intake, &again));
}

static void
test_hook_round_trip (void)
{
  g_autofree char *longest = g_strnfill (BAL_DAEMON_WORD_MAX_BYTES, '\001');
  static const gsize lengths[] = {0, 1, 4711, BAL_DAEMON_PAYLOAD_MAX_BYTES};
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (GBytes) xml = random_bytes (lengths[i]);
      BalHookCall plain = call_of ("vm \"1\"\\\n\t\xc3\xa4", "-", xml);
      BalHookCall widest = call_of (longest, longest, xml);
      round_trip (&plain, 65536);
      round_trip (&widest, 65537);
      if (lengths[i] < 10000)
        round_trip (&plain, 1);
    }
}

static void
status_round_trip (const char *domain)
{
  g_autoptr (GBytes) request = bal_daemon_build_status (domain, NULL);
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;
  g_auto (BalDaemonCall) out = {0};
  gsize length;
  const void *bytes = g_bytes_get_data (request, &length);
  g_assert_true (bal_daemon_intake_feed (intake, bytes, length, &error));
  g_assert_true (bal_daemon_intake_take (intake, &out));
  g_assert_cmpint (out.command, ==, BAL_DAEMON_COMMAND_STATUS);
  g_assert_null (out.hook.xml);
  g_assert_cmpstr (out.status_domain, ==, domain);
}

static void
test_status_round_trip (void)
{
  status_round_trip (NULL);
  status_round_trip ("vm \"1\"\\\n\t\xc3\xa4");
}

static void
test_build_refuses (void)
{
  g_autofree char *too_long = g_strnfill (BAL_DAEMON_WORD_MAX_BYTES + 1, 'x');
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) big = random_bytes (BAL_DAEMON_PAYLOAD_MAX_BYTES + 1);
  const BalHookCall calls[] = {
    call_of ("d", "-", big),
    call_of (too_long, "-", empty),
    call_of ("d\xff", "-", empty),
    call_of ("d", "\xc3", empty),
  };
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (bal_daemon_build_hook (&calls[i], &error));
      g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_intake_refuses (void)
{
  assert_refused ("\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("hello\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("[]\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("{'arguments':{}}\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("{'execute':'status','id':1}\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("{'execute':'status','more':1}\n", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused ("{'execute':'stat'}\n", BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND);
  assert_refused ("{'execute':'status','arguments':{'x':1}}\n",
                  BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
  assert_refused ("{'execute':'status'}\nx", BAL_PROTOCOL_ERROR_GENERIC);
  assert_refused (HEADER_OF_HOOK "\nabcd", BAL_PROTOCOL_ERROR_GENERIC);
}

/* A good header with one thing changed. */
static void
test_intake_refuses_arguments (void)
{
  static const char *const changes[][2] = {
    {"'d'", "1"},
    {"'d'", "null"},
    {"'domain'", "'Domain'"},
    {"'hook':'memory',", ""},
    {"'memory'", "'mem ory'"},
    {"'memory'", "''"},
    {"'extra':'-',", ""},
    {"'extra'", "'more':'-','extra'"},
    {"'sub-operation':'begin'", "'sub-operation':['begin']"},
    {"'payload-bytes':3", "'payload-bytes':-1"},
    {"'payload-bytes':3", "'payload-bytes':1048577"},
    {"'payload-bytes':3", "'payload-bytes':'3'"},
    {",'payload-bytes':3", ""},
  };
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (GString) text = g_string_new (HEADER_OF_HOOK "\nabc");
      g_assert_cmpuint (g_string_replace (text, changes[i][0], changes[i][1], 0), ==, 1);
      assert_refused (text->str, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
    }
  g_autofree char *too_long = g_strnfill (BAL_DAEMON_WORD_MAX_BYTES + 1, 'x');
  g_autofree char *quoted = g_strconcat ("'", too_long, "'", NULL);
  g_autoptr (GString) text = g_string_new (HEADER_OF_HOOK "\nabc");
  g_string_replace (text, "'d'", quoted, 0);
  assert_refused (text->str, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
}

/* Without a newline in sight, and with one. */
static void
test_intake_refuses_long_header (void)
{
  g_autofree char *fits = g_strnfill (BAL_DAEMON_HEADER_MAX_BYTES, ' ');
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;
  g_assert_true (bal_daemon_intake_feed (intake, fits, BAL_DAEMON_HEADER_MAX_BYTES, &error));
  g_assert_false (bal_daemon_intake_feed (intake, " ", 1, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);

  g_autofree char *whole = g_strconcat (fits, "{'execute':'status'}\n", NULL);
  assert_refused (whole, BAL_PROTOCOL_ERROR_GENERIC);
}

static JsonNode *
parse_reply_bytes (GBytes *reply, GError **error)
{
  gsize length;
  const char *line = g_bytes_get_data (reply, &length);
  g_assert_cmpint (line[length - 1], ==, '\n');
  return bal_daemon_parse_reply (line, length - 1, error);
}

static void
test_return (void)
{
  g_autoptr (GBytes) reply = bal_daemon_build_return (json_node_literal ("{'a':[1,2]}"));
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) result = parse_reply_bytes (reply, &error);
  g_assert_no_error (error);
  assert_json_node (result, "{'a':[1,2]}");
}

static void
test_return_ignores_unknown_members (void)
{
  const char *line = "{\"return\":{\"a\":1},\"new\":true}";
  g_autoptr (JsonNode) result = bal_daemon_parse_reply (line, strlen (line), NULL);
  assert_json_node (result, "{'a':1}");
}

static void
test_error (void)
{
  g_autoptr (GBytes) reply = bal_daemon_build_error ("Busy", "Cannot look at \xff\x1b[1m");
  g_autoptr (GError) error = NULL;
  g_assert_null (parse_reply_bytes (reply, &error));
  g_assert_error (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_REFUSED);
  g_assert_cmpstr (error->message, ==, "Cannot look at \xef\xbf\xbd\\x1b[1m");
}

static void
test_return_too_long_becomes_an_error (void)
{
  /* {"return":{"a":"..."}} is 19 bytes around the dots. */
  for (guint over = 0; over < 2; over++)
    {
      JsonObject *content = json_object_new ();
      g_autofree char *text = g_strnfill (BAL_DAEMON_REPLY_MAX_BYTES - 19 + over, 'x');
      json_object_set_string_member (content, "a", text);
      g_autoptr (GBytes) reply = bal_daemon_build_return (bal_result_take (content));
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) result = parse_reply_bytes (reply, &error);
      g_assert_cmpuint (g_bytes_get_size (reply), <=, BAL_DAEMON_REPLY_MAX_BYTES + 1);
      if (over == 0)
        g_assert_no_error (error);
      else
        g_assert_error (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_REFUSED);
    }
}

static void
test_reply_garbage (void)
{
  static const char *const lines[] = {
    "",
    "hello",
    "{}",
    "{\"return\":1}",
    "{\"return\":[]}",
    "{\"return\":{},\"error\":{}}",
    "{\"error\":1}",
    "{\"error\":{\"class\":\"X\"}}",
    "{\"return\":{}} {}",
  };
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (bal_daemon_parse_reply (lines[i], strlen (lines[i]), &error));
      g_assert_error (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_GARBAGE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-message/hook/round-trip", test_hook_round_trip);
  g_test_add_func ("/daemon-message/status/round-trip", test_status_round_trip);
  g_test_add_func ("/daemon-message/build-refuses", test_build_refuses);
  g_test_add_func ("/daemon-message/intake/refuses", test_intake_refuses);
  g_test_add_func ("/daemon-message/intake/refuses-arguments", test_intake_refuses_arguments);
  g_test_add_func ("/daemon-message/intake/refuses-long-header", test_intake_refuses_long_header);
  g_test_add_func ("/daemon-message/reply/return", test_return);
  g_test_add_func ("/daemon-message/reply/unknown-members", test_return_ignores_unknown_members);
  g_test_add_func ("/daemon-message/reply/error", test_error);
  g_test_add_func ("/daemon-message/reply/too-long", test_return_too_long_becomes_an_error);
  g_test_add_func ("/daemon-message/reply/garbage", test_reply_garbage);
  return g_test_run ();
}
