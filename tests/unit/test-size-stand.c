/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/size-stand.h"

#define MIB_KIB (G_GUINT64_CONSTANT (1024))
#define ORIGINAL (4096 * MIB_KIB)
#define SET (512 * MIB_KIB)

static void
assert_stand (gboolean between_is_ours, guint64 now_kib, BalSizeStand stand)
{
  BalSizeRecord record = {ORIGINAL, SET, between_is_ours};

  g_assert_cmpint (bal_size_judge (&record, now_kib, ORIGINAL), ==, stand);
}

static void
test_same (void)
{
  g_assert_true (bal_size_same (SET, SET));
  g_assert_true (bal_size_same (SET, SET + 1023));
  g_assert_true (bal_size_same (SET + 1023, SET));
  g_assert_false (bal_size_same (SET, SET + 1024));
  g_assert_false (bal_size_same (0, G_MAXUINT64));
}

static void
test_whole_and_ours (void)
{
  for (int between_is_ours = 0; between_is_ours < 2; between_is_ours++)
    {
      assert_stand (between_is_ours, ORIGINAL, BAL_SIZE_WHOLE);
      assert_stand (between_is_ours, ORIGINAL - 1023, BAL_SIZE_WHOLE);
      assert_stand (between_is_ours, SET, BAL_SIZE_OURS);
      assert_stand (between_is_ours, SET - 1023, BAL_SIZE_OURS);
      assert_stand (between_is_ours, SET + 1023, BAL_SIZE_OURS);
    }
}

static void
test_changed (void)
{
  for (int between_is_ours = 0; between_is_ours < 2; between_is_ours++)
    {
      assert_stand (between_is_ours, SET - 1024, BAL_SIZE_CHANGED);
      assert_stand (between_is_ours, 0, BAL_SIZE_CHANGED);
      assert_stand (between_is_ours, ORIGINAL + 1024, BAL_SIZE_CHANGED);
      assert_stand (between_is_ours, G_MAXUINT64, BAL_SIZE_CHANGED);
    }
}

static void
test_between (void)
{
  assert_stand (FALSE, SET + 1024, BAL_SIZE_CHANGED);
  assert_stand (FALSE, 2048 * MIB_KIB, BAL_SIZE_CHANGED);
  assert_stand (FALSE, ORIGINAL - 1024, BAL_SIZE_CHANGED);
  assert_stand (TRUE, SET + 1024, BAL_SIZE_OURS);
  assert_stand (TRUE, 2048 * MIB_KIB, BAL_SIZE_OURS);
  assert_stand (TRUE, ORIGINAL - 1024, BAL_SIZE_OURS);
}

/* Nothing was released yet: as it was before, whatever else fits. */
static void
test_set_to_original (void)
{
  BalSizeRecord record = {ORIGINAL, ORIGINAL, TRUE};

  g_assert_cmpint (bal_size_judge (&record, ORIGINAL, ORIGINAL), ==, BAL_SIZE_WHOLE);
  g_assert_cmpint (bal_size_judge (&record, SET, ORIGINAL), ==, BAL_SIZE_CHANGED);
}

static void
test_implausible (void)
{
  BalSizeRecord record = {ORIGINAL + 1, SET, TRUE};
  BalSizeRecord huge = {G_MAXUINT64, 0, TRUE};

  g_assert_cmpint (bal_size_judge (&record, SET, ORIGINAL), ==, BAL_SIZE_IMPLAUSIBLE);
  g_assert_cmpint (bal_size_judge (&record, ORIGINAL, ORIGINAL), ==, BAL_SIZE_IMPLAUSIBLE);
  g_assert_cmpint (bal_size_judge (&record, SET, ORIGINAL + 1), ==, BAL_SIZE_OURS);
  g_assert_cmpint (bal_size_judge (&huge, 0, ORIGINAL), ==, BAL_SIZE_IMPLAUSIBLE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/size-stand/same", test_same);
  g_test_add_func ("/size-stand/whole-and-ours", test_whole_and_ours);
  g_test_add_func ("/size-stand/changed", test_changed);
  g_test_add_func ("/size-stand/between", test_between);
  g_test_add_func ("/size-stand/set-to-original", test_set_to_original);
  g_test_add_func ("/size-stand/implausible", test_implausible);
  return g_test_run ();
}
