/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/agent-client.h"

#include "host-hook/agent-transport.h"

#include <string.h>

#define READ_STEP_BYTES 65536

/* Ids stay exact in any JSON library, also one that knows doubles only. */
#define FIRST_ID_LIMIT (G_GINT64_CONSTANT (1) << 50)

G_DEFINE_QUARK (bal_agent_error, bal_agent_error)

struct _BalAgentClient
{
  BalAgentTransport *transport;
  BalFramer *framer;
  gint64 last_id;      /* of the last request; a conversation's first one is random */
  gboolean needs_sync; /* a request may have gone out in part, or garbage came in */
};

void
bal_agent_client_free (BalAgentClient *self)
{
  bal_agent_transport_free (self->transport);
  bal_framer_free (self->framer);
  g_free (self);
}

static gint64
deadline_after (guint timeout_ms)
{
  return g_get_monotonic_time () + (gint64)timeout_ms * 1000;
}

/* --- lines --- */

static gboolean
send_line (
  BalAgentClient *self, JsonObject *line, gboolean sentinel, gint64 deadline_us, GError **error)
{
  gsize length_bytes;
  g_autofree char *text = bal_json_to_line (line, sentinel, &length_bytes);
  gsize sent = 0;

  while (sent < length_bytes)
    {
      gssize n =
        bal_agent_transport_write (self->transport, text + sent, length_bytes - sent, error);
      if (n < 0)
        return FALSE;
      sent += (gsize)n;
      if (n == 0
          && !bal_agent_transport_wait (self->transport, BAL_AGENT_WRITABLE, deadline_us, error))
        {
          self->needs_sync = self->needs_sync || sent > 0;
          return FALSE;
        }
    }
  return TRUE;
}

/* The next frame that is one. What was read is used up before more is, so that the wait, and with
 * it the clock, comes after READ_STEP_BYTES at the latest, however fast the peer sends. */
static gboolean
receive_frame (BalAgentClient *self,
               gint64 deadline_us,
               BalFrame *frame,
               char **line,
               gsize *length_bytes,
               GError **error)
{
  for (;;)
    {
      *frame = bal_framer_next (self->framer, line, length_bytes);
      if (*frame != BAL_FRAME_NONE)
        return TRUE;

      char buffer[READ_STEP_BYTES];
      if (!bal_agent_transport_wait (self->transport, BAL_AGENT_READABLE, deadline_us, error))
        return FALSE;
      gssize n = bal_agent_transport_read (self->transport, buffer, sizeof buffer, error);
      if (n < 0)
        return FALSE;
      bal_framer_feed (self->framer, buffer, (gsize)n);
    }
}

/* --- sync --- */

/* TRUE when @line is {"return": @id}. */
static gboolean
is_sync_reply (const char *line, gsize length_bytes, gint64 id)
{
  g_autoptr (JsonObject) object = bal_json_parse_line (line, length_bytes, NULL);
  JsonNode *result = object == NULL ? NULL : json_object_get_member (object, "return");
  return result != NULL && JSON_NODE_HOLDS_VALUE (result)
         && json_node_get_value_type (result) == G_TYPE_INT64 && json_node_get_int (result) == id;
}

/* Sends a sync with a new id and drops everything up to its answer. */
static gboolean
synchronize (BalAgentClient *self, gint64 deadline_us, GError **error)
{
  gint64 id = ++self->last_id;
  g_autoptr (JsonObject) arguments = bal_sync_arguments_build (id);
  g_autoptr (JsonObject) request = bal_request_build (BAL_COMMAND_SYNC_DELIMITED, arguments, NULL);

  self->needs_sync = TRUE;
  if (!send_line (self, request, TRUE, deadline_us, error))
    return FALSE;
  for (;;)
    {
      BalFrame frame;
      g_autofree char *line = NULL;
      gsize length_bytes;
      if (!receive_frame (self, deadline_us, &frame, &line, &length_bytes, error))
        return FALSE;
      if (frame == BAL_FRAME_LINE && bal_framer_after_sentinel (self->framer)
          && is_sync_reply (line, length_bytes, id))
        break;
    }
  self->needs_sync = FALSE;
  return TRUE;
}

/* --- calls --- */

/* Turns what the protocol library says of a reply into what the caller is told. */
static void
take_reply_error (BalAgentClient *self, const char *command, GError *failure, GError **error)
{
  if (failure->domain == BAL_PROTOCOL_ERROR)
    g_set_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_REFUSED, "The guest agent refused %s: %s",
                 command, failure->message);
  else
    {
      self->needs_sync = TRUE;
      g_set_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_GARBAGE,
                   "The guest agent's answer to %s makes no sense: %s", command, failure->message);
    }
  g_error_free (failure);
}

/* The next reply with @id; others are late answers to requests that were given up. */
static JsonObject *
receive_reply (
  BalAgentClient *self, const char *command, gint64 id, gint64 deadline_us, GError **error)
{
  for (;;)
    {
      BalFrame frame;
      g_autofree char *line = NULL;
      gsize length_bytes;
      GError *failure = NULL;
      if (!receive_frame (self, deadline_us, &frame, &line, &length_bytes, error))
        return NULL;

      g_autoptr (JsonObject) reply = NULL;
      if (frame == BAL_FRAME_OVERLONG)
        g_set_error_literal (&failure, BAL_CODEC_ERROR, BAL_CODEC_ERROR_LIMIT, "It is too long");
      else
        reply = bal_json_parse_line (line, length_bytes, &failure);
      if (reply == NULL)
        {
          take_reply_error (self, command, failure, error);
          return NULL;
        }
      if (bal_reply_id (reply) == id)
        return g_steal_pointer (&reply);
    }
}

/* Sends a request and gives the reply's result; *@reply keeps it alive. */
static JsonNode *
call (BalAgentClient *self,
      const char *command,
      JsonObject *arguments,
      gint64 deadline_us,
      JsonObject **reply,
      GError **error)
{
  if (self->needs_sync && !synchronize (self, deadline_us, error))
    return NULL;

  g_autoptr (JsonNode) id = json_node_new (JSON_NODE_VALUE);
  json_node_set_int (id, ++self->last_id);
  g_autoptr (JsonObject) request = bal_request_build (command, arguments, id);
  if (!send_line (self, request, FALSE, deadline_us, error))
    return NULL;
  *reply = receive_reply (self, command, self->last_id, deadline_us, error);
  if (*reply == NULL)
    return NULL;

  GError *failure = NULL;
  JsonNode *result = bal_reply_parse (*reply, &failure);
  if (result == NULL)
    take_reply_error (self, command, failure, error);
  return result;
}

/* Any of the protocol's parsers of a result. */
typedef gboolean (*ParseResult) (JsonNode *result, gpointer out, GError **error);

static gboolean
call_and_parse (BalAgentClient *self,
                const char *command,
                JsonObject *arguments,
                gint64 deadline_us,
                ParseResult parse,
                gpointer out,
                GError **error)
{
  g_autoptr (JsonObject) reply = NULL;
  GError *failure = NULL;

  JsonNode *result = call (self, command, arguments, deadline_us, &reply, error);
  if (result == NULL)
    return FALSE;
  if (parse (result, out, &failure))
    return TRUE;
  take_reply_error (self, command, failure, error);
  return FALSE;
}

static gboolean
parse_guest_info (JsonNode *result, gpointer out, GError **error)
{
  return bal_guest_info_parse (result, out, error);
}

static gboolean
parse_memory_info (JsonNode *result, gpointer out, GError **error)
{
  return bal_memory_info_parse (result, out, error);
}

static gboolean
parse_free_ranges (JsonNode *result, gpointer out, GError **error)
{
  return bal_free_ranges_parse (result, out, error);
}

static gboolean
parse_hold_status (JsonNode *result, gpointer out, GError **error)
{
  return bal_hold_status_parse (result, out, error);
}

static gboolean
parse_trim (JsonNode *result, gpointer out, GError **error)
{
  return bal_trim_parse (result, out, error);
}

/* --- opening --- */

static BalAgentClient *
open_transport (BalAgentTransport *transport, gint64 deadline_us, GError **error)
{
  g_autoptr (BalAgentClient) self = g_new0 (BalAgentClient, 1);
  self->transport = transport;
  self->framer = bal_framer_new (BAL_REPLY_LINE_MAX_BYTES);
  guint64 random = (guint64)g_random_int () << 32 | g_random_int ();
  self->last_id = (gint64)(random % FIRST_ID_LIMIT);
  if (!synchronize (self, deadline_us, error))
    return NULL;
  return g_steal_pointer (&self);
}

BalAgentClient *
bal_agent_client_open_fd (int fd, guint timeout_ms, GError **error)
{
  return open_transport (bal_agent_transport_new_fd (fd), deadline_after (timeout_ms), error);
}

BalAgentClient *
bal_agent_client_open_unix (const char *path, guint timeout_ms, GError **error)
{
  gint64 deadline_us = deadline_after (timeout_ms);
  BalAgentTransport *transport = bal_agent_transport_new_unix (path, deadline_us, error);
  return transport == NULL ? NULL : open_transport (transport, deadline_us, error);
}

BalAgentClient *
bal_agent_client_open_domain (virDomainPtr domain, guint timeout_ms, GError **error)
{
  BalAgentTransport *transport = bal_agent_transport_new_domain (domain, error);
  return transport == NULL ? NULL : open_transport (transport, deadline_after (timeout_ms), error);
}

/* --- the commands --- */

gboolean
bal_agent_client_info (BalAgentClient *self, guint timeout_ms, BalGuestInfo *out, GError **error)
{
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_INFO, NULL, deadline_after (timeout_ms),
                         parse_guest_info, out, error);
}

gboolean
bal_agent_client_memory_info (BalAgentClient *self,
                              guint timeout_ms,
                              BalMemoryInfo *out,
                              GError **error)
{
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_MEMORY_INFO, NULL, deadline_after (timeout_ms),
                         parse_memory_info, out, error);
}

/* One page of free ranges behind those that @all has; @arguments->from moves on. *@more: there may
 * be another page. */
static gboolean
add_free_ranges (BalAgentClient *self,
                 BalFreeRangesArguments *arguments,
                 gint64 deadline_us,
                 BalRanges *all,
                 gboolean *more,
                 GError **error)
{
  g_autoptr (JsonObject) object = bal_free_ranges_arguments_build (arguments);
  g_auto (BalFreeRanges) page = {0};
  if (!call_and_parse (self, BAL_COMMAND_FREE_RANGES, object, deadline_us, parse_free_ranges, &page,
                       error))
    return FALSE;

  GError *failure = NULL;
  for (guint i = 0; i < bal_ranges_count (page.ranges); i++)
    {
      const BalRange *range = bal_ranges_get (page.ranges, i);
      if (!bal_ranges_append (all, range->start, range->length, &failure))
        {
          take_reply_error (self, BAL_COMMAND_FREE_RANGES, failure, error);
          return FALSE;
        }
    }
  if (page.has_next && page.next <= arguments->from)
    {
      g_set_error_literal (&failure, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT,
                           "Its next page does not lie behind this one");
      take_reply_error (self, BAL_COMMAND_FREE_RANGES, failure, error);
      return FALSE;
    }
  *more = page.has_next;
  arguments->from = page.next;
  return TRUE;
}

BalRanges *
bal_agent_client_free_ranges (BalAgentClient *self,
                              guint64 min_length_bytes,
                              guint timeout_ms,
                              GError **error)
{
  gint64 deadline_us = deadline_after (timeout_ms);
  BalFreeRangesArguments arguments = {
    .min_length_bytes = min_length_bytes,
    .max_ranges = BAL_RANGES_PER_REPLY_MAX,
  };
  g_autoptr (BalRanges) all = bal_ranges_new ();
  gboolean more = TRUE;

  for (guint page = 0; more && page < BAL_RANGE_PAGES_MAX; page++)
    if (!add_free_ranges (self, &arguments, deadline_us, all, &more, error))
      return NULL;
  return g_steal_pointer (&all);
}

gboolean
bal_agent_client_hold (BalAgentClient *self,
                       const BalHoldArguments *arguments,
                       guint timeout_ms,
                       BalHoldStatus *out,
                       GError **error)
{
  g_autoptr (JsonObject) object = bal_hold_arguments_build (arguments);
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_HOLD, object, deadline_after (timeout_ms),
                         parse_hold_status, out, error);
}

gboolean
bal_agent_client_hold_status (BalAgentClient *self,
                              guint timeout_ms,
                              BalHoldStatus *out,
                              GError **error)
{
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_HOLD_STATUS, NULL, deadline_after (timeout_ms),
                         parse_hold_status, out, error);
}

gboolean
bal_agent_client_return (BalAgentClient *self, guint timeout_ms, BalHoldStatus *out, GError **error)
{
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_RETURN, NULL, deadline_after (timeout_ms),
                         parse_hold_status, out, error);
}

gboolean
bal_agent_client_trim (
  BalAgentClient *self, guint64 bytes, guint timeout_ms, BalTrim *out, GError **error)
{
  g_autoptr (JsonObject) object = bal_trim_arguments_build (bytes);
  memset (out, 0, sizeof *out);
  return call_and_parse (self, BAL_COMMAND_TRIM, object, deadline_after (timeout_ms), parse_trim,
                         out, error);
}
