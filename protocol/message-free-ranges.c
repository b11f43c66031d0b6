/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

gboolean
bal_free_ranges_arguments_parse (JsonObject *arguments, BalFreeRangesArguments *out, GError **error)
{
  static const char *const allowed[] = {"min-length-bytes", "from", "max-ranges", NULL};
  BalJsonReader reader = bal_json_reader_arguments (arguments);
  BalFreeRangesArguments parsed = {0};
  guint64 max_ranges = BAL_RANGES_PER_REPLY_MAX;

  memset (out, 0, sizeof *out);
  if (!bal_read_only (&reader, allowed, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "min-length-bytes", 0, BAL_ADDRESS_LIMIT,
                         &parsed.min_length_bytes, error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "from", 0, BAL_ADDRESS_LIMIT - 1, &parsed.from,
                         error)
      || !bal_read_uint (&reader, BAL_OPTIONAL, "max-ranges", 1, BAL_RANGES_PER_REPLY_MAX,
                         &max_ranges, error))
    return FALSE;
  parsed.max_ranges = (guint)max_ranges;
  *out = parsed;
  return TRUE;
}

JsonObject *
bal_free_ranges_arguments_build (const BalFreeRangesArguments *arguments)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "min-length-bytes", (gint64)arguments->min_length_bytes);
  json_object_set_int_member (object, "from", (gint64)arguments->from);
  if (arguments->max_ranges != 0)
    json_object_set_int_member (object, "max-ranges", arguments->max_ranges);
  return object;
}

void
bal_free_ranges_clear (BalFreeRanges *self)
{
  bal_ranges_free (self->ranges);
  memset (self, 0, sizeof *self);
}

static JsonArray *
build_list (const BalRanges *ranges)
{
  JsonArray *list = json_array_new ();
  guint count = ranges != NULL ? bal_ranges_count (ranges) : 0;

  for (guint i = 0; i < count; i++)
    {
      const BalRange *range = bal_ranges_get (ranges, i);
      JsonArray *pair = json_array_sized_new (2);

      json_array_add_int_element (pair, (gint64)range->start);
      json_array_add_int_element (pair, (gint64)range->length);
      json_array_add_array_element (list, pair);
    }
  return list;
}

JsonNode *
bal_free_ranges_build (const BalFreeRanges *page)
{
  JsonObject *result = json_object_new ();

  json_object_set_array_member (result, "ranges", build_list (page->ranges));
  if (page->has_next)
    json_object_set_int_member (result, "next", (gint64)page->next);
  json_object_set_int_member (result, "scanned-pages", (gint64)page->scanned_pages);
  json_object_set_int_member (result, "elapsed-us", (gint64)page->elapsed_us);
  return bal_result_take (result);
}

/* Element @index of @pair; when it is not an integer -1, which no range list takes. */
static gint64
pair_element (JsonArray *pair, guint index)
{
  JsonNode *node = json_array_get_element (pair, index);

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return -1;
  return json_node_get_int (node);
}

static gboolean
parse_pair (const BalJsonReader *reader, JsonNode *node, BalRanges *ranges, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  JsonArray *pair = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gint64 start;
  gint64 length;

  if (pair == NULL || json_array_get_length (pair) != 2)
    return bal_read_fail (reader, error, "\"ranges\" holds what is not a [start, length] pair");
  start = pair_element (pair, 0);
  length = pair_element (pair, 1);
  if (!bal_ranges_append (ranges, (guint64)start, (guint64)length, &local_error))
    return bal_read_fail (reader, error, "\"ranges\" is refused: %s", local_error->message);
  return TRUE;
}

static gboolean
parse_list (const BalJsonReader *reader, BalRanges *ranges, GError **error)
{
  JsonArray *list;

  if (!bal_read_array (reader, "ranges", BAL_RANGES_PER_REPLY_MAX, &list, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (list); i++)
    if (!parse_pair (reader, json_array_get_element (list, i), ranges, error))
      return FALSE;
  return TRUE;
}

/* A next page that begins inside this one would let a peer send the same ranges forever. */
static gboolean
parse_next (const BalJsonReader *reader, BalFreeRanges *page, GError **error)
{
  guint count = bal_ranges_count (page->ranges);
  guint64 min = 1;

  if (count > 0)
    {
      const BalRange *last = bal_ranges_get (page->ranges, count - 1);

      min = last->start + last->length;
    }
  page->has_next = json_object_has_member (reader->object, "next");
  return bal_read_uint (reader, BAL_OPTIONAL, "next", min, BAL_ADDRESS_LIMIT - 1, &page->next,
                        error);
}

gboolean
bal_free_ranges_parse (JsonNode *result, BalFreeRanges *out, GError **error)
{
  g_auto (BalFreeRanges) page = {.ranges = bal_ranges_new ()};
  BalJsonReader reader;

  memset (out, 0, sizeof *out);
  if (!bal_json_reader_result (result, &reader, error) || !parse_list (&reader, page.ranges, error)
      || !parse_next (&reader, &page, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "scanned-pages", 0, BAL_ADDRESS_LIMIT,
                         &page.scanned_pages, error)
      || !bal_read_uint (&reader, BAL_REQUIRED, "elapsed-us", 0, G_MAXINT64, &page.elapsed_us,
                         error))
    return FALSE;
  *out = page;
  memset (&page, 0, sizeof page);
  return TRUE;
}
