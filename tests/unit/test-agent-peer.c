/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-agent-peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the peer's side --- */

gboolean
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

void
peer_send (Peer *peer, const char *text)
{
  peer_send_bytes (peer, text, strlen (text));
}

JsonObject *
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

void
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

gint64
peer_expect (Peer *peer, const char *command)
{
  g_autoptr (JsonObject) request = peer_receive (peer);
  g_assert_nonnull (request);
  g_assert_cmpstr (json_object_get_string_member (request, "execute"), ==, command);
  return json_object_get_int_member (request, "id");
}

void
peer_reply (Peer *peer, gint64 id, const char *content)
{
  g_autofree char *line = g_strdup_printf ("{%s,\"id\":%" G_GINT64_FORMAT "}\n", content, id);
  peer_send (peer, line);
}

void
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

void
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

void
peer_end (Peer *peer)
{
  g_thread_join (peer->thread);
  close (peer->fd);
  g_string_free (peer->input, TRUE);
}

/* --- the client's side --- */

BalAgentClient *
peer_open_client (Peer *peer)
{
  g_autoptr (GError) error = NULL;
  BalAgentClient *client = bal_agent_client_open_fd (peer->client_fd, AMPLE_MS, &error);
  g_assert_no_error (error);
  return client;
}

void
assert_trim_fails (BalAgentClient *client, guint timeout_ms, int code)
{
  BalTrim trim = {7, (char *)"poison"};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_agent_client_trim (client, 4096, timeout_ms, &trim, &error));
  g_assert_error (error, BAL_AGENT_ERROR, code);
  g_assert_null (trim.method);
  g_assert_null (strchr (error->message, '\n'));
}

void
assert_trims (BalAgentClient *client, guint64 expected_bytes)
{
  g_auto (BalTrim) trim = {0};
  g_autoptr (GError) error = NULL;
  bal_agent_client_trim (client, 4096, AMPLE_MS, &trim, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (trim.trimmed_bytes, ==, expected_bytes);
}
