/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/patience.h"

#define MS G_GINT64_CONSTANT (1000)
#define BEGAN_US (G_GINT64_CONSTANT (77) * G_USEC_PER_SEC)

static const BalPace pace = {.stall_ms = 3000, .least_bytes = 16, .slowest_bytes_per_s = 100};

static BalPatience
begin (guint64 left_bytes)
{
  BalPatience patience;

  bal_patience_begin (&patience, &pace, left_bytes, BEGAN_US);
  return patience;
}

static void
test_no_move (void)
{
  BalPatience patience = begin (1000000);

  g_assert_false (bal_patience_is_over (&patience, 1000000, BEGAN_US));
  g_assert_false (bal_patience_is_over (&patience, 1000000, BEGAN_US + 3000 * MS));
  g_assert_true (bal_patience_is_over (&patience, 1000000, BEGAN_US + 3000 * MS + 1));
}

static void
test_step (void)
{
  BalPatience patience = begin (1000000);

  g_assert_false (bal_patience_is_over (&patience, 1000000 - 16, BEGAN_US + 2000 * MS));
  g_assert_false (bal_patience_is_over (&patience, 1000000 - 16, BEGAN_US + 5000 * MS));
  g_assert_true (bal_patience_is_over (&patience, 1000000 - 16, BEGAN_US + 5000 * MS + 1));
}

/* Small moves add up. */
static void
test_small_moves (void)
{
  BalPatience patience = begin (1000000);

  g_assert_false (bal_patience_is_over (&patience, 1000000 - 15, BEGAN_US + 2000 * MS));
  g_assert_true (bal_patience_is_over (&patience, 1000000 - 15, BEGAN_US + 3001 * MS));

  patience = begin (1000000);
  g_assert_false (bal_patience_is_over (&patience, 1000000 - 8, BEGAN_US + 1000 * MS));
  g_assert_false (bal_patience_is_over (&patience, 1000000 - 16, BEGAN_US + 2000 * MS));
  g_assert_false (bal_patience_is_over (&patience, 1000000 - 16, BEGAN_US + 5000 * MS));
}

static void
test_going_back_is_no_step (void)
{
  BalPatience patience = begin (1000);

  g_assert_false (bal_patience_is_over (&patience, G_MAXUINT64, BEGAN_US + 2000 * MS));
  g_assert_false (bal_patience_is_over (&patience, 1000, BEGAN_US + 2500 * MS));
  g_assert_true (bal_patience_is_over (&patience, 1000, BEGAN_US + 3001 * MS));
}

/* A least step a second never stalls, but 1000 bytes may take 10 s and the stall's 3. */
static void
test_creeping (void)
{
  BalPatience patience = begin (1000);

  for (guint second = 1; second <= 13; second++)
    g_assert_false (
      bal_patience_is_over (&patience, 1000 - 16 * second, BEGAN_US + second * G_USEC_PER_SEC));
  g_assert_true (bal_patience_is_over (&patience, 1000 - 16 * 14, BEGAN_US + 13001 * MS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/patience/no-move", test_no_move);
  g_test_add_func ("/patience/step", test_step);
  g_test_add_func ("/patience/small-moves", test_small_moves);
  g_test_add_func ("/patience/going-back-is-no-step", test_going_back_is_no_step);
  g_test_add_func ("/patience/creeping", test_creeping);
  return g_test_run ();
}
