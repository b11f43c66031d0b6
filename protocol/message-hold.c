/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

static const char *const state_names[] = {
  [BAL_HOLD_IDLE] = "idle",
  [BAL_HOLD_GROWING] = "growing",
  [BAL_HOLD_HELD] = "held",
  [BAL_HOLD_RETURNING] = "returning",
};

static const char *const reason_names[] = {
  [BAL_HOLD_REASON_NONE] = "none",         [BAL_HOLD_REASON_TARGET] = "target",
  [BAL_HOLD_REASON_HEADROOM] = "headroom", [BAL_HOLD_REASON_REQUEST] = "request",
  [BAL_HOLD_REASON_DEADLINE] = "deadline", [BAL_HOLD_REASON_SILENCE] = "silence",
  [BAL_HOLD_REASON_PRESSURE] = "pressure", [BAL_HOLD_REASON_KILLED] = "killed",
  [BAL_HOLD_REASON_FAILED] = "failed",
};

const char *
bal_hold_state_name (BalHoldState state)
{
  g_assert ((guint)state < G_N_ELEMENTS (state_names));
  return state_names[state];
}

const char *
bal_hold_reason_name (BalHoldReason reason)
{
  g_assert ((guint)reason < G_N_ELEMENTS (reason_names));
  return reason_names[reason];
}

void
bal_hold_arguments_clear (BalHoldArguments *self)
{
  g_free (self->token);
  memset (self, 0, sizeof *self);
}

gboolean
bal_hold_arguments_parse (JsonObject *arguments, BalHoldArguments *out, GError **error)
{
  static const char *const allowed[] = {"bytes", "headroom-bytes", "deadline-ms", "token", NULL};
  g_auto (BalHoldArguments) parsed = {0};
  BalJsonReader reader = bal_json_reader_arguments (arguments);

  memset (out, 0, sizeof *out);
  if (!bal_read_only (&reader, allowed, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "bytes", 0, BAL_ADDRESS_LIMIT, &parsed.bytes, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "headroom-bytes", 0, BAL_ADDRESS_LIMIT,
                         &parsed.headroom_bytes, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "deadline-ms", BAL_HOLD_DEADLINE_MIN_MS,
                         BAL_HOLD_DEADLINE_MAX_MS, &parsed.deadline_ms, error)
      || !bal_read_token (&reader, BAL_REQUIRED, "token", &parsed.token, error))
    return FALSE;
  parsed.has_headroom = json_object_has_member (arguments, "headroom-bytes");
  parsed.has_deadline = json_object_has_member (arguments, "deadline-ms");
  *out = parsed;
  memset (&parsed, 0, sizeof parsed);
  return TRUE;
}

JsonObject *
bal_hold_arguments_build (const BalHoldArguments *arguments)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "bytes", (gint64)arguments->bytes);
  if (arguments->has_headroom)
    json_object_set_int_member (object, "headroom-bytes", (gint64)arguments->headroom_bytes);
  if (arguments->has_deadline)
    json_object_set_int_member (object, "deadline-ms", (gint64)arguments->deadline_ms);
  json_object_set_string_member (object, "token", arguments->token);
  return object;
}

gboolean
bal_hold_status_arguments_parse (JsonObject *arguments, BalHoldStatusArguments *out, GError **error)
{
  static const char *const allowed[] = {"ranges", "from", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);
  BalHoldStatusArguments parsed = {0};

  memset (out, 0, sizeof *out);
  if (!bal_read_only (&reader, allowed, error)
      || !bal_read_bool (&reader, BAL_OPTIONAL, "ranges", &parsed.want_ranges, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "from", 0, BAL_ADDRESS_LIMIT - 1, &parsed.from,
                         error))
    return FALSE;
  *out = parsed;
  return TRUE;
}

JsonObject *
bal_hold_status_arguments_build (const BalHoldStatusArguments *arguments)
{
  JsonObject *object = json_object_new ();

  json_object_set_boolean_member (object, "ranges", arguments->want_ranges);
  json_object_set_int_member (object, "from", (gint64)arguments->from);
  return object;
}

void
bal_hold_status_clear (BalHoldStatus *self)
{
  g_free (self->token);
  bal_free_ranges_clear (&self->ranges);
  memset (self, 0, sizeof *self);
}

JsonNode *
bal_hold_status_build (const BalHoldStatus *status)
{
  JsonObject *result = json_object_new ();

  json_object_set_string_member (result, "state", bal_hold_state_name (status->state));
  json_object_set_string_member (result, "reason", bal_hold_reason_name (status->reason));
  json_object_set_int_member (result, "held-bytes", (gint64)status->held_bytes);
  json_object_set_int_member (result, "target-bytes", (gint64)status->target_bytes);
  if (status->token != NULL)
    json_object_set_string_member (result, "token", status->token);
  if (status->has_ranges)
    json_object_set_member (result, "ranges", bal_free_ranges_build (&status->ranges));
  return bal_result_take (result);
}

/* Index of @name in @names, or -1. */
static int
find_name (const char *name, const char *const *names, guint count)
{
  for (guint i = 0; i < count; i++)
    if (g_str_equal (name, names[i]))
      return (int)i;
  return -1;
}

static gboolean
parse_state (const BalJsonReader *reader, BalHoldStatus *status, GError **error)
{
  g_autofree char *name = NULL;
  int state;

  if (!bal_read_token (reader, BAL_REQUIRED, "state", &name, error))
    return FALSE;
  state = find_name (name, state_names, G_N_ELEMENTS (state_names));
  if (state < 0)
    return bal_read_fail (reader, error, "\"state\" is not a known state");
  status->state = (BalHoldState)state;
  return TRUE;
}

/* A reason is for a person to read: one that a newer agent knows and we do not is none. */
static gboolean
parse_reason (const BalJsonReader *reader, BalHoldStatus *status, GError **error)
{
  g_autofree char *name = NULL;
  int reason;

  if (!bal_read_token (reader, BAL_REQUIRED, "reason", &name, error))
    return FALSE;
  reason = find_name (name, reason_names, G_N_ELEMENTS (reason_names));
  status->reason = reason < 0 ? BAL_HOLD_REASON_NONE : (BalHoldReason)reason;
  return TRUE;
}

static gboolean
parse_held_ranges (const BalJsonReader *reader, BalHoldStatus *status, GError **error)
{
  JsonNode *page = json_object_get_member (reader->object, "ranges");

  if (page == NULL)
    return TRUE;
  status->has_ranges = TRUE;
  return bal_free_ranges_parse (page, &status->ranges, error);
}

gboolean
bal_hold_status_parse (JsonNode *result, BalHoldStatus *out, GError **error)
{
  g_auto (BalHoldStatus) status = {0};
  BalJsonReader reader;

  memset (out, 0, sizeof *out);
  if (!bal_json_reader_result (result, &reader, error) || !parse_state (&reader, &status, error)
      || !parse_reason (&reader, &status, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "held-bytes", 0, BAL_ADDRESS_LIMIT,
                         &status.held_bytes, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "target-bytes", 0, BAL_ADDRESS_LIMIT,
                         &status.target_bytes, error)
      || !bal_read_token (&reader, BAL_OPTIONAL, "token", &status.token, error)
      || !parse_held_ranges (&reader, &status, error))
    return FALSE;
  *out = status;
  memset (&status, 0, sizeof status);
  return TRUE;
}
