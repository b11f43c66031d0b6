/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of the client, and what it makes of their results. */
#include "test-agent-peer.h"

/* --- an honest peer --- */

#define PAGE(ranges, next)                                                                         \
  "\"return\":{\"ranges\":[" ranges "]" next ",\"scanned-pages\":1,\"elapsed-us\":2}"

static void
script_honest (Peer *peer)
{
  g_autoptr (JsonObject) ranges_request = NULL;
  g_autoptr (JsonObject) second_request = NULL;

  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_INFO),
              "\"return\":{\"version\":\"1\",\"supported_commands\":[],\"lease-ms\":5000}");
  ranges_request = peer_receive (peer);
  JsonObject *arguments = json_object_get_object_member (ranges_request, "arguments");
  g_assert_cmpint (json_object_get_int_member (arguments, "min-length-bytes"), ==, 8192);
  peer_reply (peer, json_object_get_int_member (ranges_request, "id"),
              PAGE ("[4096,8192],[65536,8192]", ",\"next\":73728"));
  second_request = peer_receive (peer);
  arguments = json_object_get_object_member (second_request, "arguments");
  g_assert_cmpint (json_object_get_int_member (arguments, "from"), ==, 73728);
  peer_reply (peer, json_object_get_int_member (second_request, "id"), PAGE ("[73728,8192]", ""));
  for (guint i = 0; i < 3; i++)
    peer_reply (peer,
                peer_expect (peer, i == 0   ? BAL_COMMAND_HOLD
                                   : i == 1 ? BAL_COMMAND_HOLD_STATUS
                                            : BAL_COMMAND_RETURN),
                "\"return\":{\"state\":\"growing\",\"reason\":\"none\",\"held-bytes\":4096,"
                "\"target-bytes\":8192,\"token\":\"t\"}");
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (12288));
  peer_drain (peer);
}

static void
test_honest (void)
{
  Peer peer;
  peer_start (&peer, script_honest);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    g_autoptr (GError) error = NULL;

    g_auto (BalGuestInfo) info = {0};
    bal_agent_client_info (client, AMPLE_MS, &info, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (info.version, ==, "1");

    g_autoptr (BalRanges) ranges = bal_agent_client_free_ranges (client, 8192, AMPLE_MS, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bal_ranges_count (ranges), ==, 2);
    g_assert_cmpuint (bal_ranges_total_bytes (ranges), ==, 3 * 8192);

    g_auto (BalHoldStatus) held = {0};
    BalHoldArguments hold = {.bytes = 8192, .token = (char *)"t"};
    bal_agent_client_hold (client, &hold, AMPLE_MS, &held, &error);
    g_assert_no_error (error);
    g_assert_cmpint (held.state, ==, BAL_HOLD_GROWING);
    g_auto (BalHoldStatus) status = {0};
    bal_agent_client_hold_status (client, AMPLE_MS, &status, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (status.held_bytes, ==, 4096);
    g_auto (BalHoldStatus) returned = {0};
    bal_agent_client_return (client, AMPLE_MS, &returned, &error);
    g_assert_no_error (error);
    assert_trims (client, 12288);
  }
  peer_end (&peer);
}

static void
script_refuses (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM),
              "\"error\":{\"class\":\"HoldRefused\",\"desc\":\"no\\n\\u001b[31mway\"}");
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (1));
  peer_drain (peer);
}

static void
test_refusal (void)
{
  Peer peer;
  peer_start (&peer, script_refuses);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    assert_trim_fails (client, AMPLE_MS, BAL_AGENT_ERROR_REFUSED);
    assert_trims (client, 1);
  }
  peer_end (&peer);
}

/* --- pages of ranges --- */

static void
script_page_does_not_move_on (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES), PAGE ("", ",\"next\":0"));
  peer_drain (peer);
}

static void
script_second_page_does_not_move_on (Peer *peer)
{
  peer_answer_sync (peer);
  for (int i = 0; i < 2; i++)
    peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES), PAGE ("", ",\"next\":4096"));
  peer_drain (peer);
}

static void
script_pages_overlap (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES),
              PAGE ("[4096,65536]", ",\"next\":69632"));
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES), PAGE ("[8192,4096]", ""));
  peer_drain (peer);
}

static void
test_bad_pages (void)
{
  static const Script scripts[] = {script_page_does_not_move_on,
                                   script_second_page_does_not_move_on, script_pages_overlap};
  for (gsize i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      Peer peer;
      peer_start (&peer, scripts[i]);
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (BalAgentClient) client = peer_open_client (&peer);
        g_autoptr (BalRanges) ranges =
          bal_agent_client_free_ranges (client, 4096, AMPLE_MS, &error);
        g_assert_null (ranges);
        g_assert_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_GARBAGE);
      }
      peer_end (&peer);
    }
}

static void
script_pages_without_end (Peer *peer)
{
  peer_answer_sync (peer);
  for (guint i = 0; i < BAL_RANGE_PAGES_MAX; i++)
    {
      g_autofree char *page =
        g_strdup_printf (PAGE ("[%u,4096]", ",\"next\":%u"), i * 65536 + 4096, (i + 1) * 65536);
      peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES), page);
    }
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (1));
  peer_drain (peer);
}

static void
test_pages_are_capped (void)
{
  Peer peer;
  peer_start (&peer, script_pages_without_end);
  {
    g_autoptr (GError) error = NULL;
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    g_autoptr (BalRanges) ranges = bal_agent_client_free_ranges (client, 4096, AMPLE_MS, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bal_ranges_count (ranges), ==, BAL_RANGE_PAGES_MAX);
    assert_trims (client, 1);
  }
  peer_end (&peer);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-client/honest", test_honest);
  g_test_add_func ("/agent-client/refusal", test_refusal);
  g_test_add_func ("/agent-client/bad-pages", test_bad_pages);
  g_test_add_func ("/agent-client/pages-are-capped", test_pages_are_capped);
  return g_test_run ();
}
