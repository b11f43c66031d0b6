/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-history.h"

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define OTHER_UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e60"

/* Real time as if somebody set the clock back by the hour all the time. */
static BalMoment
at (gint64 second)
{
  return (BalMoment){.real_us = -3600 * second * G_USEC_PER_SEC,
                     .monotonic_us = second * G_USEC_PER_SEC};
}

static void
release (BalHistory *history, gint64 began_second, guint64 bytes)
{
  char why[] = "why";
  const BalReleaseResult result = {.began_us = began_second * G_USEC_PER_SEC,
                                   .releaser = BAL_RELEASER_BALLASTD,
                                   .released_bytes = bytes,
                                   .hold_end = why};

  bal_history_set_release (history, UUID, &result);
}

static void
test_one (void)
{
  g_autoptr (BalHistory) history = bal_history_new ();
  const BalMigrationFigures figures = {.sent_bytes = 5};
  const BalPastMigration *migration;

  g_assert_null (bal_history_find (history, UUID));
  g_assert_false (bal_history_end (history, UUID, BAL_MIGRATION_STAYED, at (1)));
  bal_history_set_figures (history, UUID, &figures);
  bal_history_begin (history, UUID, "one", at (2));
  bal_history_begin (history, UUID, "one", at (3));
  release (history, 2, 7);
  g_assert_cmpuint (bal_history_length (history), ==, 1);
  migration = bal_history_find (history, UUID);
  g_assert_cmpint (migration->outcome, ==, BAL_MIGRATION_RUNNING);
  g_assert_cmpint (migration->began.monotonic_us, ==, at (2).monotonic_us);
  g_assert_false (migration->has_figures);
  g_assert_cmpuint (migration->release.released_bytes, ==, 7);
  g_assert_cmpstr (migration->release.hold_end, ==, "why");
  g_assert_null (bal_history_find (history, OTHER_UUID));
  g_assert_true (bal_history_end (history, UUID, BAL_MIGRATION_STAYED, at (4)));
  g_assert_cmpint (migration->outcome, ==, BAL_MIGRATION_STAYED);
  g_assert_cmpint (migration->ended.real_us, ==, at (4).real_us);
}

/* The status file goes, the lifecycle event comes, and the figures do, in whatever order. */
static void
test_order_of_the_end (void)
{
  static const BalMigrationOutcome first[] = {BAL_MIGRATION_UNKNOWN, BAL_MIGRATION_LEFT};
  const BalMigrationFigures figures = {.sent_bytes = 5};

  for (guint i = 0; i < G_N_ELEMENTS (first); i++)
    {
      g_autoptr (BalHistory) history = bal_history_new ();
      const BalPastMigration *migration;

      bal_history_begin (history, UUID, "one", at (1));
      if (i == 0)
        bal_history_set_figures (history, UUID, &figures);
      g_assert_true (bal_history_end (history, UUID, first[i], at (2)));
      g_assert_false (bal_history_end (history, UUID, first[1 - i], at (3)));
      g_assert_false (bal_history_end (history, UUID, BAL_MIGRATION_STAYED, at (4)));
      if (i == 1)
        bal_history_set_figures (history, UUID, &figures);
      migration = bal_history_find (history, UUID);
      g_assert_cmpint (migration->outcome, ==, BAL_MIGRATION_LEFT);
      g_assert_cmpint (migration->ended.monotonic_us, ==, at (2).monotonic_us);
      g_assert_cmpuint (migration->figures.sent_bytes, ==, 5);
    }
}

/* What the release of the first one tells at its end comes when the second one has begun. */
static void
test_late_release (void)
{
  g_autoptr (BalHistory) history = bal_history_new ();

  bal_history_begin (history, UUID, "one", at (10));
  bal_history_end (history, UUID, BAL_MIGRATION_STAYED, at (20));
  bal_history_begin (history, UUID, "one", at (21));
  release (history, 11, 7);
  g_assert_cmpuint (bal_history_get (history, 0)->release.released_bytes, ==, 7);
  g_assert_cmpuint (bal_history_get (history, 1)->release.released_bytes, ==, 0);
  release (history, 22, 8);
  release (history, 5, 9);
  g_assert_cmpuint (bal_history_get (history, 0)->release.released_bytes, ==, 7);
  g_assert_cmpuint (bal_history_get (history, 1)->release.released_bytes, ==, 8);
}

static void
test_unlogged (void)
{
  g_autoptr (BalHistory) history = bal_history_new ();

  bal_history_begin (history, UUID, "one", at (1));
  bal_history_begin (history, OTHER_UUID, "two", at (2));
  g_assert_null (bal_history_take_unlogged (history, G_MAXINT64));
  bal_history_end (history, OTHER_UUID, BAL_MIGRATION_LEFT, at (5));
  g_assert_null (bal_history_take_unlogged (history, at (4).monotonic_us));
  g_assert_cmpstr (bal_history_take_unlogged (history, at (5).monotonic_us)->name, ==, "two");
  g_assert_null (bal_history_take_unlogged (history, G_MAXINT64));
}

/* One that goes on is kept, however old; so is what nobody has logged. */
static void
test_bound (void)
{
  g_autoptr (BalHistory) history = bal_history_new ();

  bal_history_begin (history, OTHER_UUID, "slow", at (1));
  for (guint i = 0; i < 100; i++)
    {
      bal_history_begin (history, UUID, "quick", at (2 + i));
      bal_history_end (history, UUID, BAL_MIGRATION_LEFT, at (2 + i));
    }
  g_assert_cmpuint (bal_history_length (history), ==, 101);
  while (bal_history_take_unlogged (history, G_MAXINT64))
    ;
  g_assert_cmpuint (bal_history_length (history), ==, 1 + BAL_HISTORY_MAX);
  g_assert_cmpstr (bal_history_get (history, 0)->name, ==, "slow");
  g_assert_cmpint (bal_history_get (history, BAL_HISTORY_MAX)->began.monotonic_us, ==,
                   at (101).monotonic_us);

  /* The oldest of all may be the last one that is logged. */
  bal_history_end (history, OTHER_UUID, BAL_MIGRATION_LEFT, at (200));
  g_assert_cmpstr (bal_history_take_unlogged (history, G_MAXINT64)->name, ==, "slow");
  g_assert_cmpstr (bal_history_get (history, 0)->name, ==, "slow");
  g_assert_cmpuint (bal_history_length (history), ==, BAL_HISTORY_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-history/one", test_one);
  g_test_add_func ("/daemon-history/order-of-the-end", test_order_of_the_end);
  g_test_add_func ("/daemon-history/late-release", test_late_release);
  g_test_add_func ("/daemon-history/unlogged", test_unlogged);
  g_test_add_func ("/daemon-history/bound", test_bound);
  return g_test_run ();
}
