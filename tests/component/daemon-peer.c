/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon-peer ROOT: the daemon server with handlers for tests. A hook's domain says what to do:
 *
 *   now     answers at once with what arrived
 *   later   answers 300 ms later
 *   park    answers when a domain "unpark" comes
 *   huge    answers with 1 MiB less some
 *   refuse  answers with the error class "Busy"
 *
 * `status` counts the parked requests and all that were answered, and says which domain was asked
 * about. Prints "ready" when it listens.
 */
#include "host-hook/daemon-server.h"

#include <glib-unix.h>
#include <stdio.h>

#define LATER_MS 300
#define HUGE_BYTES (BAL_DAEMON_REPLY_MAX_BYTES - 100)

typedef struct
{
  GMainLoop *loop;
  GQueue parked;
  guint answered;
} Peer;

typedef struct
{
  Peer *peer;
  BalDaemonRequest *request;
  JsonNode *result;
} Later;

static JsonNode *
echo (const BalHookCall *call)
{
  JsonObject *content = json_object_new ();
  g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, call->xml);
  json_object_set_string_member (content, "hook", call->hook);
  json_object_set_string_member (content, "domain", call->domain);
  json_object_set_string_member (content, "operation", call->operation);
  json_object_set_string_member (content, "sub-operation", call->sub_operation);
  json_object_set_string_member (content, "extra", call->extra);
  json_object_set_int_member (content, "xml-bytes", (gint64)g_bytes_get_size (call->xml));
  json_object_set_string_member (content, "xml-sha256", digest);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, content);
  return node;
}

static void
answer (Peer *self, BalDaemonRequest *request, JsonNode *result)
{
  self->answered++;
  bal_daemon_request_return (request, result);
}

static gboolean
on_later (gpointer data)
{
  Later *later = data;
  answer (later->peer, later->request, later->result);
  g_free (later);
  return G_SOURCE_REMOVE;
}

static JsonNode *
huge (void)
{
  JsonObject *content = json_object_new ();
  g_autofree char *text = g_strnfill (HUGE_BYTES, 'x');
  json_object_set_string_member (content, "text", text);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, content);
  return node;
}

static void
unpark (Peer *self, const BalHookCall *call)
{
  while (!g_queue_is_empty (&self->parked))
    answer (self, g_queue_pop_head (&self->parked), echo (call));
}

static void
on_hook (BalDaemonRequest *request, const BalHookCall *call, gpointer data)
{
  Peer *self = data;
  if (g_str_equal (call->domain, "park"))
    g_queue_push_tail (&self->parked, request);
  else if (g_str_equal (call->domain, "refuse"))
    bal_daemon_request_fail (request, "Busy", "Four others wait already");
  else if (g_str_equal (call->domain, "huge"))
    answer (self, request, huge ());
  else if (g_str_equal (call->domain, "later"))
    {
      Later *later = g_new0 (Later, 1);
      *later = (Later){self, request, echo (call)};
      g_timeout_add (LATER_MS, on_later, later);
    }
  else
    {
      if (g_str_equal (call->domain, "unpark"))
        unpark (self, call);
      answer (self, request, echo (call));
    }
}

static void
on_status (BalDaemonRequest *request, const char *domain, gpointer data)
{
  Peer *self = data;
  JsonObject *content = json_object_new ();
  json_object_set_int_member (content, "parked", (gint64)g_queue_get_length (&self->parked));
  json_object_set_int_member (content, "answered", (gint64)self->answered);
  if (domain != NULL)
    json_object_set_string_member (content, "domain", domain);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, content);
  bal_daemon_request_return (request, node);
}

static gboolean
on_signal (gpointer data)
{
  Peer *self = data;
  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  static const BalDaemonHandlers handlers = {.hook = on_hook, .status = on_status};
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Peer self = {.loop = loop, .parked = G_QUEUE_INIT};
  BalDaemonServer *server = bal_daemon_server_new (argv[1], &handlers, &self, &error);
  if (server == NULL)
    {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
  g_unix_signal_add (SIGTERM, on_signal, &self);
  puts ("ready");
  fflush (stdout);
  g_main_loop_run (loop);

  /* A request outlives the server. */
  bal_daemon_server_free (server);
  while (!g_queue_is_empty (&self.parked))
    bal_daemon_request_fail (g_queue_pop_head (&self.parked), "GenericError", "ballastd ends");
  return 0;
}
