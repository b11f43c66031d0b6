/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer's stream, from bytes to typed messages and back.
 *
 * Of the input, the first byte says how the rest is cut into feeds; what comes out must not depend
 * on it. Each line that parses is read as a request of every command and as a reply to every
 * command; what is built from that must survive being written and parsed again, by json-glib's
 * parser too.
 */
#include "fuzz.h"

#include "protocol/messages.h"

#include <string.h>

#define LINE_MAX_BYTES 4096u

static void
check_rewritten (JsonObject *object)
{
  gsize length;
  g_autofree char *line = bal_json_to_line (object, FALSE, &length);
  g_autoptr (JsonObject) again = bal_json_parse_line (line, length, NULL);
  g_autoptr (JsonParser) theirs = json_parser_new ();

  g_assert_nonnull (again);
  g_assert_true (json_object_equal (object, again));
  g_assert_true (json_parser_load_from_data (theirs, line, (gssize)length, NULL));
  g_assert_true (JSON_NODE_HOLDS_OBJECT (json_parser_get_root (theirs)));
}

/* Runs @call, which takes &error, and checks how it failed. */
#define CHECK(error_domain, call)                                                                  \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autoptr (GError) error = NULL;                                                               \
                                                                                                   \
    fuzz_check_error ((call), error);                                                              \
    g_assert_true (error == NULL || error->domain == (error_domain));                              \
  }                                                                                                \
  G_STMT_END

static void
check_arguments (JsonObject *arguments)
{
  g_auto (BalHoldArguments) hold = {0};
  BalFreeRangesArguments free_ranges;
  BalHoldStatusArguments hold_status;
  guint64 bytes;
  gint64 id;

  CHECK (BAL_PROTOCOL_ERROR, bal_no_arguments_parse (arguments, &error));
  CHECK (BAL_PROTOCOL_ERROR, bal_sync_arguments_parse (arguments, &id, &error));
  CHECK (BAL_PROTOCOL_ERROR, bal_free_ranges_arguments_parse (arguments, &free_ranges, &error));
  CHECK (BAL_PROTOCOL_ERROR, bal_hold_arguments_parse (arguments, &hold, &error));
  CHECK (BAL_PROTOCOL_ERROR, bal_hold_status_arguments_parse (arguments, &hold_status, &error));
  CHECK (BAL_PROTOCOL_ERROR, bal_trim_arguments_parse (arguments, &bytes, &error));
}

static void
check_request (JsonObject *line)
{
  g_auto (BalRequest) request = {0};
  g_autoptr (GError) failure = NULL;
  g_autoptr (JsonObject) reply = NULL;

  if (bal_request_parse (line, &request, &failure))
    {
      check_arguments (request.arguments);
      reply = bal_reply_build (json_node_init_null (json_node_alloc ()), request.id);
    }
  else
    {
      fuzz_check_error (FALSE, failure);
      g_assert_true (failure->domain == BAL_PROTOCOL_ERROR);
      reply = bal_reply_build_error (failure, request.id);
    }
  check_rewritten (reply);
}

/* Takes ownership of @built, which a parsed result was built into again. */
static void
check_built (JsonNode *built)
{
  g_autoptr (JsonObject) line = bal_reply_build (built, NULL);

  check_rewritten (line);
}

static void
check_result (JsonNode *result)
{
  g_auto (BalGuestInfo) guest_info = {0};
  g_auto (BalMemoryInfo) memory_info = {0};
  g_auto (BalFreeRanges) free_ranges = {0};
  g_auto (BalHoldStatus) hold_status = {0};
  g_auto (BalTrim) trim = {0};

  CHECK (BAL_CODEC_ERROR, bal_guest_info_parse (result, &guest_info, &error));
  if (guest_info.version != NULL)
    check_built (bal_guest_info_build (&guest_info));
  CHECK (BAL_CODEC_ERROR, bal_memory_info_parse (result, &memory_info, &error));
  if (memory_info.boot_id != NULL)
    check_built (bal_memory_info_build (&memory_info));
  CHECK (BAL_CODEC_ERROR, bal_free_ranges_parse (result, &free_ranges, &error));
  if (free_ranges.ranges != NULL)
    check_built (bal_free_ranges_build (&free_ranges));
  CHECK (BAL_CODEC_ERROR, bal_hold_status_parse (result, &hold_status, &error));
  check_built (bal_hold_status_build (&hold_status));
  CHECK (BAL_CODEC_ERROR, bal_trim_parse (result, &trim, &error));
  if (trim.method != NULL)
    check_built (bal_trim_build (&trim));
}

static void
check_reply (JsonObject *line)
{
  g_autoptr (GError) error = NULL;
  JsonNode *result = bal_reply_parse (line, &error);

  g_assert_true ((result == NULL) == (error != NULL));
  g_assert_cmpint (bal_reply_id (line), >=, G_MININT64);
  if (result != NULL)
    check_result (result);
}

static void
check_line (const char *line, gsize length)
{
  g_autoptr (GError) error = NULL;
  /* Without the NUL, so that the sanitizer sees a step too far. */
  g_autofree char *exact = g_memdup2 (line, length);
  g_autoptr (JsonObject) object = bal_json_parse_line (exact, length, &error);
  g_autofree char *shown = bal_escape_for_display (line);
  g_autofree char *shown_again = bal_escape_for_display (shown);

  g_assert_cmpstr (shown, ==, shown_again);
  g_assert_cmpint (g_utf8_strlen (shown, -1), <=, BAL_STRING_MAX_CHARS);
  fuzz_check_error (object != NULL, error);
  g_assert_true (error == NULL || error->domain == BAL_CODEC_ERROR);
  if (object == NULL)
    return;
  check_request (object);
  check_reply (object);
}

/* What a framer makes of the stream, in one string. */
static char *
read_stream (const guint8 *data, gsize size, gsize feed_bytes, gboolean check)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);
  GString *seen = g_string_new (NULL);

  for (gsize at = 0; at < size; at += feed_bytes)
    {
      BalFrame frame;

      bal_framer_feed (framer, data + at, MIN (feed_bytes, size - at));
      do
        {
          g_autofree char *line = NULL;
          gsize length = 0;

          frame = bal_framer_next (framer, &line, &length);
          if (frame == BAL_FRAME_OVERLONG)
            g_string_append (seen, "overlong\n");
          if (frame != BAL_FRAME_LINE)
            continue;
          g_assert_cmpuint (length, <=, LINE_MAX_BYTES);
          g_string_append_c (seen, bal_framer_after_sentinel (framer) ? '!' : ' ');
          g_string_append_len (seen, line, (gssize)length);
          g_string_append_c (seen, '\n');
          if (check)
            check_line (line, length);
        }
      while (frame != BAL_FRAME_NONE);
    }
  return g_string_free (seen, FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *whole = NULL;
  g_autofree char *pieces = NULL;

  if (size == 0)
    return 0;
  whole = read_stream (data + 1, size - 1, size, TRUE);
  pieces = read_stream (data + 1, size - 1, 1 + data[0] % 16u, FALSE);
  g_assert_cmpstr (whole, ==, pieces);
  return 0;
}
