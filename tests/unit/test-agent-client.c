/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client against a scripted peer at the other end of a socket pair: an honest one, and every
 * kind of hostile one. */
#include "host-hook/agent-client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Long enough for a busy machine; nothing waits for it. */
#define AMPLE_MS 20000
#define SHORT_MS 150

typedef struct _Peer Peer;
typedef void (*Script) (Peer *peer);

struct _Peer
{
  int fd;
  Script script;
  GThread *thread;
  int client_fd;
  GString *input;
};

/* --- the peer's side --- */

static gboolean
peer_send_bytes (Peer *peer, const char *data, gsize length)
{
  while (length > 0)
    {
      gssize n = send (peer->fd, data, length, MSG_NOSIGNAL);
      if (n <= 0)
        return FALSE;
      data += n;
      length -= (gsize)n;
    }
  return TRUE;
}

static void
peer_send (Peer *peer, const char *text)
{
  peer_send_bytes (peer, text, strlen (text));
}

/* The next request, or NULL when the client has gone. Drops a sentinel in front. */
static JsonObject *
peer_receive (Peer *peer)
{
  for (;;)
    {
      char *end = strchr (peer->input->str, '\n');
      if (end != NULL)
        {
          const char *start = peer->input->str;
          while ((guchar)*start == 0xff)
            start++;
          g_autoptr (GError) error = NULL;
          JsonObject *object = bal_json_parse_line (start, (gsize)(end - start), &error);
          g_assert_no_error (error);
          g_string_erase (peer->input, 0, end + 1 - peer->input->str);
          return object;
        }
      char buffer[4096];
      gssize n = recv (peer->fd, buffer, sizeof buffer, 0);
      if (n <= 0)
        return NULL;
      g_string_append_len (peer->input, buffer, n);
    }
}

static void
peer_answer_sync (Peer *peer)
{
  g_autoptr (JsonObject) request = peer_receive (peer);
  g_assert_nonnull (request);
  g_assert_cmpstr (json_object_get_string_member (request, "execute"), ==,
                   BAL_COMMAND_SYNC_DELIMITED);
  JsonObject *arguments = json_object_get_object_member (request, "arguments");
  g_autofree char *reply = g_strdup_printf ("\xff{\"return\":%" G_GINT64_FORMAT "}\n",
                                            json_object_get_int_member (arguments, "id"));
  peer_send (peer, reply);
}

/* Receives a request of @command and gives its id. */
static gint64
peer_expect (Peer *peer, const char *command)
{
  g_autoptr (JsonObject) request = peer_receive (peer);
  g_assert_nonnull (request);
  g_assert_cmpstr (json_object_get_string_member (request, "execute"), ==, command);
  return json_object_get_int_member (request, "id");
}

static void
peer_reply (Peer *peer, gint64 id, const char *content)
{
  g_autofree char *line = g_strdup_printf ("{%s,\"id\":%" G_GINT64_FORMAT "}\n", content, id);
  peer_send (peer, line);
}

/* Until the client leaves. */
static void
peer_drain (Peer *peer)
{
  char buffer[4096];
  while (recv (peer->fd, buffer, sizeof buffer, 0) > 0)
    continue;
}

static gpointer
peer_run (gpointer data)
{
  Peer *peer = data;
  peer->script (peer);
  shutdown (peer->fd, SHUT_RDWR);
  return NULL;
}

static void
peer_start (Peer *peer, Script script)
{
  int fds[2];
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  peer->fd = fds[0];
  peer->client_fd = fds[1];
  peer->script = script;
  peer->input = g_string_new (NULL);
  peer->thread = g_thread_new ("peer", peer_run, peer);
}

static void
peer_end (Peer *peer)
{
  g_thread_join (peer->thread);
  close (peer->fd);
  g_string_free (peer->input, TRUE);
}

/* --- the client's side --- */

static BalAgentClient *
open_client (Peer *peer)
{
  g_autoptr (GError) error = NULL;
  BalAgentClient *client = bal_agent_client_open_fd (peer->client_fd, AMPLE_MS, &error);
  g_assert_no_error (error);
  return client;
}

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

static void
assert_trim_fails (BalAgentClient *client, guint timeout_ms, int code)
{
  BalTrim trim = {7, (char *)"poison"};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_agent_client_trim (client, 4096, timeout_ms, &trim, &error));
  g_assert_error (error, BAL_AGENT_ERROR, code);
  g_assert_null (trim.method);
  g_assert_null (strchr (error->message, '\n'));
}

static void
assert_trims (BalAgentClient *client, guint64 expected_bytes)
{
  g_auto (BalTrim) trim = {0};
  g_autoptr (GError) error = NULL;
  bal_agent_client_trim (client, 4096, AMPLE_MS, &trim, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (trim.trimmed_bytes, ==, expected_bytes);
}

/* One failing call after an honest sync. */
static void
assert_call_fails (Script script, guint timeout_ms, int code)
{
  Peer peer;
  peer_start (&peer, script);
  {
    g_autoptr (BalAgentClient) client = open_client (&peer);
    assert_trim_fails (client, timeout_ms, code);
  }
  peer_end (&peer);
}

/* --- an honest peer --- */

#define TRIMMED(bytes) "\"return\":{\"trimmed-bytes\":" #bytes ",\"method\":\"drop_caches\"}"
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
    assert_trim_fails (client, AMPLE_MS, BAL_AGENT_ERROR_REFUSED);
    assert_trims (client, 1);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
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

/* --- hostile pages of ranges --- */

static void
script_page_does_not_move_on (Peer *peer)
{
  peer_answer_sync (peer);
  peer_reply (peer, peer_expect (peer, BAL_COMMAND_FREE_RANGES), PAGE ("", ",\"next\":0"));
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
  static const Script scripts[] = {script_page_does_not_move_on, script_pages_overlap};
  for (gsize i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      Peer peer;
      peer_start (&peer, scripts[i]);
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (BalAgentClient) client = open_client (&peer);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
    g_autoptr (BalRanges) ranges = bal_agent_client_free_ranges (client, 4096, AMPLE_MS, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bal_ranges_count (ranges), ==, BAL_RANGE_PAGES_MAX);
    assert_trims (client, 1);
  }
  peer_end (&peer);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
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
    g_autoptr (BalAgentClient) client = open_client (&peer);
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
test_unix_nobody_accepts (void)
{
  g_autofree char *folder = g_dir_make_tmp ("ballast-agent-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "socket", NULL);
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
  unlink (path);
  g_assert_cmpint (rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-client/honest", test_honest);
  g_test_add_func ("/agent-client/refusal", test_refusal);
  g_test_add_func ("/agent-client/leftovers-are-dropped", test_leftovers_are_dropped);
  g_test_add_func ("/agent-client/sync-fails", test_sync_fails);
  g_test_add_func ("/agent-client/flood-costs-the-time-out", test_flood_costs_the_time_out);
  g_test_add_func ("/agent-client/hostile-answers", test_hostile_answers);
  g_test_add_func ("/agent-client/bad-pages", test_bad_pages);
  g_test_add_func ("/agent-client/pages-are-capped", test_pages_are_capped);
  g_test_add_func ("/agent-client/stale-reply-is-dropped", test_stale_reply_is_dropped);
  g_test_add_func ("/agent-client/syncs-again-after-garbage", test_syncs_again_after_garbage);
  g_test_add_func ("/agent-client/syncs-again-after-a-torn-request",
                   test_syncs_again_after_a_torn_request);
  g_test_add_func ("/agent-client/unix-unreachable", test_unix_unreachable);
  g_test_add_func ("/agent-client/unix-nobody-accepts", test_unix_nobody_accepts);
  return g_test_run ();
}
