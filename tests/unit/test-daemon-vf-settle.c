/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When ballastd has the VF service settle, and when it does nothing. */
#include "daemon-vf-fixture.h"
#include "vf-fixture.h"
#include "vf-service-fake.h"

static guint
count_timers (const char *unused)
{
  return vf_end_has_timer () ? 1 : 0;
}

/* An idle service costs nothing: no timer, and domains that come and go are none of its business.
 */
static void
test_idle (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) prepared = {0};
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) behind = {0};

  vf_service_fake_set_idle (TRUE);
  g_assert_false (vf_end_has_timer ());
  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_end_iterate_until (vf_service_fake_count, "settle all", 1);
  vf_end_iterate_until (count_timers, "", 0);
  bal_daemon_vf_settle (vf, NULL);
  vf_end_ask (vf, &behind, BAL_VF_COMMAND_DETACH, NULL);
  vf_end_iterate_until_answered (&behind);
  g_assert_cmpuint (vf_service_fake_count ("settle all"), ==, 1);

  vf_service_fake_set_idle (FALSE);
  vf_end_hook (vf, &prepared, "prepare", "begin", "<domain/>");
  vf_end_iterate_until_answered (&prepared);
  g_assert_true (vf_end_has_timer ());
  bal_daemon_vf_set_connection (vf, NULL);
  g_assert_false (vf_end_has_timer ());
  bal_daemon_vf_settle (vf, NULL);
  bal_daemon_vf_set_connection (vf, CONNECTION);
  g_assert_true (vf_end_has_timer ());
  vf_end_iterate_until (vf_service_fake_count, "settle all", 2);

  vf_service_fake_set_idle (TRUE);
  vf_end_hook (vf, &ended, "prepare", "begin", "<domain/>");
  vf_end_iterate_until_answered (&ended);
  vf_end_iterate_until (count_timers, "", 0);
  vf_end_finish (vf);
}

/* One who saw nothing in the ledger does not speak for those that were at work beside it. */
static void
test_idle_beside_work (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) held = {0};
  g_auto (BalDaemonRequest) listed = {0};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_end_iterate_until (vf_service_fake_count, "settle all", 1);
  vf_service_fake_hold ("allocate net0");
  vf_end_allocate (vf, &held, "net0", FALSE);
  vf_service_fake_set_idle (TRUE);
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_iterate_until_answered (&listed);
  g_assert_true (vf_end_has_timer ());
  vf_service_fake_let_go ();
  vf_end_iterate_until_answered (&held);
  g_assert_true (vf_end_has_timer ());
  vf_end_finish (vf);
}

/* Events come in bursts: what waits already is not asked for again, but what happens behind the
 * beginning of a settling is settled once more. */
static void
test_settling_is_not_piled_up (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_autofree char *line = g_strdup_printf ("settle %s", vf_uuid (3));
  g_auto (BalDaemonRequest) listed = {0};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_end_iterate_until (vf_service_fake_count, "settle all", 1);
  vf_service_fake_hold (line);
  bal_daemon_vf_settle (vf, vf_uuid (3));
  vf_end_iterate_until (vf_service_fake_count, line, 1);
  /* The thread's beginning is told on the main context, before what comes later. */
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_iterate_until_answered (&listed);
  for (guint i = 0; i < 10; i++)
    bal_daemon_vf_settle (vf, vf_uuid (3));
  vf_service_fake_let_go ();
  vf_end_iterate_until (vf_service_fake_count, line, 2);
  vf_end_request_clear (&listed);
  listed = (BalDaemonRequest){0};
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_iterate_until_answered (&listed);
  g_assert_cmpuint (vf_service_fake_count (line), ==, 2);
  vf_end_finish (vf);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-vf-settle/idle", test_idle);
  g_test_add_func ("/daemon-vf-settle/idle-beside-work", test_idle_beside_work);
  g_test_add_func ("/daemon-vf-settle/settling-is-not-piled-up", test_settling_is_not_piled_up);
  return g_test_run ();
}
