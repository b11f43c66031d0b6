/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The range list against a naive model: a byte for each of the addresses in three windows, one at
 * 0, one in the middle, one that ends at the limit.
 *
 * The input is a row of 4-byte operations: which of two lists, which window (or one more: a length
 * that wraps), where in it to begin, how long. Each is appended to list and model alike; then the
 * lists are compared with the models, and with each other.
 */
#include "fuzz.h"

#include "protocol/limits.h"
#include "protocol/ranges.h"

#include <string.h>

#define WINDOWS 3u
#define WINDOW_BYTES 512u

static const guint64 window_start[WINDOWS] = {0, BAL_ADDRESS_LIMIT / 2,
                                              BAL_ADDRESS_LIMIT - WINDOW_BYTES};

/* Whether the address at window, offset is in the set. */
typedef gboolean Model[WINDOWS][WINDOW_BYTES];

/* The list that a model stands for, by looking at each address. */
static BalRanges *
list_of_model (Model model)
{
  BalRanges *list = bal_ranges_new ();

  for (guint window = 0; window < WINDOWS; window++)
    for (guint at = 0; at < WINDOW_BYTES; at++)
      {
        guint length = 0;

        while (at + length < WINDOW_BYTES && model[window][at + length])
          length++;
        if (length > 0)
          g_assert_true (bal_ranges_append (list, window_start[window] + at, length, NULL));
        at += length;
      }
  return list;
}

static void
check_invariants (const BalRanges *list)
{
  guint64 end = 0;
  guint64 total = 0;

  for (guint i = 0; i < bal_ranges_count (list); i++)
    {
      const BalRange *range = bal_ranges_get (list, i);

      g_assert_cmpuint (range->length, >, 0);
      g_assert_true (i == 0 || range->start > end);
      end = range->start + range->length;
      g_assert_cmpuint (end, >, range->start);
      g_assert_cmpuint (end, <=, BAL_ADDRESS_LIMIT);
      total += range->length;
    }
  g_assert_cmpuint (bal_ranges_total_bytes (list), ==, total);
}

static void
check_list (const BalRanges *list, Model model)
{
  g_autoptr (BalRanges) expected = list_of_model (model);

  check_invariants (list);
  g_assert_true (bal_ranges_equal (list, expected));
}

/* What an append must answer, worked out on the model: nothing at or behind @start is set yet, and
 * the range fits into the address space. */
static gboolean
fits_model (Model model, guint window, guint offset, guint length)
{
  if (length == 0 || (window == WINDOWS - 1 && offset + length > WINDOW_BYTES))
    return FALSE;
  for (guint w = window; w < WINDOWS; w++)
    for (guint at = w == window ? offset : 0; at < WINDOW_BYTES; at++)
      if (model[w][at])
        return FALSE;
  return TRUE;
}

static void
append (BalRanges *list, Model model, guint window, guint offset, guint length)
{
  g_autoptr (GError) error = NULL;
  gboolean fits = fits_model (model, window, offset, length);

  /* The model ends with its window. */
  if (window < WINDOWS - 1)
    length = MIN (length, WINDOW_BYTES - offset);
  g_assert_true (bal_ranges_append (list, window_start[window] + offset, length, &error) == fits);
  g_assert_true (fits == (error == NULL));
  if (fits)
    for (guint i = 0; i < length; i++)
      model[window][offset + i] = TRUE;
}

/* Whatever its start, a length near 2^64 reaches beyond the limit. */
static void
append_wrapping (BalRanges *list, guint64 start, guint length)
{
  g_assert_false (bal_ranges_append (list, start, G_MAXUINT64 - length, NULL));
  g_assert_false (bal_ranges_append (list, G_MAXUINT64 - start, 1 + length, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  BalRanges *lists[2] = {bal_ranges_new (), bal_ranges_new ()};
  Model models[2];

  memset (models, 0, sizeof models);
  for (size_t at = 0; at + 4 <= size; at += 4)
    {
      guint which = data[at] & 1;
      guint window = (data[at] >> 1) % (WINDOWS + 1);
      guint offset = (data[at + 1] | (data[at + 2] << 8)) % WINDOW_BYTES;

      if (window == WINDOWS)
        append_wrapping (lists[which], offset, data[at + 3]);
      else
        append (lists[which], models[which], window, offset, data[at + 3]);
    }
  for (guint i = 0; i < 2; i++)
    check_list (lists[i], models[i]);
  g_assert_true (bal_ranges_equal (lists[0], lists[1])
                 == (memcmp (models[0], models[1], sizeof models[0]) == 0));
  bal_ranges_free (lists[0]);
  bal_ranges_free (lists[1]);
  return 0;
}
