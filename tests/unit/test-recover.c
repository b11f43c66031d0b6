/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose a release is, by its age on a clock that people and NTP step. A hold's own end does not
 * depend on it: the guest counts that by its monotonic clock.
 */
#include "host-hook/recover.h"

#define DEADLINE_MS (15 * 60 * 1000)

static gboolean
is_for_others (gint64 age_ms, BalJournalStage stage, const char *dest_uri)
{
  g_autoptr (BalJournalEntry) entry = bal_journal_entry_new ();
  BalConfig config = {.hold_deadline_ms = DEADLINE_MS};

  entry->created_us -= age_ms * 1000;
  entry->stage = stage;
  entry->dest_uri = g_strdup (dest_uri);
  return bal_recover_is_for_others (&config, entry);
}

static void
test_age (void)
{
  g_assert_true (is_for_others (0, BAL_JOURNAL_RELEASED, NULL));
  g_assert_true (is_for_others (DEADLINE_MS - 10000, BAL_JOURNAL_RELEASED, NULL));
  g_assert_false (is_for_others (DEADLINE_MS + 10000, BAL_JOURNAL_RELEASED, NULL));
}

/* A clock that was stepped makes an entry old, or one of the future, which nobody's migration waits
 * for as far as anybody knows: its memory is given back. */
static void
test_stepped_clock (void)
{
  g_assert_false (is_for_others (365 * 86400000ll, BAL_JOURNAL_RELEASED, NULL));
  g_assert_false (is_for_others (-10000, BAL_JOURNAL_RELEASED, NULL));
  g_assert_false (is_for_others (-365 * 86400000ll, BAL_JOURNAL_RELEASED, NULL));
}

static void
test_of_a_migration (void)
{
  g_assert_false (is_for_others (0, BAL_JOURNAL_RELEASED, "qemu+tcp://dst/system"));
  g_assert_false (is_for_others (0, BAL_JOURNAL_MIGRATING, NULL));
  g_assert_false (is_for_others (0, BAL_JOURNAL_PLANNED, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recover/age", test_age);
  g_test_add_func ("/recover/stepped-clock", test_stepped_clock);
  g_test_add_func ("/recover/of-a-migration", test_of_a_migration);
  return g_test_run ();
}
