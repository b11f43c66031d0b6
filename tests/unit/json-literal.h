/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON literals for tests: written with ' in place of ". Ownership: the results are the caller's.
 * Failure: the test aborts.
 */
#pragma once

#include "protocol/codec.h"

#include <string.h>

static inline JsonObject *
json_literal (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *quoted = g_strdelimit (g_strdup (text), "'", '"');
  JsonObject *object = bal_json_parse_line (quoted, strlen (quoted), &error);

  g_assert_no_error (error);
  return object;
}

static inline JsonNode *
json_node_literal (const char *text)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, json_literal (text));
  return node;
}

static inline void
assert_json_node (JsonNode *actual, const char *expected)
{
  g_autofree char *text = json_to_string (actual, FALSE);
  g_autofree char *quoted = g_strdelimit (g_strdup (expected), "'", '"');

  g_assert_cmpstr (text, ==, quoted);
}

static inline void
assert_json (JsonObject *actual, const char *expected)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), actual);

  assert_json_node (node, expected);
}
