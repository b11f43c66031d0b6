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
test_line_with_sentinel (void)
{
  g_autoptr (JsonObject) object = parse ("{\"return\":1}");
  gsize length;
  g_autofree char *line = bal_json_to_line (object, TRUE, &length);

  g_assert_cmpmem (line, length, "\xff{\"return\":1}\n", 14);
}

static void
test_line_stays_one_line (void)
{
  g_autoptr (JsonObject) object = parse ("{\"a\\n\":\"b\\n\\r\\u0001\"}");
  gsize length;
  g_autofree char *line = bal_json_to_line (object, FALSE, &length);

  g_assert_cmpstr (line, ==, "{\"a\\n\":\"b\\n\\r\\u0001\"}\n");
  g_assert_cmpuint (length, ==, strlen (line));
}

static void
assert_shown (const char *text, const char *expected)
{
  g_autofree char *shown = bal_escape_for_display (text);
  g_autofree char *again = bal_escape_for_display (shown);

  g_assert_cmpstr (shown, ==, expected);
  g_assert_cmpstr (again, ==, expected);
}

static void
test_display_keeps_text (void)
{
  assert_shown ("", "");
  assert_shown ("plain text, 100 % \\ \"quoted\"", "plain text, 100 % \\ \"quoted\"");
  assert_shown ("\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80");
}

static void
test_display_escapes (void)
{
  assert_shown ("a\x1b[31m\nb\r\t\x7f", "a\\x1b[31m\\x0ab\\x0d\\x09\\x7f");
  assert_shown ("\xc2\x9b"
                "31m",
                "\\xc2\\x9b31m"); /* C1's CSI */
  assert_shown ("a\xe2\x80\xae"
                "b",
                "a\\xe2\\x80\\xaeb"); /* right-to-left override */
  assert_shown ("a\xe2\x81\xa6"
                "b",
                "a\\xe2\\x81\\xa6b"); /* left-to-right isolate */
  assert_shown ("a\xe2\x80\x8b\xef\xbb\xbf", "a\\xe2\\x80\\x8b\\xef\\xbb\\xbf"); /* invisible */
  assert_shown ("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
  assert_shown ("\xff"
                "a\xc3",
                "\\xffa\\xc3");                     /* invalid, torn */
  assert_shown ("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
}

static void
test_display_cuts (void)
{
  g_autofree char *most = g_strnfill (BAL_STRING_MAX_CHARS, 'x');
  g_autofree char *kept = g_strnfill (BAL_STRING_MAX_CHARS - 3, 'x');
  g_autofree char *too_long = g_strconcat (most, "x", NULL);
  g_autofree char *cut = g_strconcat (kept, "...", NULL);
  g_autofree char *controls = g_strnfill (10000, '\x01');
  g_autofree char *shown = bal_escape_for_display (controls);

  assert_shown (most, most);
  assert_shown (too_long, cut);
  g_assert_cmpuint (strlen (shown), <=, BAL_STRING_MAX_CHARS);
  g_assert_true (g_str_has_suffix (shown, "\\x01..."));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/line/with-sentinel", test_line_with_sentinel);
  g_test_add_func ("/line/stays-one-line", test_line_stays_one_line);
  g_test_add_func ("/display/keeps-text", test_display_keeps_text);
  g_test_add_func ("/display/escapes", test_display_escapes);
  g_test_add_func ("/display/cuts", test_display_cuts);
  return g_test_run ();
}
