/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hold's growth, with an agent that is late, or stops. */
#include "host-hook/hold.h"

#include "test-agent-peer.h"

#define GOAL_BYTES (G_GUINT64_CONSTANT (384) * 1024 * 1024)
#define HALF_BYTES (G_GUINT64_CONSTANT (192) * 1024 * 1024)

static void
reply (Peer *peer, gint64 id, const char *state, guint64 held_bytes)
{
  g_autofree char *content = g_strdup_printf (
    "\"return\":{\"state\":\"%s\",\"reason\":\"%s\",\"held-bytes\":%" G_GUINT64_FORMAT
    ",\"target-bytes\":%" G_GUINT64_FORMAT ",\"token\":\"t\"}",
    state, g_str_equal (state, "held") ? "target" : "none", held_bytes, GOAL_BYTES);

  peer_reply (peer, id, content);
}

static void
answer (Peer *peer, const char *command, const char *state, guint64 held_bytes)
{
  reply (peer, peer_expect (peer, command), state, held_bytes);
}

/* @held_bytes: expected. The client's timeout is SHORT_MS. */
static void
assert_grows (Script script, guint64 held_bytes, const char *warning)
{
  g_autoptr (BalCancel) cancel = bal_cancel_new_without_signals (NULL);
  g_autoptr (BalReport) report = bal_report_new (FALSE, FALSE);
  BalConfig config = {.agent_timeout_ms = SHORT_MS};
  BalJob job = {.root = "", .config = &config, .cancel = cancel, .report = report};
  Peer peer;

  peer_start (&peer, script);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    guint64 held = 0;

    g_assert_true (bal_hold_grow (&job, client, NULL, "t", GOAL_BYTES, 0, &held));
    g_assert_cmpuint (held, ==, held_bytes);
  }
  peer_end (&peer);
  if (warning)
    g_assert_nonnull (strstr (bal_report_last_warning (report), warning));
  else
    g_assert_null (bal_report_last_warning (report));
}

/* Answers all that was asked meanwhile, also what nobody waits for any more. */
static void
script_late (Peer *peer)
{
  peer_answer_sync (peer);
  answer (peer, BAL_COMMAND_HOLD, "growing", 0);
  answer (peer, BAL_COMMAND_HOLD_STATUS, "growing", HALF_BYTES);
  g_usleep (3 * SHORT_MS * 1000);
  answer (peer, BAL_COMMAND_HOLD, "growing", HALF_BYTES);
  for (;;)
    {
      g_autoptr (JsonObject) request = peer_receive (peer);

      if (!request)
        return;
      reply (peer, json_object_get_int_member (request, "id"), "held", GOAL_BYTES);
    }
}

static void
test_late_answer (void)
{
  assert_grows (script_late, GOAL_BYTES, NULL);
}

static void
script_refuses (Peer *peer)
{
  peer_answer_sync (peer);
  answer (peer, BAL_COMMAND_HOLD, "growing", 0);
  answer (peer, BAL_COMMAND_HOLD_STATUS, "growing", HALF_BYTES);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_HOLD),
              "\"error\":{\"class\":\"HoldRefused\",\"desc\":\"no\"}");
  peer_drain (peer);
}

static void
test_refusal (void)
{
  assert_grows (script_refuses, HALF_BYTES, "stopped");
}

static void
script_leaves (Peer *peer)
{
  peer_answer_sync (peer);
  answer (peer, BAL_COMMAND_HOLD, "growing", 0);
  answer (peer, BAL_COMMAND_HOLD_STATUS, "growing", HALF_BYTES);
}

static void
test_agent_leaves (void)
{
  assert_grows (script_leaves, HALF_BYTES, "stopped");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hold/late-answer", test_late_answer);
  g_test_add_func ("/hold/refusal", test_refusal);
  g_test_add_func ("/hold/agent-leaves", test_agent_leaves);
  return g_test_run ();
}
