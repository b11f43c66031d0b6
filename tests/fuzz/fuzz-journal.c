/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of the journal. What is read is what is written again. */
#include "fuzz.h"

#include "host-hook/journal.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *exact = fuzz_bytes (data, size);
  g_autoptr (BalJournalEntry) entry = NULL;

  if (!FUZZ_CHECK ((entry = bal_journal_entry_from_json (exact, size, &error)) != NULL))
    return 0;
  g_autofree char *first = bal_journal_entry_to_json (entry);
  g_autoptr (BalJournalEntry) again = bal_journal_entry_from_json (first, strlen (first), NULL);
  g_assert_nonnull (again);
  g_autofree char *second = bal_journal_entry_to_json (again);
  g_assert_cmpstr (first, ==, second);
  bal_journal_entry_released_bytes (entry);
  return 0;
}
