/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-literal.h"
#include "protocol/messages.h"

static void
test_request_is_taken_apart (void)
{
  g_autoptr (JsonObject) line =
    json_literal ("{'id':7,'execute':'guest-ping','arguments':{'a':[1]}}");
  g_auto (BalRequest) request = {0};
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_request_parse (line, &request, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (request.command, ==, "guest-ping");
  assert_json (request.arguments, "{'a':[1]}");
  assert_json_node (request.id, "7");
}

static void
test_request_without_arguments_and_id (void)
{
  g_autoptr (JsonObject) line = json_literal ("{'execute':'guest-ping'}");
  g_auto (BalRequest) request = {0};

  g_assert_true (bal_request_parse (line, &request, NULL));
  assert_json (request.arguments, "{}");
  g_assert_null (request.id);
}

static void
test_request_refused_keeps_id (void)
{
  static const char *const lines[] = {
    "{'id':5}",
    "{'id':5,'execute':1}",
    "{'id':5,'execute':null}",
    "{'id':5,'execute':['guest-ping']}",
    "{'id':5,'execute':'guest-ping','arguments':[]}",
    "{'id':5,'execute':'guest-ping','arguments':null}",
    "{'id':5,'execute':'guest-ping','arguments':'x'}",
    "{'id':5,'execute':'guest-ping','argument':{}}",
    "{'id':5,'exec-oob':'guest-ping'}",
    "{'id':5,'return':{}}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (JsonObject) line = json_literal (lines[i]);
      g_auto (BalRequest) request = {0};
      g_autoptr (GError) error = NULL;

      g_assert_false (bal_request_parse (line, &request, &error));
      g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
      g_assert_null (request.command);
      g_assert_null (request.arguments);
      assert_json_node (request.id, "5");
    }
}

static void
test_request_command_is_safe_to_show (void)
{
  g_autoptr (JsonObject) line = json_literal ("{'execute':'guest-ping\\n\\u001b[2J'}");
  g_auto (BalRequest) request = {0};

  g_assert_true (bal_request_parse (line, &request, NULL));
  g_assert_cmpstr (request.command, ==, "guest-ping\\x0a\\x1b[2J");
}

static void
test_any_id_is_echoed (void)
{
  static const char *const ids[] = {
    "0",
    "-9223372036854775808",
    "9223372036854775807",
    "1.5",
    "1.0",
    "''",
    "'x\\n\xc3\xa4'",
    "true",
    "false",
    "null",
    "{'a':{'b':[1,null,{}]}}",
    "[]",
    "[[],1]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *text = g_strdup_printf ("{'execute':'guest-ping','id':%s}", ids[i]);
      g_autofree char *echoed = g_strdup_printf ("{'return':{},'id':%s}", ids[i]);
      g_autofree char *failed =
        g_strdup_printf ("{'error':{'class':'GenericError','desc':'d'},'id':%s}", ids[i]);
      g_autoptr (JsonObject) line = json_literal (text);
      g_autoptr (GError) failure = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_FAILED, "d");
      g_auto (BalRequest) request = {0};

      g_assert_true (bal_request_parse (line, &request, NULL));
      g_autoptr (JsonObject) reply = bal_reply_build (json_node_literal ("{}"), request.id);
      g_autoptr (JsonObject) refusal = bal_reply_build_error (failure, request.id);
      assert_json (reply, echoed);
      assert_json (refusal, failed);
    }
}

static void
test_id_that_json_glib_miswrites_is_refused (void)
{
  static const char *const ids[] = {"1e98", "1e22", "[{'a':-1e17}]"};

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *text = g_strdup_printf ("{'execute':'guest-ping','id':%s}", ids[i]);
      g_autoptr (JsonObject) line = json_literal (text);
      g_auto (BalRequest) request = {0};
      g_autoptr (GError) error = NULL;

      g_assert_false (bal_request_parse (line, &request, &error));
      g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
      g_assert_null (request.id);
    }
}

static void
test_reply_without_id (void)
{
  g_autoptr (JsonObject) reply = bal_reply_build (json_node_init_int (json_node_alloc (), 3), NULL);

  assert_json (reply, "{'return':3}");
}

static void
test_request_build (void)
{
  g_autoptr (JsonObject) arguments = bal_sync_arguments_build (12);
  g_autoptr (JsonNode) id = json_node_init_int (json_node_alloc (), 3);
  g_autoptr (JsonObject) full = bal_request_build (BAL_COMMAND_SYNC, arguments, id);
  g_autoptr (JsonObject) bare = bal_request_build (BAL_COMMAND_PING, NULL, NULL);

  assert_json (full, "{'execute':'guest-sync','arguments':{'id':12},'id':3}");
  assert_json (bare, "{'execute':'guest-ping'}");
}

static void
test_error_classes (void)
{
  static const char *const classes[] = {"GenericError", "CommandNotFound", "InvalidArgument",
                                        "HoldRefused", "HoldBusy"};

  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    {
      g_assert_cmpstr (bal_protocol_error_class ((BalProtocolError)i), ==, classes[i]);
      g_assert_cmpint (bal_protocol_error_from_class (classes[i]), ==, (int)i);
    }
  g_assert_cmpint (bal_protocol_error_from_class ("DeviceNotFound"), ==,
                   BAL_PROTOCOL_ERROR_GENERIC);
  g_assert_cmpint (bal_protocol_error_from_class (""), ==, BAL_PROTOCOL_ERROR_GENERIC);
}

static void
test_error_travels (void)
{
  g_autoptr (GError) sent =
    g_error_new_literal (BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_BUSY, "Held by 'x'");
  g_autoptr (JsonObject) line = bal_reply_build_error (sent, NULL);
  g_autoptr (GError) received = NULL;

  g_assert_null (bal_reply_parse (line, &received));
  g_assert_error (received, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_BUSY);
  g_assert_cmpstr (received->message, ==, sent->message);
}

static void
test_error_text_becomes_utf8 (void)
{
  g_autoptr (GError) sent =
    g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOENT, "No file \xff\xfe here");
  g_autoptr (JsonObject) line = bal_reply_build_error (sent, NULL);
  gsize length;
  g_autofree char *text = bal_json_to_line (line, FALSE, &length);

  g_assert_true (g_utf8_validate (text, (gssize)length, NULL));
}

static void
test_peer_error_is_escaped (void)
{
  g_autoptr (JsonObject) line =
    json_literal ("{'error':{'class':'Odd','desc':'red \\u001b[31m\\u202e'}}");
  g_autoptr (GError) error = NULL;

  g_assert_null (bal_reply_parse (line, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
  g_assert_cmpstr (error->message, ==, "red \\x1b[31m\\xe2\\x80\\xae");
}

static void
test_reply_return_may_be_anything (void)
{
  g_autoptr (JsonObject) zero = json_literal ("{'return':0,'id':1,'later':'member'}");
  g_autoptr (JsonObject) null = json_literal ("{'return':null}");

  assert_json_node (bal_reply_parse (zero, NULL), "0");
  assert_json_node (bal_reply_parse (null, NULL), "null");
}

static void
test_reply_refused (void)
{
  static const char *const lines[] = {
    "{}",
    "{'id':1}",
    "{'event':'x'}",
    "{'return':{},'error':{'class':'a','desc':'b'}}",
    "{'error':null}",
    "{'error':'x'}",
    "{'error':{}}",
    "{'error':{'class':'a'}}",
    "{'error':{'desc':'b'}}",
    "{'error':{'class':1,'desc':'b'}}",
    "{'error':{'class':'a','desc':['b']}}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (JsonObject) line = json_literal (lines[i]);
      g_autoptr (GError) error = NULL;

      g_assert_null (bal_reply_parse (line, &error));
      g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
    }
}

static void
assert_reply_id (const char *text, gint64 expected)
{
  g_autoptr (JsonObject) line = json_literal (text);

  g_assert_cmpint (bal_reply_id (line), ==, expected);
}

static void
test_reply_id (void)
{
  assert_reply_id ("{'return':{},'id':0}", 0);
  assert_reply_id ("{'return':{},'id':9223372036854775807}", G_MAXINT64);
  assert_reply_id ("{'return':{}}", -1);
  assert_reply_id ("{'return':{},'id':1.0}", -1);
  assert_reply_id ("{'return':{},'id':'1'}", -1);
  assert_reply_id ("{'return':{},'id':true}", -1);
  assert_reply_id ("{'return':{},'id':null}", -1);
  assert_reply_id ("{'return':{},'id':[1]}", -1);
}

static void
assert_sync (const char *text, gboolean accepted, gint64 expected)
{
  g_autoptr (JsonObject) arguments = json_literal (text);
  g_autoptr (GError) error = NULL;
  gint64 id = 0;

  g_assert_cmpint (bal_sync_arguments_parse (arguments, &id, &error), ==, accepted);
  if (accepted)
    g_assert_cmpint (id, ==, expected);
  else
    g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
}

static void
test_sync_arguments (void)
{
  assert_sync ("{'id':0}", TRUE, 0);
  assert_sync ("{'id':-1}", TRUE, -1);
  assert_sync ("{'id':-9223372036854775808}", TRUE, G_MININT64);
  assert_sync ("{'id':9223372036854775807}", TRUE, G_MAXINT64);
  assert_sync ("{}", FALSE, 0);
  assert_sync ("{'id':1.0}", FALSE, 0);
  assert_sync ("{'id':1e3}", FALSE, 0);
  assert_sync ("{'id':'1'}", FALSE, 0);
  assert_sync ("{'id':null}", FALSE, 0);
  assert_sync ("{'id':1,'more':2}", FALSE, 0);
}

static void
test_no_arguments (void)
{
  g_autoptr (JsonObject) none = json_object_new ();
  g_autoptr (JsonObject) some = json_literal ("{'\\u001bx':1}");
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_no_arguments_parse (none, NULL));
  g_assert_false (bal_no_arguments_parse (some, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "Argument \"\\x1bx\" is not known");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/request/is-taken-apart", test_request_is_taken_apart);
  g_test_add_func ("/request/without-arguments-and-id", test_request_without_arguments_and_id);
  g_test_add_func ("/request/refused-keeps-id", test_request_refused_keeps_id);
  g_test_add_func ("/request/command-is-safe-to-show", test_request_command_is_safe_to_show);
  g_test_add_func ("/request/any-id-is-echoed", test_any_id_is_echoed);
  g_test_add_func ("/request/id-that-json-glib-miswrites-is-refused",
                   test_id_that_json_glib_miswrites_is_refused);
  g_test_add_func ("/request/build", test_request_build);
  g_test_add_func ("/request/sync-arguments", test_sync_arguments);
  g_test_add_func ("/request/no-arguments", test_no_arguments);
  g_test_add_func ("/reply/without-id", test_reply_without_id);
  g_test_add_func ("/reply/error-classes", test_error_classes);
  g_test_add_func ("/reply/error-travels", test_error_travels);
  g_test_add_func ("/reply/error-text-becomes-utf8", test_error_text_becomes_utf8);
  g_test_add_func ("/reply/peer-error-is-escaped", test_peer_error_is_escaped);
  g_test_add_func ("/reply/return-may-be-anything", test_reply_return_may_be_anything);
  g_test_add_func ("/reply/refused", test_reply_refused);
  g_test_add_func ("/reply/id", test_reply_id);
  return g_test_run ();
}
