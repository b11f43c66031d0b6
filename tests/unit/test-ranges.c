/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/limits.h"
#include "protocol/ranges.h"

/* A list of @count pairs start, length. */
static BalRanges *
make_ranges (const BalRange *items, gsize count)
{
  BalRanges *ranges = bal_ranges_new ();

  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GError) error = NULL;

      bal_ranges_append (ranges, items[i].start, items[i].length, &error);
      g_assert_no_error (error);
    }
  return ranges;
}

#define RANGES(...)                                                                                \
  make_ranges ((const BalRange[]){__VA_ARGS__},                                                    \
               sizeof ((const BalRange[]){__VA_ARGS__}) / sizeof (BalRange))

static void
assert_equal (const BalRanges *actual, BalRanges *expected)
{
  g_assert_cmpuint (bal_ranges_count (actual), ==, bal_ranges_count (expected));
  for (guint i = 0; i < bal_ranges_count (actual); i++)
    {
      g_assert_cmphex (bal_ranges_get (actual, i)->start, ==, bal_ranges_get (expected, i)->start);
      g_assert_cmphex (bal_ranges_get (actual, i)->length, ==,
                       bal_ranges_get (expected, i)->length);
    }
  g_assert_true (bal_ranges_equal (actual, expected));
  g_assert_cmpuint (bal_ranges_total_bytes (actual), ==, bal_ranges_total_bytes (expected));
  bal_ranges_free (expected);
}

static void
test_new_list_is_empty (void)
{
  g_autoptr (BalRanges) ranges = bal_ranges_new ();

  g_assert_cmpuint (bal_ranges_count (ranges), ==, 0);
  g_assert_cmpuint (bal_ranges_total_bytes (ranges), ==, 0);
}

static void
test_append_keeps_gaps (void)
{
  g_autoptr (BalRanges) ranges = RANGES ({0, 10}, {11, 5}, {100, 1});

  g_assert_cmpuint (bal_ranges_count (ranges), ==, 3);
  g_assert_cmpuint (bal_ranges_get (ranges, 1)->start, ==, 11);
  g_assert_cmpuint (bal_ranges_get (ranges, 1)->length, ==, 5);
  g_assert_cmpuint (bal_ranges_total_bytes (ranges), ==, 16);
}

static void
test_append_joins_touching (void)
{
  g_autoptr (BalRanges) ranges = RANGES ({0, 10}, {10, 5}, {15, 1});

  assert_equal (ranges, RANGES ({0, 16}));
}

static void
assert_append_refused (guint64 start, guint64 length, BalRangesError code)
{
  g_autoptr (BalRanges) ranges = RANGES ({4096, 4096});
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_ranges_append (ranges, start, length, &error));
  g_assert_error (error, BAL_RANGES_ERROR, (int)code);
  assert_equal (ranges, RANGES ({4096, 4096}));
}

static void
test_append_refuses_empty (void)
{
  assert_append_refused (8192, 0, BAL_RANGES_ERROR_EMPTY);
  assert_append_refused (0, 0, BAL_RANGES_ERROR_EMPTY);
}

static void
test_append_refuses_disorder (void)
{
  assert_append_refused (0, 1, BAL_RANGES_ERROR_ORDER);
  assert_append_refused (0, 4096, BAL_RANGES_ERROR_ORDER);
  assert_append_refused (4096, 4096, BAL_RANGES_ERROR_ORDER);
  assert_append_refused (5000, 1, BAL_RANGES_ERROR_ORDER);
  assert_append_refused (8191, 4096, BAL_RANGES_ERROR_ORDER);
}

static void
test_append_refuses_beyond_limit (void)
{
  assert_append_refused (BAL_ADDRESS_LIMIT, 1, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (BAL_ADDRESS_LIMIT - 1, 2, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (8192, BAL_ADDRESS_LIMIT, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (8192, G_MAXUINT64, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (8192, G_MAXUINT64 - 8191, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (G_MAXUINT64, 1, BAL_RANGES_ERROR_LIMIT);
  assert_append_refused (G_MAXUINT64, G_MAXUINT64, BAL_RANGES_ERROR_LIMIT);
}

static void
test_append_takes_the_limit (void)
{
  g_autoptr (BalRanges) whole = RANGES ({0, BAL_ADDRESS_LIMIT});
  g_autoptr (BalRanges) last = RANGES ({BAL_ADDRESS_LIMIT - 1, 1});

  g_assert_cmpuint (bal_ranges_total_bytes (whole), ==, BAL_ADDRESS_LIMIT);
  g_assert_cmpuint (bal_ranges_total_bytes (last), ==, 1);
}

static void
assert_differ (BalRanges *a, BalRanges *b)
{
  g_autoptr (BalRanges) left = a;
  g_autoptr (BalRanges) right = b;

  g_assert_false (bal_ranges_equal (left, right));
  g_assert_true (bal_ranges_equal (left, left));
}

static void
test_equal_tells_lists_apart (void)
{
  assert_differ (bal_ranges_new (), RANGES ({0, 1}));
  assert_differ (RANGES ({0, 2}), RANGES ({1, 2}));
  assert_differ (RANGES ({0, 2}), RANGES ({0, 3}));
  assert_differ (RANGES ({0, 2}, {3, 1}), RANGES ({0, 1}, {3, 2}));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ranges/new-list-is-empty", test_new_list_is_empty);
  g_test_add_func ("/ranges/append-keeps-gaps", test_append_keeps_gaps);
  g_test_add_func ("/ranges/append-joins-touching", test_append_joins_touching);
  g_test_add_func ("/ranges/append-refuses-empty", test_append_refuses_empty);
  g_test_add_func ("/ranges/append-refuses-disorder", test_append_refuses_disorder);
  g_test_add_func ("/ranges/append-refuses-beyond-limit", test_append_refuses_beyond_limit);
  g_test_add_func ("/ranges/append-takes-the-limit", test_append_takes_the_limit);
  g_test_add_func ("/ranges/equal-tells-lists-apart", test_equal_tells_lists_apart);
  return g_test_run ();
}
