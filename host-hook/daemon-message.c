/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-message.h"

#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

#define COMMAND_HOOK "hook"
#define COMMAND_STATUS "status"

G_DEFINE_QUARK (bal_daemon_error, bal_daemon_error)

struct _BalDaemonIntake
{
  GByteArray *bytes; /* the header as far as it came, then the payload as far as it came */
  gsize scanned;     /* that many of them hold no newline */
  gboolean has_header;
  gsize payload_bytes;
  BalDaemonCall call;
};

void
bal_hook_call_clear (BalHookCall *self)
{
  g_clear_pointer (&self->hook, g_free);
  g_clear_pointer (&self->domain, g_free);
  g_clear_pointer (&self->operation, g_free);
  g_clear_pointer (&self->sub_operation, g_free);
  g_clear_pointer (&self->extra, g_free);
  g_clear_pointer (&self->xml, g_bytes_unref);
}

void
bal_daemon_call_clear (BalDaemonCall *self)
{
  bal_hook_call_clear (&self->hook);
  g_clear_pointer (&self->status_domain, g_free);
  bal_vf_call_clear (&self->vf);
}

static gboolean
fail (GError **error, BalProtocolError code, const char *sentence)
{
  g_set_error_literal (error, BAL_PROTOCOL_ERROR, (int)code, sentence);
  return FALSE;
}

static gboolean
fail_payload (GError **error)
{
  return fail (error, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT,
               "The domain XML is longer than 1 MiB: it was not passed on");
}

/* @header and then @payload, which may be NULL. */
static GBytes *
build_request (const char *command, JsonObject *arguments, GBytes *payload)
{
  g_autoptr (JsonObject) header = bal_request_build (command, arguments, NULL);
  gsize length;
  g_autofree char *line = bal_json_to_line (header, FALSE, &length);
  GByteArray *bytes = g_byte_array_new ();
  g_byte_array_append (bytes, (const guint8 *)line, (guint)length);
  if (payload != NULL)
    {
      gsize payload_bytes;
      const guint8 *data = g_bytes_get_data (payload, &payload_bytes);
      g_byte_array_append (bytes, data, (guint)payload_bytes);
    }
  return g_byte_array_free_to_bytes (bytes);
}

static gboolean
add_word (JsonObject *arguments, const char *name, const char *word, GError **error)
{
  if (strlen (word) > BAL_DAEMON_WORD_MAX_BYTES || !g_utf8_validate (word, -1, NULL))
    {
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT,
                   "The argument \"%s\" is longer than %u bytes or no UTF-8: it was not passed on",
                   name, BAL_DAEMON_WORD_MAX_BYTES);
      return FALSE;
    }
  json_object_set_string_member (arguments, name, word);
  return TRUE;
}

GBytes *
bal_daemon_build_hook (const BalHookCall *call, GError **error)
{
  if (g_bytes_get_size (call->xml) > BAL_DAEMON_PAYLOAD_MAX_BYTES)
    {
      fail_payload (error);
      return NULL;
    }
  g_autoptr (JsonObject) arguments = json_object_new ();
  if (!add_word (arguments, "hook", call->hook, error)
      || !add_word (arguments, "domain", call->domain, error)
      || !add_word (arguments, "operation", call->operation, error)
      || !add_word (arguments, "sub-operation", call->sub_operation, error)
      || !add_word (arguments, "extra", call->extra, error))
    return NULL;
  json_object_set_int_member (arguments, "payload-bytes", (gint64)g_bytes_get_size (call->xml));
  return build_request (COMMAND_HOOK, arguments, call->xml);
}

GBytes *
bal_daemon_build_status (const char *domain, GError **error)
{
  g_autoptr (JsonObject) arguments = domain != NULL ? json_object_new () : NULL;
  if (domain != NULL && !add_word (arguments, "domain", domain, error))
    return NULL;
  return build_request (COMMAND_STATUS, arguments, NULL);
}

GBytes *
bal_daemon_build_vf (const BalVfCall *call)
{
  g_autoptr (JsonObject) arguments = bal_vf_call_build (call);
  return build_request (bal_vf_command_name (call->command), arguments, NULL);
}

/* Not bal_read_text(), which escapes and cuts: a domain's name must come through as it is. */
static gboolean
read_word (const BalJsonReader *self, const char *name, char **out, GError **error)
{
  JsonNode *node = json_object_get_member (self->object, name);
  if (node == NULL)
    return bal_read_fail (self, error, "\"%s\" is missing", name);
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING
      || strlen (json_node_get_string (node)) > BAL_DAEMON_WORD_MAX_BYTES)
    return bal_read_fail (self, error, "\"%s\" is not a string of at most %u bytes", name,
                          BAL_DAEMON_WORD_MAX_BYTES);
  *out = json_node_dup_string (node);
  return TRUE;
}

static gboolean
parse_hook (BalDaemonIntake *self, JsonObject *arguments, GError **error)
{
  static const char *const allowed[] = {"hook",  "domain",        "operation", "sub-operation",
                                        "extra", "payload-bytes", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);
  BalHookCall *call = &self->call.hook;
  guint64 payload_bytes;
  if (!bal_read_only (&reader, allowed, error)
      || !bal_read_token (&reader, BAL_REQUIRED, "hook", &call->hook, error)
      || !read_word (&reader, "domain", &call->domain, error)
      || !read_word (&reader, "operation", &call->operation, error)
      || !read_word (&reader, "sub-operation", &call->sub_operation, error)
      || !read_word (&reader, "extra", &call->extra, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "payload-bytes", 0, BAL_DAEMON_PAYLOAD_MAX_BYTES,
                         &payload_bytes, error))
    return FALSE;
  self->payload_bytes = (gsize)payload_bytes;
  self->call.command = BAL_DAEMON_COMMAND_HOOK;
  return TRUE;
}

static gboolean
parse_status (BalDaemonIntake *self, JsonObject *arguments, GError **error)
{
  static const char *const allowed[] = {"domain", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);
  self->call.command = BAL_DAEMON_COMMAND_STATUS;
  return bal_read_only (&reader, allowed, error)
         && (!json_object_has_member (reader.object, "domain")
             || read_word (&reader, "domain", &self->call.status_domain, error));
}

static gboolean
parse_header (BalDaemonIntake *self, gsize length_bytes, GError **error)
{
  static const char *const allowed[] = {"execute", "arguments", NULL};
  g_autoptr (GError) syntax = NULL;
  g_autoptr (JsonObject) line =
    bal_json_parse_line ((const char *)self->bytes->data, length_bytes, &syntax);
  if (line == NULL)
    return fail (error, BAL_PROTOCOL_ERROR_GENERIC, syntax->message);

  BalJsonReader reader = bal_json_reader_request (line);
  g_auto (BalRequest) request = {0};
  BalVfCommand vf;
  if (!bal_read_only (&reader, allowed, error) || !bal_request_parse (line, &request, error))
    return FALSE;
  if (g_str_equal (request.command, COMMAND_HOOK))
    return parse_hook (self, request.arguments, error);
  if (g_str_equal (request.command, COMMAND_STATUS))
    return parse_status (self, request.arguments, error);
  if (bal_vf_command_from_name (request.command, &vf))
    {
      self->call.command = BAL_DAEMON_COMMAND_VF;
      return bal_vf_call_read (vf, request.arguments, &self->call.vf, error);
    }
  g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND,
               "The command \"%s\" is not known to this version of ballastd", request.command);
  return FALSE;
}

BalDaemonIntake *
bal_daemon_intake_new (void)
{
  BalDaemonIntake *self = g_new0 (BalDaemonIntake, 1);
  self->bytes = g_byte_array_new ();
  return self;
}

void
bal_daemon_intake_free (BalDaemonIntake *self)
{
  g_clear_pointer (&self->bytes, g_byte_array_unref);
  bal_daemon_call_clear (&self->call);
  g_free (self);
}

gboolean
bal_daemon_intake_feed (BalDaemonIntake *self, const void *data, gsize length_bytes, GError **error)
{
  if (length_bytes == 0)
    return TRUE;
  g_byte_array_append (self->bytes, data, (guint)length_bytes);
  if (!self->has_header)
    {
      const guint8 *newline =
        memchr (self->bytes->data + self->scanned, '\n', self->bytes->len - self->scanned);
      gsize length = newline != NULL ? (gsize)(newline - self->bytes->data) : self->bytes->len;
      self->scanned = length;
      if (length > BAL_DAEMON_HEADER_MAX_BYTES)
        return fail (error, BAL_PROTOCOL_ERROR_GENERIC, "The request's line is longer than 64 KiB");
      if (newline == NULL)
        return TRUE;
      if (!parse_header (self, length, error))
        return FALSE;
      g_byte_array_remove_range (self->bytes, 0, (guint)length + 1);
      self->has_header = TRUE;
    }
  if (self->bytes->len > self->payload_bytes)
    return fail (error, BAL_PROTOCOL_ERROR_GENERIC,
                 "The request is longer than it says in \"payload-bytes\"");
  return TRUE;
}

gboolean
bal_daemon_intake_take (BalDaemonIntake *self, BalDaemonCall *out)
{
  if (!self->has_header || self->bytes == NULL || self->bytes->len < self->payload_bytes)
    return FALSE;
  GBytes *payload = g_byte_array_free_to_bytes (g_steal_pointer (&self->bytes));
  if (self->call.command == BAL_DAEMON_COMMAND_HOOK)
    self->call.hook.xml = payload;
  else
    g_bytes_unref (payload);
  *out = self->call;
  memset (&self->call, 0, sizeof self->call);
  return TRUE;
}

static GBytes *
reply_bytes (JsonObject *reply)
{
  gsize length;
  char *line = bal_json_to_line (reply, FALSE, &length);
  return g_bytes_new_take (line, length);
}

GBytes *
bal_daemon_build_return (JsonNode *result)
{
  g_autoptr (JsonObject) reply = bal_reply_build (result, NULL);
  g_autoptr (GBytes) bytes = reply_bytes (reply);
  if (g_bytes_get_size (bytes) > BAL_DAEMON_REPLY_MAX_BYTES + 1)
    return bal_daemon_build_error (bal_protocol_error_class (BAL_PROTOCOL_ERROR_GENERIC),
                                   "The reply would be longer than 1 MiB");
  return g_steal_pointer (&bytes);
}

GBytes *
bal_daemon_build_error (const char *error_class, const char *sentence)
{
  g_autoptr (JsonObject) reply = json_object_new ();
  JsonObject *content = json_object_new ();
  /* NB: a sentence may quote a file's name, which need not be UTF-8. */
  g_autofree char *text = g_utf8_make_valid (sentence, -1);
  json_object_set_string_member (content, "class", error_class);
  json_object_set_string_member (content, "desc", text);
  json_object_set_object_member (reply, "error", content);
  return reply_bytes (reply);
}

/* The error that a reply reports, which bal_reply_parse() has checked. It knows no class of ours,
 * and cuts a sentence that names the figures of many NICs. */
static void
set_refused (JsonObject *reply, const GError *problem, GError **error)
{
  JsonObject *content = json_object_get_object_member (reply, "error");
  BalVfError code;

  if (bal_vf_error_from_class (json_object_get_string_member (content, "class"), &code))
    {
      g_autofree char *text = bal_escape_whole (json_object_get_string_member (content, "desc"));
      g_set_error_literal (error, BAL_VF_ERROR, (int)code, text);
    }
  else
    g_set_error_literal (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_REFUSED, problem->message);
}

JsonNode *
bal_daemon_parse_reply (const char *line, gsize length_bytes, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (JsonObject) reply = bal_json_parse_line (line, length_bytes, &problem);
  JsonNode *result = reply != NULL ? bal_reply_parse (reply, &problem) : NULL;
  BalJsonReader content;
  if (result != NULL && bal_json_reader_result (result, &content, &problem))
    return json_node_copy (result);
  if (problem->domain == BAL_CODEC_ERROR)
    g_set_error (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_GARBAGE,
                 "What ballastd answered is not a reply: %s", problem->message);
  else
    set_refused (reply, problem, error);
  return NULL;
}
