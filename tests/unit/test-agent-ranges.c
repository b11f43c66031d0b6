/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Free ranges from kpageflags and held ranges from pagemap. */
#include "guest-agent/free-ranges.h"
#include "guest-agent/held-ranges.h"
#include "guest-agent/page-runs.h"
#include "test-root.h"

#include <string.h>

#define PAGE G_GUINT64_CONSTANT (4096)
#define BUDDY (G_GUINT64_CONSTANT (1) << 10)
#define PRESENT (G_GUINT64_CONSTANT (1) << 63)

/* @map: a character a page frame, 'F' for free. */
static void
put_flags (TestRoot *root, const char *map)
{
  gsize count = strlen (map);
  g_autofree guint64 *entries = g_new (guint64, count);

  for (gsize i = 0; i < count; i++)
    entries[i] = map[i] == 'F' ? BUDDY | 1 : ~BUDDY;
  test_root_put_bytes (root, "/proc/kpageflags", entries, count * sizeof *entries);
}

static void
assert_page (const BalFreeRanges *page, const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < bal_ranges_count (page->ranges); i++)
    {
      const BalRange *range = bal_ranges_get (page->ranges, i);

      g_assert_cmpuint (range->start % PAGE, ==, 0);
      g_assert_cmpuint (range->length % PAGE, ==, 0);
      g_string_append_printf (text, "%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT " ",
                              range->start / PAGE, range->length / PAGE);
    }
  if (page->has_next)
    g_string_append_printf (text, "next %" G_GUINT64_FORMAT, page->next / PAGE);
  g_assert_cmpstr (g_strchomp (text->str), ==, expected);
}

static void
assert_scan (
  TestRoot *root, guint64 min_pages, guint64 from, guint max_ranges, const char *expected)
{
  BalFreeRangesArguments arguments = {.min_length_bytes = min_pages * PAGE,
                                      .from = from,
                                      .max_ranges = max_ranges};
  g_auto (BalFreeRanges) page = {0};
  g_autoptr (GError) error = NULL;

  bal_free_ranges_scan (root->path, &arguments, &page, &error);
  g_assert_no_error (error);
  assert_page (&page, expected);
}

static void
test_free_merges (TestRoot *root, gconstpointer user_data)
{
  put_flags (root, "FF..FFFF.F");
  assert_scan (root, 0, 0, 100, "0+2 4+4 9+1");
  assert_scan (root, 2, 0, 100, "0+2 4+4");
  assert_scan (root, 0, 5 * PAGE, 100, "5+3 9+1");
  assert_scan (root, 0, 4 * PAGE + 1, 100, "5+3 9+1");
  assert_scan (root, 0, 50 * PAGE, 100, "");
  put_flags (root, "....");
  assert_scan (root, 0, 0, 100, "");
  put_flags (root, "");
  assert_scan (root, 0, 0, 100, "");
}

static void
test_free_pages_through (TestRoot *root, gconstpointer user_data)
{
  put_flags (root, "F.F.FF.FFF");
  assert_scan (root, 0, 0, 2, "0+1 2+1 next 4");
  assert_scan (root, 0, 4 * PAGE, 2, "4+2 7+3");
  assert_scan (root, 2, 0, 1, "4+2 next 7");
  assert_scan (root, 3, 0, 1, "7+3");
}

/* More than one read of the file, with a run across the border. */
static void
test_free_large (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *map = g_strnfill (100000, '.');

  memset (map + 32000, 'F', 40000);
  put_flags (root, map);
  assert_scan (root, 40000, 0, 8192, "32000+40000");
}

static void
test_free_skips_holes (TestRoot *root, gconstpointer user_data)
{
  put_flags (root, "FFFFFFFFFFFFFFFFFFFFFFFF");
  test_root_put (root, "/proc/iomem",
                 "00000000-00000fff : Reserved\n"
                 "00001000-00003fff : System RAM\n"
                 "  00002000-00002fff : Kernel code\n"
                 "00004800-00007fff : System RAM\n"
                 "0000a000-0000ffff : virtio0\n"
                 "  0000a000-0000bfff : System RAM (virtio_mem)\n"
                 "  0000c000-0000dfff : System RAM (virtio_mem)\n");
  assert_scan (root, 0, 0, 100, "1+3 5+3 10+4");
  /* Two windows that touch are one run. */
  assert_scan (root, 4, 0, 100, "10+4");
  assert_scan (root, 0, 11 * PAGE, 100, "11+3");
  /* What a reader without CAP_SYS_ADMIN is shown. */
  test_root_put (root, "/proc/iomem", "00000000-00000000 : System RAM\n");
  assert_scan (root, 0, 0, 100, "0+24");
}

static void
test_free_without_file (TestRoot *root, gconstpointer user_data)
{
  BalFreeRangesArguments arguments = {.max_ranges = 1};
  g_auto (BalFreeRanges) page = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_free_ranges_scan (root->path, &arguments, &page, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
  g_assert_null (page.ranges);
}

/* The region lies at virtual page 3; frames are as listed, 0 for a page that is not present. */
static void
assert_held (TestRoot *root, const guint64 *frames, guint count, guint64 from, const char *expected)
{
  BalHeldRegion region = {.pid = 77, .base = 3 * PAGE, .span_bytes = count * PAGE};
  g_autofree guint64 *entries = g_new0 (guint64, count + 3);
  g_auto (BalFreeRanges) page = {0};
  g_autoptr (GError) error = NULL;

  entries[0] = entries[1] = entries[2] = PRESENT | 1;
  for (guint i = 0; i < count; i++)
    entries[i + 3] = frames[i] != 0 ? PRESENT | frames[i] : 0;
  test_root_put_bytes (root, "/proc/77/pagemap", entries, (count + 3) * sizeof *entries);
  bal_held_ranges_read (root->path, &region, from, 3, &page, &error);
  g_assert_no_error (error);
  assert_page (&page, expected);
}

static void
test_held_sorts (TestRoot *root, gconstpointer user_data)
{
  const guint64 frames[] = {900, 5, 6, 0, 200, 4, 901, 63, 64, 65};
  const guint64 far[] = {(1 << 24) + 20, 7, (1 << 24) + 10};

  assert_held (root, frames, G_N_ELEMENTS (frames), 0, "4+3 63+3 200+1 next 900");
  assert_held (root, frames, G_N_ELEMENTS (frames), 900 * PAGE, "900+2");
  assert_held (root, frames, G_N_ELEMENTS (frames), 5 * PAGE, "5+2 63+3 200+1 next 900");
  assert_held (root, frames, G_N_ELEMENTS (frames), 2000 * PAGE, "");
  /* Beyond the window of one call. */
  assert_held (root, far, G_N_ELEMENTS (far), 0, "7+1 next 16777226");
  assert_held (root, far, G_N_ELEMENTS (far), 16777226 * PAGE, "16777226+1 16777236+1");
}

static void
test_held_nothing (TestRoot *root, gconstpointer user_data)
{
  BalHeldRegion region = {0};
  g_auto (BalFreeRanges) page = {0};
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_held_ranges_read (root->path, &region, 0, 3, &page, &error));
  assert_page (&page, "");
  bal_free_ranges_clear (&page);
  region = (BalHeldRegion){.pid = 77, .base = PAGE, .span_bytes = PAGE};
  g_assert_false (bal_held_ranges_read (root->path, &region, 0, 3, &page, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC);
}

/* A walk that begins at page 10 and stops before page 100, in a run that began at @open_page. */
static void
assert_stop (guint64 open_page, const char *expected)
{
  g_auto (BalFreeRanges) page = {.ranges = bal_ranges_new ()};
  BalPageRuns runs;

  bal_page_runs_init (&runs, page.ranges, 10, PAGE, PAGE, 100);
  bal_page_runs_change (&runs, open_page, TRUE);
  bal_page_runs_stop (&runs, 100);
  page.has_next = runs.full;
  page.next = runs.next_page * PAGE;
  assert_page (&page, expected);
}

/* A run with a beginning is left whole for the next walk; one without is cut, or no walk would end.
 */
static void
test_runs_stop (void)
{
  assert_stop (60, "next 60");
  assert_stop (10, "10+90 next 100");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/free-ranges/merges", test_free_merges);
  TEST_ROOT_ADD ("/free-ranges/pages-through", test_free_pages_through);
  TEST_ROOT_ADD ("/free-ranges/large", test_free_large);
  TEST_ROOT_ADD ("/free-ranges/skips-holes", test_free_skips_holes);
  TEST_ROOT_ADD ("/free-ranges/without-file", test_free_without_file);
  g_test_add_func ("/page-runs/stop", test_runs_stop);
  TEST_ROOT_ADD ("/held-ranges/sorts", test_held_sorts);
  TEST_ROOT_ADD ("/held-ranges/nothing", test_held_nothing);
  return g_test_run ();
}
