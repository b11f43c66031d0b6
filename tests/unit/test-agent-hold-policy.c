/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/hold-policy.h"
#include "test-agent-fixture.h"

#include <string.h>

#define PAGE G_GUINT64_CONSTANT (4096)
#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define CHUNK (32 * MIB)

static const BalZones one_node = {
  .count = 1,
  .zones = {{.node = 0, .free_pages = 262144, .high_pages = 4096, .managed_pages = 300000}},
};

static void
test_policy_headroom (void)
{
  g_assert_cmpuint (bal_hold_policy_headroom (1024 * MIB, 128 * MIB, 5), ==, 128 * MIB);
  g_assert_cmpuint (bal_hold_policy_headroom (100000 * MIB, 128 * MIB, 5), ==, 5000 * MIB);
  g_assert_cmpuint (bal_hold_policy_headroom (G_MAXUINT64 / 8, 0, 100), >, G_MAXUINT64 / 9);
}

/* 1 GiB free: the watermark takes 16 MiB, or the headroom more. */
static void
test_policy_holdable (void)
{
  guint64 by_watermark = bal_hold_policy_holdable (&one_node, PAGE, 0);
  guint64 by_headroom = bal_hold_policy_holdable (&one_node, PAGE, 128 * MIB);

  g_assert_cmpuint (by_watermark, <=, 1008 * MIB);
  g_assert_cmpuint (by_watermark, >, 1005 * MIB);
  g_assert_cmpuint (by_headroom, <=, 896 * MIB);
  g_assert_cmpuint (by_headroom, >, 893 * MIB);
  g_assert_cmpuint (by_headroom % PAGE, ==, 0);
  g_assert_cmpuint (bal_hold_policy_holdable (&one_node, PAGE, 2048 * MIB), ==, 0);
}

static void
test_policy_protection (void)
{
  BalZones zones = one_node;

  zones.zones[0].protection_pages = 262144 - 4096;
  g_assert_cmpuint (bal_hold_policy_holdable (&zones, PAGE, 0), ==, 0);
  g_assert_cmpuint (bal_hold_policy_step (&zones, PAGE, 0, 512 * MIB, CHUNK).bytes, ==, 0);
}

static void
test_policy_step_sizes (void)
{
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 0, 512 * MIB, CHUNK).bytes, ==, CHUNK);
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 0, 5 * MIB, CHUNK).bytes, ==, 4 * MIB);
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 0, MIB + 100, CHUNK).bytes, ==, MIB);
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 0, 0, CHUNK).bytes, ==, 0);
}

/* What is left above the headroom is less than a huge page: not taken in crumbs. */
static void
test_policy_step_stops_at_headroom (void)
{
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 1023 * MIB, 512 * MIB, CHUNK).bytes, ==,
                    0);
  g_assert_cmpuint (bal_hold_policy_step (&one_node, PAGE, 1010 * MIB, 512 * MIB, CHUNK).bytes, ==,
                    12 * MIB);
}

/* A run of steps keeps the headroom, page tables included, and never takes from a node below its
 * watermark. */
static void
test_policy_two_nodes (void)
{
  BalZones zones = {
    .count = 3,
    .zones =
      {
        {.node = 0,
         .free_pages = 1000,
         .high_pages = 10,
         .protection_pages = 2000,
         .managed_pages = 4000},
        {.node = 0, .free_pages = 100000, .high_pages = 3000, .managed_pages = 200000},
        {.node = 1, .free_pages = 180000, .high_pages = 3000, .managed_pages = 200000},
      },
  };
  guint64 held = 0;
  BalHoldStep step;

  step = bal_hold_policy_step (&zones, PAGE, 64 * MIB, G_MAXUINT64 / 2, CHUNK);
  g_assert_cmpuint (step.node, ==, 1);
  while ((step = bal_hold_policy_step (&zones, PAGE, 64 * MIB, G_MAXUINT64 / 2, CHUNK)).bytes > 0)
    {
      zones.zones[step.node == 0 ? 1 : 2].free_pages -= step.bytes / PAGE + step.bytes / PAGE / 512;
      held += step.bytes;
    }
  g_assert_cmpuint (zones.zones[0].free_pages, ==, 1000);
  g_assert_cmpuint (zones.zones[1].free_pages, >=, 3000);
  g_assert_cmpuint (zones.zones[2].free_pages, >=, 3000);
  g_assert_cmpuint (bal_zones_free_pages (&zones) * PAGE, >=, 64 * MIB);
  g_assert_cmpuint (held, >, 1000 * MIB);
}

/* Fragments go first, as long as chunks are made of them. */
static void
test_policy_fragments (void)
{
  const BalHoldStep step = {.bytes = CHUNK};
  const BalHoldStep small = {.bytes = MIB};
  BalHoldFragments known = {0};
  guint64 huge_blocks = 512;
  guint64 fragment_bytes = 5 * CHUNK;
  guint n_small = 0;

  for (; fragment_bytes >= CHUNK; fragment_bytes -= CHUNK, n_small++)
    g_assert_false (bal_hold_policy_wants_huge (&known, &step,
                                                fragment_bytes + huge_blocks * 2 * MIB,
                                                huge_blocks));
  g_assert_cmpuint (n_small, ==, 5);
  g_assert_true (
    bal_hold_policy_wants_huge (&known, &step, fragment_bytes + 1024 * MIB, huge_blocks));

  /* Another program frees as much as half of what a chunk took. */
  known = (BalHoldFragments){0};
  g_assert_false (bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 5 * CHUNK, 512));
  g_assert_false (
    bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 5 * CHUNK - CHUNK / 2, 512));

  /* Those that stay through three chunks are left alone, whatever else comes and goes. */
  g_assert_false (
    bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 5 * CHUNK - CHUNK / 2, 512));
  g_assert_false (
    bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 5 * CHUNK - CHUNK / 2, 512));
  g_assert_true (
    bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 5 * CHUNK - CHUNK / 2, 512));
  g_assert_true (bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + 2 * CHUNK, 512));

  /* In a row, that is. */
  known = (BalHoldFragments){.expected_bytes = CHUNK, .misses = 2};
  g_assert_false (bal_hold_policy_wants_huge (&known, &step, 1024 * MIB + CHUNK, 512));
  g_assert_cmpuint (known.misses, ==, 0);

  /* Never what would have to be made, nor for less than one. */
  known = (BalHoldFragments){0};
  g_assert_false (bal_hold_policy_wants_huge (&known, &step, CHUNK, CHUNK / (2 * MIB)));
  g_assert_false (bal_hold_policy_wants_huge (&known, &small, 1024 * MIB, 512));
  /* More huge blocks than free memory: they were counted later. */
  g_assert_true (bal_hold_policy_wants_huge (&known, &step, CHUNK, 512));
}

static void
test_policy_refusals (void)
{
  g_assert_null (bal_hold_policy_refusal (0, 0, FALSE));
  g_assert_null (bal_hold_policy_refusal (1, 0, FALSE));
  g_assert_nonnull (strstr (bal_hold_policy_refusal (2, 0, FALSE), "overcommit_memory"));
  g_assert_nonnull (strstr (bal_hold_policy_refusal (0, 1, FALSE), "panic_on_oom"));
  g_assert_nonnull (strstr (bal_hold_policy_refusal (0, 2, FALSE), "panic_on_oom"));
  g_assert_nonnull (strstr (bal_hold_policy_refusal (0, 0, TRUE), "oom_kill_allocating_task"));
}

static void
test_zoneinfo_parses (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  BalZones zones;

  agent_fixture_put_guest (root);
  bal_zones_read (root->path, &zones, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (zones.count, ==, 4);
  g_assert_cmpuint (zones.zones[0].free_pages, ==, 3840);
  g_assert_cmpuint (zones.zones[0].high_pages, ==, 97);
  g_assert_cmpuint (zones.zones[0].protection_pages, ==, 3911);
  g_assert_cmpuint (zones.zones[1].high_pages, ==, 18914);
  g_assert_cmpuint (zones.zones[1].protection_pages, ==, 998);
  g_assert_cmpuint (zones.zones[2].protection_pages, ==, 0);
  g_assert_cmpuint (bal_zones_free_pages (&zones), ==, 3840 + 600000 + 182592);
  g_assert_cmpuint (bal_zones_node_free_pages (&zones, 0), ==, 3840 + 600000 + 182592 + 1234);
  g_assert_cmpuint (bal_zones_node_free_pages (&zones, 1), ==, 0);
  g_assert_cmpuint (bal_zones_managed_pages (&zones), ==, 3840 + 745961 + 252548);
  g_assert_false (bal_zones_many_nodes (&zones));
}

static void
test_zoneinfo_of_many_zones (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GString) text = g_string_new (NULL);
  BalZones zones;

  for (guint node = 0; node < BAL_ZONES_MAX + 10; node++)
    g_string_append_printf (text, "Node %u, zone Normal\n  pages free 10\n        managed 20\n",
                            node);
  test_root_put (root, "/proc/zoneinfo", text->str);
  g_assert_true (bal_zones_read (root->path, &zones, NULL));
  g_assert_cmpuint (zones.count, ==, BAL_ZONES_MAX);
  g_assert_cmpuint (bal_zones_free_pages (&zones), ==, 10 * BAL_ZONES_MAX);
  g_assert_true (bal_zones_many_nodes (&zones));
}

static void
test_zoneinfo_without_zones (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  BalZones zones;

  g_assert_false (bal_zones_read (root->path, &zones, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);
  test_root_put (root, "/proc/zoneinfo", "nothing here\n");
  g_assert_false (bal_zones_read (root->path, &zones, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
}

static void
test_buddyinfo (TestRoot *root, gconstpointer user_data)
{
  g_assert_cmpuint (bal_buddy_blocks (root->path, 0, 9), ==, 0);
  test_root_put (root, "/proc/buddyinfo",
                 "Node 0, zone      DMA      0      0      0      0      0      0      0      "
                 "1      0      1      3 \n"
                 "Node 0, zone    DMA32      2      2      1      3      1      1      2      "
                 "1      2      4    719 \n"
                 "Node 1, zone   Normal      3      0      2      3      1      2      1      "
                 "1      1      5    221 \n");
  g_assert_cmpuint (bal_buddy_blocks (root->path, 0, 9), ==, 1 + 2 * 3 + 4 + 2 * 719);
  g_assert_cmpuint (bal_buddy_blocks (root->path, 1, 9), ==, 5 + 2 * 221);
  g_assert_cmpuint (bal_buddy_blocks (root->path, 1, 10), ==, 221);
  g_assert_cmpuint (bal_buddy_blocks (root->path, 2, 9), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hold-policy/headroom", test_policy_headroom);
  g_test_add_func ("/hold-policy/holdable", test_policy_holdable);
  g_test_add_func ("/hold-policy/protection", test_policy_protection);
  g_test_add_func ("/hold-policy/step-sizes", test_policy_step_sizes);
  g_test_add_func ("/hold-policy/step-stops-at-headroom", test_policy_step_stops_at_headroom);
  g_test_add_func ("/hold-policy/two-nodes", test_policy_two_nodes);
  g_test_add_func ("/hold-policy/fragments", test_policy_fragments);
  g_test_add_func ("/hold-policy/refusals", test_policy_refusals);
  TEST_ROOT_ADD ("/zoneinfo/parses", test_zoneinfo_parses);
  TEST_ROOT_ADD ("/zoneinfo/many-zones", test_zoneinfo_of_many_zones);
  TEST_ROOT_ADD ("/zoneinfo/without-zones", test_zoneinfo_without_zones);
  TEST_ROOT_ADD ("/zoneinfo/buddyinfo", test_buddyinfo);
  return g_test_run ();
}
