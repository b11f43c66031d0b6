/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client against every kind of peer that is hostile, slow or absent. */
#include "test-agent-peer.h"
#include "test-root.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
assert_open_fails (Script script, guint timeout_ms, int code)
{
  Peer peer;
  peer_start (&peer, script);
  g_autoptr (GError) error = NULL;
  g_autoptr (BalAgentClient) client = bal_agent_client_open_fd (peer.client_fd, timeout_ms, &error);
  g_assert_null (client);
  g_assert_error (error, BAL_AGENT_ERROR, code);
  peer_end (&peer);
}

/* One failing call after an honest sync. */
static void
assert_call_fails (Script script, guint timeout_ms, int code)
{
  Peer peer;
  peer_start (&peer, script);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    assert_trim_fails (client, timeout_ms, code);
  }
  peer_end (&peer);
}

/* --- before and during the sync --- */

/* What the last client did not wait for, garbage, a sync of somebody else's, one without sentinel.
 */
static void
script_leftovers (Peer *peer)
{
  g_autofree char *overlong = g_strnfill (3 * BAL_REPLY_LINE_MAX_BYTES, 'x');

  peer_send (peer, "{\"return\":{},\"id\":1}\nnot json\n{\"error\":{}}\n\xff{\"return\":17}\n\xff");
  peer_send (peer, overlong);
  peer_send (peer, "\n[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n{\"torn\": ");
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (5));
  peer_drain (peer);
}

static void
test_leftovers_are_dropped (void)
{
  Peer peer;
  peer_start (&peer, script_leftovers);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    assert_trims (client, 5);
  }
  peer_end (&peer);
}

static void
script_sync_without_sentinel (Peer *peer)
{
  g_autoptr (JsonObject) request = peer_receive (peer);
  JsonObject *arguments = json_object_get_object_member (request, "arguments");
  peer_reply (peer, 1, "\"return\":0");
  g_autofree char *reply = g_strdup_printf ("{\"return\":%" G_GINT64_FORMAT "}\n",
                                            json_object_get_int_member (arguments, "id"));
  peer_send (peer, reply);
  peer_drain (peer);
}

static void
script_silent (Peer *peer)
{
  peer_drain (peer);
}

static void
script_closes (Peer *peer)
{
}

static void
script_floods (Peer *peer)
{
  g_autofree char *flood = g_strnfill (65536, '\n');
  for (gsize i = 0; i < 65536; i += 2)
    flood[i] = '0';
  while (peer_send_bytes (peer, flood, 65536))
    continue;
}

static void
test_sync_fails (void)
{
  assert_open_fails (script_sync_without_sentinel, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  assert_open_fails (script_silent, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  assert_open_fails (script_silent, 0, BAL_AGENT_ERROR_TIMEOUT);
  assert_open_fails (script_closes, AMPLE_MS, BAL_AGENT_ERROR_UNREACHABLE);
}

/* The time-out holds although bytes come in without end, and the memory too. */
static void
test_flood_costs_the_time_out (void)
{
  gint64 before_us = g_get_monotonic_time ();
  assert_open_fails (script_floods, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  g_assert_cmpint (g_get_monotonic_time () - before_us, <, (gint64)AMPLE_MS * 1000);
}

/* --- hostile answers --- */

static void
script_garbage (Peer *peer)
{
  peer_answer_sync (peer);
  peer_expect (peer, BAL_COMMAND_TRIM);
  peer_send (peer, "garbage \x01\x02\n");
  peer_drain (peer);
}

static void
script_overlong (Peer *peer)
{
  g_autofree char *overlong = g_strnfill (BAL_REPLY_LINE_MAX_BYTES + 1, ' ');
  peer_answer_sync (peer);
  gint64 id = peer_expect (peer, BAL_COMMAND_TRIM);
  peer_send (peer, "{");
  peer_send (peer, overlong);
  peer_send (peer, "}\n");
  peer_reply (peer, id, TRIMMED (1));
  peer_drain (peer);
}

static void
script_endless_line (Peer *peer)
{
  g_autofree char *flood = g_strnfill (65536, 'x');
  peer_answer_sync (peer);
  while (peer_send_bytes (peer, flood, 65536))
    continue;
}

static void
script_out_of_range (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM),
              "\"return\":{\"trimmed-bytes\":-1,\"method\":\"drop_caches\"}");
  peer_drain (peer);
}

static void
script_neither (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), "\"x\":1");
  peer_drain (peer);
}

static void
script_answers_nothing (Peer *peer)
{
  peer_answer_sync (peer);
  peer_drain (peer);
}

static void
script_wrong_id (Peer *peer)
{
  peer_answer_sync (peer);
  gint64 id = peer_expect (peer, BAL_COMMAND_TRIM);
  peer_reply (peer, id + 1, TRIMMED (1));
  peer_reply (peer, id - 1, TRIMMED (1));
  peer_send (peer, "{" TRIMMED (1) "}\n{" TRIMMED (1) ",\"id\":\"x\"}\n");
  peer_drain (peer);
}

static void
script_closes_in_call (Peer *peer)
{
  peer_answer_sync (peer);
  peer_expect (peer, BAL_COMMAND_TRIM);
  peer_send (peer, "{\"return\"");
}

static void
script_drips (Peer *peer)
{
  peer_answer_sync (peer);
  peer_expect (peer, BAL_COMMAND_TRIM);
  while (peer_send_bytes (peer, " ", 1))
    g_usleep (1000);
}

static void
script_drips_lines (Peer *peer)
{
  peer_answer_sync (peer);
  gint64 id = peer_expect (peer, BAL_COMMAND_TRIM);
  g_autofree char *stale =
    g_strdup_printf ("{\"return\":{},\"id\":%" G_GINT64_FORMAT "}\n", id - 1);
  while (peer_send_bytes (peer, stale, strlen (stale)))
    g_usleep (1000);
}

static void
test_hostile_answers (void)
{
  assert_call_fails (script_garbage, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
  assert_call_fails (script_overlong, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
  assert_call_fails (script_endless_line, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
  assert_call_fails (script_out_of_range, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
  assert_call_fails (script_neither, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
  assert_call_fails (script_answers_nothing, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  assert_call_fails (script_wrong_id, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  assert_call_fails (script_closes_in_call, AMPLE_MS, BAL_AGENT_ERROR_UNREACHABLE);
  assert_call_fails (script_drips, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
  assert_call_fails (script_drips_lines, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
}

/* --- going on after a failure --- */

static void
script_late (Peer *peer)
{
  peer_answer_sync (peer);
  gint64 first = peer_expect (peer, BAL_COMMAND_TRIM);
  gint64 second = peer_expect (peer, BAL_COMMAND_TRIM);
  g_assert_cmpint (second, >, first);
  peer_reply (peer, first, TRIMMED (1));
  peer_reply (peer, second, TRIMMED (2));
  peer_drain (peer);
}

static void
test_stale_reply_is_dropped (void)
{
  Peer peer;
  peer_start (&peer, script_late);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    assert_trim_fails (client, SHORT_MS, BAL_AGENT_ERROR_TIMEOUT);
    assert_trims (client, 2);
  }
  peer_end (&peer);
}

static void
script_garbage_then_honest (Peer *peer)
{
  peer_answer_sync (peer);
  peer_expect (peer, BAL_COMMAND_TRIM);
  peer_send (peer, "garbage\n{\"torn\":");
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (3));
  peer_drain (peer);
}

static void
test_syncs_again_after_garbage (void)
{
  Peer peer;
  peer_start (&peer, script_garbage_then_honest);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    assert_trim_fails (client, AMPLE_MS, BAL_AGENT_ERROR_GARBAGE);
    assert_trims (client, 3);
  }
  peer_end (&peer);
}

/* While it is not negative, so many bytes more go out and no others: a port whose reader stopped in
 * the middle of a request, which a socket pair does not do by itself. Used by the client's thread
 * only. */
static gint64 bytes_to_pass = -1;
static int passing_fd = -1;

ssize_t
send (int fd, const void *data, size_t length, int flags)
{
  if (fd == passing_fd && bytes_to_pass >= 0)
    {
      length = MIN (length, (gsize)bytes_to_pass);
      bytes_to_pass -= (gint64)length;
      if (length == 0)
        {
          errno = EAGAIN;
          return -1;
        }
    }
  return sendto (fd, data, length, flags, NULL, 0);
}

static void
script_torn_request (Peer *peer)
{
  peer_answer_sync (peer);
  /* The torn request and the sentinel that voids it stand in one line. */
  char *sentinel = NULL;
  while (sentinel == NULL)
    {
      char buffer[4096];
      gssize n = recv (peer->fd, buffer, sizeof buffer, 0);
      g_assert_cmpint (n, >, 0);
      g_string_append_len (peer->input, buffer, n);
      sentinel = memchr (peer->input->str, 0xff, peer->input->len);
    }
  g_assert_cmpint (sentinel - peer->input->str, ==, 10);
  g_string_erase (peer->input, 0, 10);
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_TRIM), TRIMMED (4));
  peer_drain (peer);
}

static void
test_syncs_again_after_a_torn_request (void)
{
  Peer peer;
  peer_start (&peer, script_torn_request);
  {
    g_autoptr (BalAgentClient) client = peer_open_client (&peer);
    passing_fd = peer.client_fd;
    bytes_to_pass = 10;
    assert_trim_fails (client, 20, BAL_AGENT_ERROR_TIMEOUT);
    bytes_to_pass = -1;
    assert_trims (client, 4);
    passing_fd = -1;
  }
  peer_end (&peer);
}

/* --- connecting --- */

static void
test_unix_unreachable (void)
{
  g_autofree char *filling = g_strnfill (sizeof ((struct sockaddr_un *)NULL)->sun_path, 'x');
  g_autofree char *long_path = g_strconcat ("/", filling, NULL);
  const char *const paths[] = {
    "/nonexistent/socket",
    "/dev/null",
    long_path,
  };
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BalAgentClient) client = bal_agent_client_open_unix (paths[i], AMPLE_MS, &error);
      g_assert_null (client);
      g_assert_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE);
    }
}

static void
test_unix_nobody_accepts (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *path = test_root_path (root, "socket");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (listener, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 0), ==, 0);

  /* As with QEMU while it serves another client: connected, but nobody there. */
  g_autoptr (GError) error = NULL;
  g_autoptr (BalAgentClient) client = bal_agent_client_open_unix (path, SHORT_MS, &error);
  g_assert_null (client);
  g_assert_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_TIMEOUT);

  close (listener);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-client/leftovers-are-dropped", test_leftovers_are_dropped);
  g_test_add_func ("/agent-client/sync-fails", test_sync_fails);
  g_test_add_func ("/agent-client/flood-costs-the-time-out", test_flood_costs_the_time_out);
  g_test_add_func ("/agent-client/hostile-answers", test_hostile_answers);
  g_test_add_func ("/agent-client/stale-reply-is-dropped", test_stale_reply_is_dropped);
  g_test_add_func ("/agent-client/syncs-again-after-garbage", test_syncs_again_after_garbage);
  g_test_add_func ("/agent-client/syncs-again-after-a-torn-request",
                   test_syncs_again_after_a_torn_request);
  g_test_add_func ("/agent-client/unix-unreachable", test_unix_unreachable);
  TEST_ROOT_ADD ("/agent-client/unix-nobody-accepts", test_unix_nobody_accepts);
  return g_test_run ();
}
