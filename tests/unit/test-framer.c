/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/codec.h"

#include <string.h>

#define LINE_MAX_BYTES 16u

static void
feed (BalFramer *framer, const char *text)
{
  bal_framer_feed (framer, text, strlen (text));
}

static void
assert_line (BalFramer *framer, const char *expected, gboolean after_sentinel)
{
  g_autofree char *line = NULL;
  gsize length = 0;

  g_assert_cmpint (bal_framer_next (framer, &line, &length), ==, BAL_FRAME_LINE);
  g_assert_cmpstr (line, ==, expected);
  g_assert_cmpuint (length, ==, strlen (expected));
  g_assert_cmpint (bal_framer_after_sentinel (framer), ==, after_sentinel);
}

static void
assert_frame (BalFramer *framer, BalFrame expected)
{
  char *line = NULL;
  gsize length;

  g_assert_cmpint (bal_framer_next (framer, &line, &length), ==, expected);
  g_assert_null (line);
}

static void
test_framer_splits_lines (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  assert_frame (framer, BAL_FRAME_NONE);
  feed (framer, "one\ntwo\nthr");
  assert_line (framer, "one", FALSE);
  assert_line (framer, "two", FALSE);
  assert_frame (framer, BAL_FRAME_NONE);
  feed (framer, "");
  assert_frame (framer, BAL_FRAME_NONE);
  feed (framer, "ee\n");
  assert_line (framer, "three", FALSE);
  assert_frame (framer, BAL_FRAME_NONE);
}

static void
test_framer_skips_blank_lines (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "\n\n \t\r\n\xff\n\xff\xff\nend\n");
  assert_line (framer, "end", FALSE);
  assert_frame (framer, BAL_FRAME_NONE);
}

static void
test_framer_sentinel_voids_what_stands_before (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "torn\xffwhole\nnext\n\xff"
                "a\xff"
                "b\nc\n");
  assert_line (framer, "whole", TRUE);
  assert_line (framer, "next", FALSE);
  assert_line (framer, "b", TRUE);
  assert_line (framer, "c", FALSE);
}

static void
test_framer_line_of_the_limit_passes (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "0123456789abcdef");
  assert_frame (framer, BAL_FRAME_NONE);
  feed (framer, "\n");
  assert_line (framer, "0123456789abcdef", FALSE);
}

static void
test_framer_overlong_is_reported_once (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "0123456789abcdef!");
  assert_frame (framer, BAL_FRAME_OVERLONG);
  assert_frame (framer, BAL_FRAME_NONE);
  for (int i = 0; i < 1000; i++)
    {
      feed (framer, "0123456789abcdef0123456789abcdef");
      assert_frame (framer, BAL_FRAME_NONE);
    }
  feed (framer, "tail\nnext\n");
  assert_line (framer, "next", FALSE);
}

static void
test_framer_overlong_in_one_feed (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "0123456789abcdef!\n0123456789abcdef!\nnext\n");
  assert_frame (framer, BAL_FRAME_OVERLONG);
  assert_frame (framer, BAL_FRAME_OVERLONG);
  assert_line (framer, "next", FALSE);
  assert_frame (framer, BAL_FRAME_NONE);
}

static void
test_framer_sentinel_ends_an_overlong_line (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "0123456789abcdef!!");
  assert_frame (framer, BAL_FRAME_OVERLONG);
  feed (framer, "!!\xffnext\n");
  assert_line (framer, "next", TRUE);
}

static void
test_framer_keeps_nul (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);
  g_autofree char *line = NULL;
  gsize length;

  bal_framer_feed (framer, "a\0b\n", 4);
  g_assert_cmpint (bal_framer_next (framer, &line, &length), ==, BAL_FRAME_LINE);
  g_assert_cmpmem (line, length + 1, "a\0b", 4);
}

static void
test_framer_reset_forgets (void)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);

  feed (framer, "half \xff a");
  assert_frame (framer, BAL_FRAME_NONE);
  bal_framer_reset (framer);
  feed (framer, "line\n");
  assert_line (framer, "line", FALSE);

  feed (framer, "0123456789abcdef!");
  assert_frame (framer, BAL_FRAME_OVERLONG);
  bal_framer_reset (framer);
  feed (framer, "line\n");
  assert_line (framer, "line", FALSE);
}

static void
test_framer_byte_by_byte_is_the_same (void)
{
  static const char stream[] = "one\n0123456789abcdef!\xff"
                               "two\n\n0123456789abcdef?\nthree\n";
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);
  g_autoptr (GString) seen = g_string_new (NULL);

  for (const char *at = stream; *at != '\0'; at++)
    {
      BalFrame frame;

      bal_framer_feed (framer, at, 1);
      do
        {
          g_autofree char *line = NULL;
          gsize length;

          frame = bal_framer_next (framer, &line, &length);
          if (frame == BAL_FRAME_OVERLONG)
            g_string_append (seen, "OVERLONG ");
          if (frame == BAL_FRAME_LINE)
            g_string_append_printf (seen, "%s ", line);
        }
      while (frame != BAL_FRAME_NONE);
    }
  g_assert_cmpstr (seen->str, ==, "one OVERLONG two OVERLONG three ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/framer/splits-lines", test_framer_splits_lines);
  g_test_add_func ("/framer/skips-blank-lines", test_framer_skips_blank_lines);
  g_test_add_func ("/framer/sentinel-voids-what-stands-before",
                   test_framer_sentinel_voids_what_stands_before);
  g_test_add_func ("/framer/line-of-the-limit-passes", test_framer_line_of_the_limit_passes);
  g_test_add_func ("/framer/overlong-is-reported-once", test_framer_overlong_is_reported_once);
  g_test_add_func ("/framer/overlong-in-one-feed", test_framer_overlong_in_one_feed);
  g_test_add_func ("/framer/sentinel-ends-an-overlong-line",
                   test_framer_sentinel_ends_an_overlong_line);
  g_test_add_func ("/framer/keeps-nul", test_framer_keeps_nul);
  g_test_add_func ("/framer/reset-forgets", test_framer_reset_forgets);
  g_test_add_func ("/framer/byte-by-byte-is-the-same", test_framer_byte_by_byte_is_the_same);
  return g_test_run ();
}
