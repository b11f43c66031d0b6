/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages that carry ranges: the free ones and the held ones. */
#include "json-literal.h"
#include "protocol/messages.h"

static BalRanges *
two_ranges (void)
{
  BalRanges *ranges = bal_ranges_new ();

  g_assert_true (bal_ranges_append (ranges, 0x1000, 0x2000, NULL));
  g_assert_true (bal_ranges_append (ranges, 0x100000000, 0x1000, NULL));
  return ranges;
}

static void
test_free_ranges_arguments (void)
{
  g_autoptr (JsonObject) none = json_object_new ();
  BalFreeRangesArguments arguments = {1, 2, 3};

  g_assert_true (bal_free_ranges_arguments_parse (none, &arguments, NULL));
  g_assert_cmpuint (arguments.min_length_bytes, ==, 0);
  g_assert_cmpuint (arguments.from, ==, 0);
  g_assert_cmpuint (arguments.max_ranges, ==, BAL_RANGES_PER_REPLY_MAX);

  arguments = (BalFreeRangesArguments){2097152, 4096, 10};
  g_autoptr (JsonObject) full = bal_free_ranges_arguments_build (&arguments);
  assert_json (full, "{'min-length-bytes':2097152,'from':4096,'max-ranges':10}");
  arguments.max_ranges = 0;
  g_autoptr (JsonObject) usual = bal_free_ranges_arguments_build (&arguments);
  assert_json (usual, "{'min-length-bytes':2097152,'from':4096}");
}

static void
test_free_ranges (void)
{
  g_auto (BalFreeRanges) sent = {.ranges = two_ranges (),
                                 .has_next = TRUE,
                                 .next = 0x200000000,
                                 .scanned_pages = 11,
                                 .elapsed_us = 12};
  g_auto (BalFreeRanges) received = {0};
  g_autoptr (JsonNode) result = bal_free_ranges_build (&sent);

  assert_json_node (result, "{'ranges':[[4096,8192],[4294967296,4096]],'next':8589934592,"
                            "'scanned-pages':11,'elapsed-us':12}");
  g_assert_true (bal_free_ranges_parse (result, &received, NULL));
  g_assert_true (bal_ranges_equal (received.ranges, sent.ranges));
  g_assert_true (received.has_next);
  g_assert_cmpuint (received.next, ==, sent.next);
  g_assert_cmpuint (received.scanned_pages, ==, 11);
  g_assert_cmpuint (received.elapsed_us, ==, 12);
}

static void
test_free_ranges_empty (void)
{
  g_auto (BalFreeRanges) sent = {0};
  g_auto (BalFreeRanges) received = {0};
  g_autoptr (JsonNode) result = bal_free_ranges_build (&sent);

  assert_json_node (result, "{'ranges':[],'scanned-pages':0,'elapsed-us':0}");
  g_assert_true (bal_free_ranges_parse (result, &received, NULL));
  g_assert_cmpuint (bal_ranges_count (received.ranges), ==, 0);
  g_assert_false (received.has_next);
}

static void
assert_ranges_refused (const char *ranges, const char *next)
{
  g_autofree char *text =
    g_strdup_printf ("{'ranges':%s%s,'scanned-pages':0,'elapsed-us':0}", ranges, next);
  g_autoptr (JsonNode) result = json_node_literal (text);
  g_auto (BalFreeRanges) page = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_free_ranges_parse (result, &page, &error));
  g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
  g_assert_null (page.ranges);
}

static void
test_free_ranges_refused (void)
{
  static const char *const lists[] = {
    "{}",
    "[1]",
    "[[]]",
    "[[1]]",
    "[[1,2,3]]",
    "[{'start':1}]",
    "[['1',2]]",
    "[[1,null]]",
    "[[1.0,2]]",
    "[[1,[2]]]",
    "[[-1,2]]",
    "[[1,-2]]",
    "[[1,0]]",
    "[[0,10],[9,10]]",
    "[[10,10],[0,5]]",
    "[[0,10],[0,10]]",
    "[[4503599627370496,1]]",
    "[[4503599627370495,2]]",
    "[[1,9223372036854775807]]",
    "[[9223372036854775807,9223372036854775807]]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    assert_ranges_refused (lists[i], "");
}

static void
test_free_ranges_next_must_advance (void)
{
  g_autoptr (JsonNode) result =
    json_node_literal ("{'ranges':[[4096,4096]],'next':8192,'scanned-pages':0,'elapsed-us':0}");
  g_auto (BalFreeRanges) page = {0};

  g_assert_true (bal_free_ranges_parse (result, &page, NULL));
  assert_ranges_refused ("[[4096,4096]]", ",'next':8191");
  assert_ranges_refused ("[[4096,4096]]", ",'next':4096");
  assert_ranges_refused ("[]", ",'next':0");
  assert_ranges_refused ("[]", ",'next':4503599627370496");
}

static void
test_free_ranges_limit (void)
{
  g_autoptr (GString) list = g_string_new ("[[0,1]");
  g_auto (BalFreeRanges) page = {0};

  for (guint i = 1; i < BAL_RANGES_PER_REPLY_MAX; i++)
    g_string_append_printf (list, ",[%u,1]", 2 * i);
  g_autofree char *most =
    g_strdup_printf ("{'ranges':%s],'scanned-pages':0,'elapsed-us':0}", list->str);
  g_autofree char *too_many = g_strconcat (list->str, ",[1000000,1]]", NULL);
  g_autoptr (JsonNode) result = json_node_literal (most);

  g_assert_true (bal_free_ranges_parse (result, &page, NULL));
  g_assert_cmpuint (bal_ranges_count (page.ranges), ==, BAL_RANGES_PER_REPLY_MAX);
  assert_ranges_refused (too_many, "");
}

/* A reply as large as the protocol allows passes all of its own limits. */
static void
test_free_ranges_largest_reply_fits (void)
{
  g_auto (BalFreeRanges) page = {.ranges = bal_ranges_new (),
                                 .has_next = TRUE,
                                 .next = BAL_ADDRESS_LIMIT - 1,
                                 .scanned_pages = BAL_ADDRESS_LIMIT,
                                 .elapsed_us = G_MAXINT64};
  guint64 step = BAL_ADDRESS_LIMIT / (2 * BAL_RANGES_PER_REPLY_MAX);
  gsize length;

  for (guint i = BAL_RANGES_PER_REPLY_MAX; i < 2 * BAL_RANGES_PER_REPLY_MAX; i++)
    g_assert_true (bal_ranges_append (page.ranges, step * i, step - 2, NULL));
  g_autoptr (JsonObject) line = bal_reply_build (bal_free_ranges_build (&page), NULL);
  g_autofree char *text = bal_json_to_line (line, FALSE, &length);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) parsed = bal_json_parse_line (text, length, &error);

  g_assert_no_error (error);
  g_assert_nonnull (parsed);
  g_assert_cmpuint (length, <=, BAL_REPLY_LINE_MAX_BYTES);
}

static void
test_hold_arguments (void)
{
  g_autoptr (JsonObject) bare = json_literal ("{'bytes':4096,'token':'t'}");
  g_autoptr (JsonObject) full =
    json_literal ("{'bytes':4096,'headroom-bytes':0,'deadline-ms':1000,'token':'A-z_0.9'}");
  g_auto (BalHoldArguments) first = {0};
  g_auto (BalHoldArguments) second = {0};

  g_assert_true (bal_hold_arguments_parse (bare, &first, NULL));
  g_assert_cmpuint (first.bytes, ==, 4096);
  g_assert_cmpstr (first.token, ==, "t");
  g_assert_false (first.has_headroom);
  g_assert_false (first.has_deadline);
  g_autoptr (JsonObject) bare_again = bal_hold_arguments_build (&first);
  assert_json (bare_again, "{'bytes':4096,'token':'t'}");

  g_assert_true (bal_hold_arguments_parse (full, &second, NULL));
  g_assert_true (second.has_headroom);
  g_assert_cmpuint (second.headroom_bytes, ==, 0);
  g_assert_true (second.has_deadline);
  g_assert_cmpuint (second.deadline_ms, ==, 1000);
  g_autoptr (JsonObject) full_again = bal_hold_arguments_build (&second);
  assert_json (full_again,
               "{'bytes':4096,'headroom-bytes':0,'deadline-ms':1000,'token':'A-z_0.9'}");
}

static void
test_hold_arguments_refused_are_cleared (void)
{
  g_autoptr (JsonObject) object = json_literal ("{'bytes':4096,'token':'a b'}");
  BalHoldArguments arguments = {.bytes = 1};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_hold_arguments_parse (object, &arguments, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (arguments.bytes, ==, 0);
  g_assert_null (arguments.token);
}

static void
test_hold_status_arguments (void)
{
  g_autoptr (JsonObject) none = json_object_new ();
  BalHoldStatusArguments arguments = {TRUE, 5};

  g_assert_true (bal_hold_status_arguments_parse (none, &arguments, NULL));
  g_assert_false (arguments.want_ranges);
  g_assert_cmpuint (arguments.from, ==, 0);
  arguments = (BalHoldStatusArguments){TRUE, 4096};
  g_autoptr (JsonObject) built = bal_hold_status_arguments_build (&arguments);
  assert_json (built, "{'ranges':true,'from':4096}");
}

static void
test_hold_status (void)
{
  g_auto (BalHoldStatus) sent = {.state = BAL_HOLD_HELD,
                                 .reason = BAL_HOLD_REASON_HEADROOM,
                                 .held_bytes = 12288,
                                 .target_bytes = 65536,
                                 .token = g_strdup ("t"),
                                 .has_ranges = TRUE,
                                 .ranges = {.ranges = two_ranges ()}};
  g_auto (BalHoldStatus) received = {0};
  g_autoptr (JsonNode) result = bal_hold_status_build (&sent);

  assert_json_node (result, "{'state':'held','reason':'headroom','held-bytes':12288,"
                            "'target-bytes':65536,'token':'t',"
                            "'ranges':{'ranges':[[4096,8192],[4294967296,4096]],"
                            "'scanned-pages':0,'elapsed-us':0}}");
  g_assert_true (bal_hold_status_parse (result, &received, NULL));
  g_assert_cmpint (received.state, ==, BAL_HOLD_HELD);
  g_assert_cmpint (received.reason, ==, BAL_HOLD_REASON_HEADROOM);
  g_assert_cmpuint (received.held_bytes, ==, 12288);
  g_assert_cmpuint (received.target_bytes, ==, 65536);
  g_assert_cmpstr (received.token, ==, "t");
  g_assert_true (received.has_ranges);
  g_assert_true (bal_ranges_equal (received.ranges.ranges, sent.ranges.ranges));
}

static void
test_hold_status_names (void)
{
  for (int state = BAL_HOLD_IDLE; state <= BAL_HOLD_RETURNING; state++)
    for (int reason = BAL_HOLD_REASON_NONE; reason <= BAL_HOLD_REASON_FAILED; reason++)
      {
        BalHoldStatus sent = {.state = state, .reason = reason};
        g_auto (BalHoldStatus) received = {0};
        g_autoptr (JsonNode) result = bal_hold_status_build (&sent);

        g_assert_true (bal_hold_status_parse (result, &received, NULL));
        g_assert_cmpint (received.state, ==, state);
        g_assert_cmpint (received.reason, ==, reason);
        g_assert_null (received.token);
        g_assert_false (received.has_ranges);
      }
}

static void
test_hold_status_of_a_newer_agent (void)
{
  g_autoptr (JsonNode) result =
    json_node_literal ("{'state':'idle','reason':'later','held-bytes':0,'target-bytes':0,"
                       "'new-member':{}}");
  g_auto (BalHoldStatus) status = {0};

  g_assert_true (bal_hold_status_parse (result, &status, NULL));
  g_assert_cmpint (status.reason, ==, BAL_HOLD_REASON_NONE);
}

static void
test_hold_status_refused_is_cleared (void)
{
  g_autoptr (JsonNode) result =
    json_node_literal ("{'state':'held','reason':'target','held-bytes':1,'target-bytes':1,"
                       "'token':'t','ranges':{'ranges':[[4096,4096],[4096,4096]],"
                       "'scanned-pages':0,'elapsed-us':0}}");
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_hold_status_parse (result, &status, &error));
  g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
  g_assert_null (status.token);
  g_assert_null (status.ranges.ranges);
  g_assert_false (status.has_ranges);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message-ranges/free-ranges-arguments", test_free_ranges_arguments);
  g_test_add_func ("/message-ranges/free-ranges", test_free_ranges);
  g_test_add_func ("/message-ranges/free-ranges-empty", test_free_ranges_empty);
  g_test_add_func ("/message-ranges/free-ranges-refused", test_free_ranges_refused);
  g_test_add_func ("/message-ranges/free-ranges-next-must-advance",
                   test_free_ranges_next_must_advance);
  g_test_add_func ("/message-ranges/free-ranges-limit", test_free_ranges_limit);
  g_test_add_func ("/message-ranges/free-ranges-largest-reply-fits",
                   test_free_ranges_largest_reply_fits);
  g_test_add_func ("/message-ranges/hold-arguments", test_hold_arguments);
  g_test_add_func ("/message-ranges/hold-arguments-refused-are-cleared",
                   test_hold_arguments_refused_are_cleared);
  g_test_add_func ("/message-ranges/hold-status-arguments", test_hold_status_arguments);
  g_test_add_func ("/message-ranges/hold-status", test_hold_status);
  g_test_add_func ("/message-ranges/hold-status-names", test_hold_status_names);
  g_test_add_func ("/message-ranges/hold-status-of-a-newer-agent",
                   test_hold_status_of_a_newer_agent);
  g_test_add_func ("/message-ranges/hold-status-refused-is-cleared",
                   test_hold_status_refused_is_cleared);
  return g_test_run ();
}
