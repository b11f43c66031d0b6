/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's answers about where guest memory lies: `info mtree -f`, and behind a NUL the answer to
 * `gpa2hva` about its first range.
 */
#include "fuzz.h"

#include "host-hook/flatview.h"
#include "protocol/limits.h"

#include <string.h>

static void
check_view (const BalFlatView *view)
{
  guint64 end = 0;

  g_assert_cmpuint (view->ranges->len, >, 0);
  g_assert_cmpuint (view->ranges->len, <=, BAL_FLATVIEW_RANGES_MAX);
  for (guint i = 0; i < view->ranges->len; i++)
    {
      const BalFlatRange *range = &g_array_index (view->ranges, BalFlatRange, i);
      g_autofree char *command = bal_flatview_gpa2hva_command (range);

      g_assert_cmpuint (range->start, >=, end);
      g_assert_cmpuint (range->length, >, 0);
      end = range->start + range->length;
      g_assert_cmpuint (end, <=, BAL_ADDRESS_LIMIT);
      g_assert_cmpint (*range->region, !=, '\0');
      g_assert_null (strchr (command, '\n'));
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *map = fuzz_text (data, size);
  gsize skipped = MIN (size, strlen (map) + 1);
  g_autofree char *answer = fuzz_text (data + skipped, size - skipped);
  g_autoptr (BalFlatView) view = NULL;
  guint64 hva = 0;

  if (!FUZZ_CHECK ((view = bal_flatview_parse (map, &error)) != NULL))
    return 0;
  check_view (view);
  const BalFlatRange *first = &g_array_index (view->ranges, BalFlatRange, 0);
  if (FUZZ_CHECK (bal_flatview_gpa2hva_parse (answer, first, &hva, &error)))
    g_assert_cmpuint (hva, <=, G_MAXUINT64 - first->length);
  return 0;
}
