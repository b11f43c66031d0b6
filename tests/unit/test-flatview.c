/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/flatview.h"

#include <string.h>

#define VIEW(entries)                                                                              \
  "FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n" entries "\n"
#define GIB (G_GUINT64_CONSTANT (1) << 30)

static char *
load_fixture (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", name, NULL);
  char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static void
assert_ranges (const char *text, const BalFlatRange *expected, guint n_expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalFlatView) view = bal_flatview_parse (text, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (view->ranges->len, ==, n_expected);
  for (guint i = 0; i < n_expected; i++)
    {
      const BalFlatRange *range = &g_array_index (view->ranges, BalFlatRange, i);
      g_assert_cmphex (range->start, ==, expected[i].start);
      g_assert_cmphex (range->length, ==, expected[i].length);
      g_assert_cmphex (range->offset, ==, expected[i].offset);
      g_assert_cmpstr (range->region, ==, expected[i].region);
    }
}

static void
test_i440fx (void)
{
  static const BalFlatRange expected[] = {
    {0, 0xa0000, (char *)"pc.ram", 0},
    {0x100000, 3 * GIB - 0x100000, (char *)"pc.ram", 0x100000},
    {4 * GIB, GIB, (char *)"pc.ram", 3 * GIB},
  };
  g_autofree char *text = load_fixture ("mtree-i440fx-4g.txt");
  assert_ranges (text, expected, G_N_ELEMENTS (expected));
}

static void
test_q35_virtio_mem (void)
{
  static const BalFlatRange expected[] = {
    {0, 0xc0000, (char *)"pc.ram", 0},
    {0x100000, GIB - 0x100000, (char *)"pc.ram", 0x100000},
    {4 * GIB, 3 * GIB, (char *)"m", 0},
  };
  g_autofree char *text = load_fixture ("mtree-q35-virtio-mem.txt");
  assert_ranges (text, expected, G_N_ELEMENTS (expected));
}

static void
test_numa (void)
{
  static const BalFlatRange expected[] = {
    {0, 0xc0000, (char *)"ram-node0", 0},
    {0x100000, GIB - 0x100000, (char *)"ram-node0", 0x100000},
    {GIB, 2 * GIB, (char *)"/objects/ram-node1", 0},
    {4 * GIB, GIB, (char *)"/objects/ram-node1", 2 * GIB},
  };
  g_autofree char *text = load_fixture ("mtree-numa.txt");
  assert_ranges (text, expected, G_N_ELEMENTS (expected));
}

static void
test_other_views_do_not_matter (void)
{
  static const BalFlatRange expected[] = {{0, 0x1000, (char *)"a", 0}};
  assert_ranges ("FlatView #0\n AS \"not memory\", root: system\n"
                 "  0000000000001000-0000000000001fff (prio 0, ram): b\n\n"
                 "FlatView #1\n AS \"cpu-memory-0\", root: system\n AS \"memory\", root: system\n"
                 " Root memory region: system\n"
                 "  0000000000000000-0000000000000fff (prio 0, ram): a\n\n"
                 "FlatView #2\n AS \"memory\", root: other\n"
                 "  0000000000001000-0000000000001fff (prio 0, ram): b\n",
                 expected, 1);
}

static void
test_kinds_and_names (void)
{
  static const BalFlatRange expected[] = {
    {0, 0x2000, (char *)"pc.ram", 0x5000},   {0x2000, 0x1000, (char *)"pc.ram", 0x8000},
    {0x3000, 0x1000, (char *)"a name", 0},   {0x4000, 0x1000, (char *)"nvdimm", 0},
    {0xa000, 0x1000, (char *)"x @ y", 0x10},
  };
  assert_ranges (VIEW ("  0000000000000000-0000000000000fff (prio 0, ram): pc.ram @5000 KVM\r\n"
                       "  0000000000001000-0000000000001fff (prio -1, ram): pc.ram @6000 KVM\r\n"
                       "  0000000000002000-0000000000002fff (prio 0, ram): pc.ram @8000\r\n"
                       "  0000000000003000-0000000000003fff (prio 0, ram): a name KVM\r\n"
                       "  0000000000004000-0000000000004fff (prio 0, nv-ram): nvdimm\r\n"
                       "  0000000000005000-0000000000005fff (prio 0, rom): pc.bios\r\n"
                       "  0000000000006000-0000000000006fff (prio 0, romd): flash\r\n"
                       "  0000000000007000-0000000000007fff (prio 0, ramd): 0000:01:00.0 BAR 0\r\n"
                       "  0000000000008000-0000000000008fff (prio 0, i/o): port\r\n"
                       "  000000000000a000-000000000000afff (prio 0, ram): x @ y @10\r\n"),
                 expected, G_N_ELEMENTS (expected));
}

static void
test_refuses (void)
{
  static const struct
  {
    const char *text;
    int code;
  } cases[] = {
    {"", BAL_FLATVIEW_ERROR_NO_MEMORY},
    {"unknown command: 'info mtree -f'\r\n", BAL_FLATVIEW_ERROR_NO_MEMORY},
    {VIEW ("  No rendered FlatView\n"), BAL_FLATVIEW_ERROR_NO_MEMORY},
    {VIEW ("  0-fff (prio 0, i/o): x\n"), BAL_FLATVIEW_ERROR_NO_MEMORY},
    {VIEW ("  0-fff\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0 fff (prio 0, ram): x\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram): \n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram):\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram)\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  1000-fff (prio 0, ram): x\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-ffffffffffffffff (prio 0, ram): x\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-10000000000000 (prio 0, ram): x\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-00000000000000fff (prio 0, ram): x\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram): x @ffffffffffffffff\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram): x @\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram): x @zz\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram):  @0\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  0-fff (prio 0, ram): x\n  800-1fff (prio 0, ram): y\n"), BAL_FLATVIEW_ERROR_SYNTAX},
    {VIEW ("  2000-2fff (prio 0, ram): x\n  0-fff (prio 0, ram): y\n"), BAL_FLATVIEW_ERROR_SYNTAX},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", cases[i].text);
      g_autoptr (BalFlatView) view = bal_flatview_parse (cases[i].text, &error);
      g_assert_null (view);
      g_assert_error (error, BAL_FLATVIEW_ERROR, cases[i].code);
    }
}

static void
test_refuses_too_many (void)
{
  g_autoptr (GString) text = g_string_new ("FlatView #0\n AS \"memory\", root: system\n");
  for (guint i = 0; i <= BAL_FLATVIEW_RANGES_MAX; i++)
    g_string_append_printf (text, "  %x000-%x7ff (prio 0, ram): x\n", i, i);
  g_autoptr (BalFlatView) view = bal_flatview_parse (text->str, NULL);
  g_assert_null (view);
}

/* Whatever a real text is cut or changed to, there is a view or an error. */
static void
test_survives_damage (void)
{
  g_autofree char *text = load_fixture ("mtree-q35-virtio-mem.txt");
  gsize length = strlen (text);
  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *damaged = g_strdup (text);
      for (guint n = 0; n < 20; n++)
        damaged[g_test_rand_int_range (0, (gint32)length)] = (char)g_test_rand_int_range (0, 256);
      g_autoptr (GError) error = NULL;
      g_autoptr (BalFlatView) view = bal_flatview_parse (damaged, &error);
      g_assert_true ((view == NULL) == (error != NULL));
    }
}

static void
test_gpa2hva (void)
{
  BalFlatRange range = {4 * GIB, GIB, (char *)"/objects/m 1", 0};
  guint64 hva = 0;
  g_autoptr (GError) error = NULL;

  g_autofree char *command = bal_flatview_gpa2hva_command (&range);
  g_assert_cmpstr (command, ==, "gpa2hva 0x100000000");
  bal_flatview_gpa2hva_parse (
    "Host virtual address for 0x100000000 (/objects/m 1) is 0x7f9d23e00000\r\n", &range, &hva,
    &error);
  g_assert_no_error (error);
  g_assert_cmphex (hva, ==, 0x7f9d23e00000);
}

static void
test_gpa2hva_refuses (void)
{
  static const char *const bad[] = {
    "",
    "No memory is mapped at address 0x100000000\r\n",
    "Memory at address 0x100000000 is not RAM\r\n",
    "Host virtual address for 0x100000000 (pc.ram) is ",
    "Host virtual address for 0x100000000 (pc.ram) is (nil)",
    "Host virtual address for 0x100000000 (pc.ram) is 0x0",
    "Host virtual address for 0x100000000 (pc.ram) is 0xffffffffffffffff",
    "Host virtual address for 0x100000000 (pc.ram) is 0x17f9d23e0000000000",
    "Host virtual address for 0x100000000 (pc.ram) is 0x7f9d23e00000 or so",
    "Host virtual address for 0x100000000 (other) is 0x7f9d23e00000",
    "Host virtual address for 0x200000000 (pc.ram) is 0x7f9d23e00000",
  };
  BalFlatRange range = {4 * GIB, GIB, (char *)"pc.ram", 0};
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      guint64 hva = 7;
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", bad[i]);
      g_assert_false (bal_flatview_gpa2hva_parse (bad[i], &range, &hva, &error));
      g_assert_error (error, BAL_FLATVIEW_ERROR, BAL_FLATVIEW_ERROR_NOT_MAPPED);
      g_assert_cmphex (hva, ==, 7);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/flatview/i440fx", test_i440fx);
  g_test_add_func ("/flatview/q35-virtio-mem", test_q35_virtio_mem);
  g_test_add_func ("/flatview/numa", test_numa);
  g_test_add_func ("/flatview/other-views-do-not-matter", test_other_views_do_not_matter);
  g_test_add_func ("/flatview/kinds-and-names", test_kinds_and_names);
  g_test_add_func ("/flatview/refuses", test_refuses);
  g_test_add_func ("/flatview/refuses-too-many", test_refuses_too_many);
  g_test_add_func ("/flatview/survives-damage", test_survives_damage);
  g_test_add_func ("/flatview/gpa2hva", test_gpa2hva);
  g_test_add_func ("/flatview/gpa2hva-refuses", test_gpa2hva_refuses);
  return g_test_run ();
}
