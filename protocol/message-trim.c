/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

gboolean
bal_trim_arguments_parse (JsonObject *arguments, guint64 *bytes, GError **error)
{
  static const char *const allowed[] = {"bytes", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);

  return bal_read_only (&reader, allowed, error)
         && bal_read_uint (&reader, BAL_REQUIRED, "bytes", 0, BAL_ADDRESS_LIMIT, bytes, error);
}

JsonObject *
bal_trim_arguments_build (guint64 bytes)
{
  JsonObject *arguments = json_object_new ();

  json_object_set_int_member (arguments, "bytes", (gint64)bytes);
  return arguments;
}

void
bal_trim_clear (BalTrim *self)
{
  g_free (self->method);
  memset (self, 0, sizeof *self);
}

JsonNode *
bal_trim_build (const BalTrim *trim)
{
  JsonObject *result = json_object_new ();

  json_object_set_int_member (result, "trimmed-bytes", (gint64)trim->trimmed_bytes);
  json_object_set_string_member (result, "method", trim->method);
  return bal_result_take (result);
}

gboolean
bal_trim_parse (JsonNode *result, BalTrim *out, GError **error)
{
  g_auto (BalTrim) trim = {0};
  BalJsonReader reader;

  memset (out, 0, sizeof *out);
  if (!bal_json_reader_result (result, &reader, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "trimmed-bytes", 0, BAL_ADDRESS_LIMIT,
                         &trim.trimmed_bytes, error)
      || !bal_read_token (&reader, BAL_REQUIRED, "method", &trim.method, error))
    return FALSE;
  *out = trim;
  memset (&trim, 0, sizeof trim);
  return TRUE;
}
