/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/codec.h"
#include "protocol/limits.h"

#include <string.h>

static JsonObject *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonObject *object = bal_json_parse_line (text, strlen (text), &error);

  g_assert_no_error (error);
  return object;
}

static void
assert_refused_bytes (const char *text, gsize length, BalCodecError code)
{
  g_autoptr (GError) error = NULL;
  /* An exact copy on the heap, so that the sanitizer sees any read behind the end. */
  g_autofree char *exact = g_memdup2 (text, length);
  JsonObject *object = bal_json_parse_line (exact, length, &error);

  g_assert_null (object);
  g_assert_error (error, BAL_CODEC_ERROR, (int)code);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
assert_refused (const char *text, BalCodecError code)
{
  assert_refused_bytes (text, strlen (text), code);
}

/* Parsed and written again, @text becomes @expected. */
static void
assert_rewritten (const char *text, const char *expected)
{
  g_autoptr (JsonObject) object = parse (text);
  gsize length;
  g_autofree char *line = bal_json_to_line (object, FALSE, &length);

  g_assert_cmpuint (length, ==, strlen (line));
  g_assert_true (g_str_has_suffix (line, "\n"));
  line[length - 1] = '\0';
  g_assert_cmpstr (line, ==, expected);
}

static void
test_json_accepts (void)
{
  assert_rewritten ("{}", "{}");
  assert_rewritten (" \t\r{ } \r", "{}");
  assert_rewritten ("{\"a\" : [ ] , \"b\":[1 , -2,true,false,null,\"\"]}",
                    "{\"a\":[],\"b\":[1,-2,true,false,null,\"\"]}");
  assert_rewritten ("{\"a\":{\"b\":{}},\"\":0}", "{\"a\":{\"b\":{}},\"\":0}");
  assert_rewritten ("{\"a\":0.5,\"b\":-1e3,\"c\":1.0,\"d\":1E+2,\"e\":0e-0}",
                    "{\"a\":0.5,\"b\":-1000.0,\"c\":1.0,\"d\":100.0,\"e\":0.0}");
}

static void
test_json_integers (void)
{
  assert_rewritten ("{\"a\":9223372036854775807}", "{\"a\":9223372036854775807}");
  assert_rewritten ("{\"a\":-9223372036854775808}", "{\"a\":-9223372036854775808}");
  assert_rewritten ("{\"a\":-0}", "{\"a\":0}");
  assert_refused ("{\"a\":9223372036854775808}", BAL_CODEC_ERROR_LIMIT);
  assert_refused ("{\"a\":-9223372036854775809}", BAL_CODEC_ERROR_LIMIT);
  assert_refused ("{\"a\":18446744073709551616}", BAL_CODEC_ERROR_LIMIT);
  assert_refused ("{\"a\":99999999999999999999999999999999999999999}", BAL_CODEC_ERROR_LIMIT);
  assert_refused ("{\"a\":1e999}", BAL_CODEC_ERROR_LIMIT);
  assert_refused ("{\"a\":-1e999}", BAL_CODEC_ERROR_LIMIT);
}

static void
test_json_refuses_bad_numbers (void)
{
  static const char *const numbers[] = {"01",       "-01",       "+1",   "1.",   ".5",  "-",
                                        "--1",      "1e",        "1e+",  "0x10", "1_0", "NaN",
                                        "Infinity", "-Infinity", "1.e1", "1 2",  "0b1", "1.2.3"};

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"a\":%s}", numbers[i]);

      assert_refused (text, BAL_CODEC_ERROR_SYNTAX);
    }
}

static void
test_json_refuses_what_is_not_one_object (void)
{
  static const char *const lines[] = {
    "",
    " ",
    "null",
    "true",
    "1",
    "\"a\"",
    "[]",
    "[{}]",
    "{",
    "}",
    "{}{}",
    "{} {}",
    "{}x",
    "{},",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":[1,]}",
    "{\"a\":[1 2]}",
    "{\"a\":[}",
    "{\"a\":{]}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":'b'}",
    "{1:2}",
    "{\"a\":True}",
    "{\"a\":nul}",
    "{\"a\":nullx}",
    "{\"a\":undefined}",
    "var a = {}",
    "{\"a\":1;}",
    "{\"a\":tru",
    "{\"a\":t",
    "{\"a\":f",
    "{\"a\":n",
    "{\"a\":\"",
    "{\"a\":\"\\",
    "{\"a\":\"\\u00",
    "{\"a",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    assert_refused (lines[i], BAL_CODEC_ERROR_SYNTAX);
}

static void
test_json_refuses_comments (void)
{
  assert_refused ("/* c */{}", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{/* c */}", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{\"a\":/* c */1}", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{} // c", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{} # c", BAL_CODEC_ERROR_SYNTAX);
}

static void
test_json_refuses_duplicates (void)
{
  assert_refused ("{\"a\":1,\"a\":1}", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{\"a\":1,\"\\u0061\":1}", BAL_CODEC_ERROR_SYNTAX);
  assert_refused ("{\"b\":{\"a\":1,\"c\":0,\"a\":null}}", BAL_CODEC_ERROR_SYNTAX);
  assert_rewritten ("{\"a\":{\"a\":1},\"A\":1}", "{\"a\":{\"a\":1},\"A\":1}");
}

static void
test_json_escapes (void)
{
  g_autoptr (JsonObject) object =
    parse ("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\uDE00\xc3\xa4\x7f\"}");

  g_assert_cmpstr (json_object_get_string_member (object, "a"), ==,
                   "\"\\/\b\f\n\r\t\xc3\xa4\xf0\x9f\x98\x80\xc3\xa4\x7f");
}

static void
test_json_refuses_bad_strings (void)
{
  static const char *const strings[] = {
    "\\x",     "\\'",      "\\u12",      "\\u12g4",        "\\U0041",        "\\u0000",
    "\\ud800", "\\ud800x", "\\ud800\\n", "\\ud800\\u0041", "\\udc00",        "\\udc00\\ud800",
    "\t",      "\n",       "\x01",       "\x1f",           "\\ud800\\ud800",
  };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    {
      g_autofree char *value = g_strdup_printf ("{\"a\":\"%s\"}", strings[i]);
      g_autofree char *name = g_strdup_printf ("{\"%s\":0}", strings[i]);

      assert_refused (value, BAL_CODEC_ERROR_SYNTAX);
      assert_refused (name, BAL_CODEC_ERROR_SYNTAX);
    }
}

static void
test_json_refuses_invalid_utf8 (void)
{
  static const char *const bytes[] = {
    "\x80", "\xc3", "\xc0\x80",         "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80",
    "\xfe", "\xff", "\xf0\x80\x80\x80",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bytes); i++)
    {
      g_autofree char *inside = g_strdup_printf ("{\"a\":\"%s\"}", bytes[i]);
      g_autofree char *behind = g_strdup_printf ("{}%s", bytes[i]);

      assert_refused (inside, BAL_CODEC_ERROR_SYNTAX);
      assert_refused (behind, BAL_CODEC_ERROR_SYNTAX);
    }
}

static void
test_json_refuses_nul (void)
{
  assert_refused_bytes ("{\"a\":\"\0\"}", 9, BAL_CODEC_ERROR_SYNTAX);
  assert_refused_bytes ("{}\0", 3, BAL_CODEC_ERROR_SYNTAX);
  assert_refused_bytes ("\0{}", 3, BAL_CODEC_ERROR_SYNTAX);
  assert_refused_bytes ("{\0}", 3, BAL_CODEC_ERROR_SYNTAX);
  assert_refused_bytes ("{\"a\0b\":1}", 9, BAL_CODEC_ERROR_SYNTAX);
}

static char *
nested_arrays (guint depth)
{
  g_autofree char *open = g_strnfill (depth, '[');
  g_autofree char *close = g_strnfill (depth, ']');

  return g_strdup_printf ("{\"a\":%s%s}", open, close);
}

static void
test_json_depth (void)
{
  g_autofree char *deepest = nested_arrays (BAL_JSON_DEPTH_MAX - 1);
  g_autofree char *too_deep = nested_arrays (BAL_JSON_DEPTH_MAX);
  g_autofree char *bomb = g_strnfill (100000, '[');
  g_autofree char *bomb_line = g_strdup_printf ("{\"a\":%s", bomb);
  g_autoptr (GString) objects = g_string_new (NULL);

  assert_rewritten (deepest, deepest);
  assert_refused (too_deep, BAL_CODEC_ERROR_LIMIT);
  assert_refused (bomb_line, BAL_CODEC_ERROR_LIMIT);
  assert_refused (bomb, BAL_CODEC_ERROR_SYNTAX);
  for (int i = 0; i < 100000; i++)
    g_string_append (objects, "{\"a\":");
  assert_refused (objects->str, BAL_CODEC_ERROR_LIMIT);
}

static void
test_json_depth_counts_nesting_not_siblings (void)
{
  g_autoptr (GString) text = g_string_new ("{\"a\":[{}");

  for (guint i = 0; i < 4 * BAL_JSON_DEPTH_MAX; i++)
    g_string_append (text, ",{},[]");
  g_string_append (text, "]}");
  assert_rewritten (text->str, text->str);
}

static char *
object_with_members (guint count)
{
  GString *text = g_string_new ("{");

  for (guint i = 0; i < count; i++)
    g_string_append_printf (text, "%s\"m%u\":0", i == 0 ? "" : ",", i);
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

static void
test_json_members_limit (void)
{
  g_autofree char *most = object_with_members (BAL_JSON_MEMBERS_MAX);
  g_autofree char *too_many = object_with_members (BAL_JSON_MEMBERS_MAX + 1);

  assert_rewritten (most, most);
  assert_refused (too_many, BAL_CODEC_ERROR_LIMIT);
}

static char *
array_with_zeros (guint count)
{
  GString *text = g_string_new ("{\"a\":[0");

  for (guint i = 1; i < count; i++)
    g_string_append (text, ",0");
  g_string_append (text, "]}");
  return g_string_free (text, FALSE);
}

static void
test_json_values_limit (void)
{
  /* The object and the array count too. */
  g_autofree char *most = array_with_zeros (BAL_JSON_VALUES_MAX - 2);
  g_autofree char *too_many = array_with_zeros (BAL_JSON_VALUES_MAX - 1);

  assert_rewritten (most, most);
  assert_refused (too_many, BAL_CODEC_ERROR_LIMIT);
}

static void
test_json_error_does_not_quote_the_peer (void)
{
  g_autoptr (GError) error = NULL;
  const char *text = "{\"a\":1,\"\x1b[31mred\":}";

  g_assert_null (bal_json_parse_line (text, strlen (text), &error));
  g_assert_null (strstr (error->message, "red"));
  g_assert_null (strchr (error->message, '\x1b'));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/accepts", test_json_accepts);
  g_test_add_func ("/json/integers", test_json_integers);
  g_test_add_func ("/json/refuses-bad-numbers", test_json_refuses_bad_numbers);
  g_test_add_func ("/json/refuses-what-is-not-one-object",
                   test_json_refuses_what_is_not_one_object);
  g_test_add_func ("/json/refuses-comments", test_json_refuses_comments);
  g_test_add_func ("/json/refuses-duplicates", test_json_refuses_duplicates);
  g_test_add_func ("/json/escapes", test_json_escapes);
  g_test_add_func ("/json/refuses-bad-strings", test_json_refuses_bad_strings);
  g_test_add_func ("/json/refuses-invalid-utf8", test_json_refuses_invalid_utf8);
  g_test_add_func ("/json/refuses-nul", test_json_refuses_nul);
  g_test_add_func ("/json/depth", test_json_depth);
  g_test_add_func ("/json/depth-counts-nesting-not-siblings",
                   test_json_depth_counts_nesting_not_siblings);
  g_test_add_func ("/json/members-limit", test_json_members_limit);
  g_test_add_func ("/json/values-limit", test_json_values_limit);
  g_test_add_func ("/json/error-does-not-quote-the-peer", test_json_error_does_not_quote_the_peer);
  return g_test_run ();
}
