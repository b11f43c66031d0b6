/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/hold-core.h"

static void
assert_state (const BalHoldCore *core, BalHoldState state, BalHoldReason reason, guint64 held)
{
  g_assert_cmpint (core->state, ==, state);
  g_assert_cmpint (core->reason, ==, reason);
  g_assert_cmpuint (core->held_bytes, ==, held);
}

static void
assert_admitted (const BalHoldCore *core, const char *token)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_hold_core_admit (core, token, &error));
  g_assert_no_error (error);
}

static void
assert_refused (const BalHoldCore *core, const char *token, BalProtocolError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_hold_core_admit (core, token, &error));
  g_assert_error (error, BAL_PROTOCOL_ERROR, (gint)code);
}

static void
test_core_grows_and_holds (void)
{
  BalHoldCore core = {0};

  assert_admitted (&core, "a");
  bal_hold_core_start (&core, "a", 100);
  assert_state (&core, BAL_HOLD_GROWING, BAL_HOLD_REASON_NONE, 0);
  bal_hold_core_report (&core, 60, core.ordered_bytes, BAL_HOLD_REASON_NONE);
  assert_state (&core, BAL_HOLD_GROWING, BAL_HOLD_REASON_NONE, 60);
  bal_hold_core_report (&core, 100, core.ordered_bytes, BAL_HOLD_REASON_TARGET);
  assert_state (&core, BAL_HOLD_HELD, BAL_HOLD_REASON_TARGET, 100);
  bal_hold_core_raise (&core, 200);
  assert_state (&core, BAL_HOLD_GROWING, BAL_HOLD_REASON_NONE, 100);
  bal_hold_core_report (&core, 150, core.ordered_bytes, BAL_HOLD_REASON_HEADROOM);
  assert_state (&core, BAL_HOLD_HELD, BAL_HOLD_REASON_HEADROOM, 150);
  g_assert_cmpuint (core.target_bytes, ==, 200);
  bal_hold_core_clear (&core);
}

/* A host whose former request was answered into the void may ask for less than it did then. */
static void
test_core_target_never_falls (void)
{
  BalHoldCore core = {0};

  bal_hold_core_start (&core, "a", 100);
  bal_hold_core_raise (&core, 10);
  g_assert_cmpuint (core.target_bytes, ==, 100);
  g_assert_cmpuint (core.ordered_bytes, ==, 100);
  bal_hold_core_report (&core, 100, core.ordered_bytes, BAL_HOLD_REASON_TARGET);
  bal_hold_core_raise (&core, 10);
  g_assert_cmpuint (core.target_bytes, ==, 100);
  g_assert_cmpuint (core.held_bytes, ==, 100);
  bal_hold_core_clear (&core);
}

/* A raise crosses with the report that the former target is reached. */
static void
test_core_stale_report (void)
{
  BalHoldCore core = {0};

  bal_hold_core_start (&core, "a", 100);
  bal_hold_core_raise (&core, 200);
  bal_hold_core_report (&core, 100, 100, BAL_HOLD_REASON_TARGET);
  assert_state (&core, BAL_HOLD_GROWING, BAL_HOLD_REASON_NONE, 100);
  bal_hold_core_report (&core, 200, 200, BAL_HOLD_REASON_TARGET);
  assert_state (&core, BAL_HOLD_HELD, BAL_HOLD_REASON_TARGET, 200);
  bal_hold_core_clear (&core);
}

static void
test_core_busy (void)
{
  BalHoldCore core = {0};

  bal_hold_core_start (&core, "a", 100);
  assert_admitted (&core, "a");
  assert_refused (&core, "b", BAL_PROTOCOL_ERROR_HOLD_BUSY);
  bal_hold_core_report (&core, 100, core.ordered_bytes, BAL_HOLD_REASON_TARGET);
  assert_refused (&core, "b", BAL_PROTOCOL_ERROR_HOLD_BUSY);
  bal_hold_core_end (&core, BAL_HOLD_REASON_REQUEST);
  assert_refused (&core, "a", BAL_PROTOCOL_ERROR_HOLD_BUSY);
  assert_refused (&core, "b", BAL_PROTOCOL_ERROR_HOLD_BUSY);
  bal_hold_core_exited (&core, TRUE);
  assert_state (&core, BAL_HOLD_IDLE, BAL_HOLD_REASON_REQUEST, 0);
  assert_admitted (&core, "a");
  assert_admitted (&core, "b");
  bal_hold_core_clear (&core);
}

static void
test_core_spent_tokens (void)
{
  static const BalHoldReason reasons[] = {BAL_HOLD_REASON_PRESSURE, BAL_HOLD_REASON_DEADLINE,
                                          BAL_HOLD_REASON_SILENCE};

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    {
      BalHoldCore core = {0};

      bal_hold_core_start (&core, "a", 100);
      g_assert_true (bal_hold_core_end (&core, reasons[i]));
      assert_refused (&core, "a", BAL_PROTOCOL_ERROR_HOLD_REFUSED);
      assert_refused (&core, "b", BAL_PROTOCOL_ERROR_HOLD_BUSY);
      bal_hold_core_exited (&core, TRUE);
      assert_state (&core, BAL_HOLD_IDLE, reasons[i], 0);
      assert_refused (&core, "a", BAL_PROTOCOL_ERROR_HOLD_REFUSED);
      assert_admitted (&core, "b");
      bal_hold_core_clear (&core);
    }
}

static void
test_core_killed (void)
{
  BalHoldCore core = {0};

  bal_hold_core_start (&core, "a", 100);
  bal_hold_core_report (&core, 50, core.ordered_bytes, BAL_HOLD_REASON_NONE);
  bal_hold_core_exited (&core, TRUE);
  assert_state (&core, BAL_HOLD_IDLE, BAL_HOLD_REASON_KILLED, 0);
  assert_refused (&core, "a", BAL_PROTOCOL_ERROR_HOLD_REFUSED);
  bal_hold_core_start (&core, "b", 100);
  bal_hold_core_exited (&core, FALSE);
  assert_state (&core, BAL_HOLD_IDLE, BAL_HOLD_REASON_FAILED, 0);
  assert_admitted (&core, "b");
  bal_hold_core_clear (&core);
}

static void
test_core_ends_once (void)
{
  BalHoldCore core = {0};

  g_assert_false (bal_hold_core_end (&core, BAL_HOLD_REASON_REQUEST));
  assert_state (&core, BAL_HOLD_IDLE, BAL_HOLD_REASON_NONE, 0);
  bal_hold_core_start (&core, "a", 100);
  bal_hold_core_report (&core, 50, core.ordered_bytes, BAL_HOLD_REASON_NONE);
  g_assert_true (bal_hold_core_end (&core, BAL_HOLD_REASON_PRESSURE));
  g_assert_false (bal_hold_core_end (&core, BAL_HOLD_REASON_REQUEST));
  bal_hold_core_report (&core, 80, core.ordered_bytes, BAL_HOLD_REASON_TARGET);
  assert_state (&core, BAL_HOLD_RETURNING, BAL_HOLD_REASON_PRESSURE, 50);
  bal_hold_core_clear (&core);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hold-core/grows-and-holds", test_core_grows_and_holds);
  g_test_add_func ("/hold-core/target-never-falls", test_core_target_never_falls);
  g_test_add_func ("/hold-core/stale-report", test_core_stale_report);
  g_test_add_func ("/hold-core/busy", test_core_busy);
  g_test_add_func ("/hold-core/spent-tokens", test_core_spent_tokens);
  g_test_add_func ("/hold-core/killed", test_core_killed);
  g_test_add_func ("/hold-core/ends-once", test_core_ends_once);
  return g_test_run ();
}
