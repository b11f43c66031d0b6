/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When ballastd begins with what it is asked about VFs: behind the opening of the service, in a
 * domain's order, and not at all when nobody waits. */
#include "daemon-vf-fixture.h"
#include "vf-fixture.h"
#include "vf-service-fake.h"

#define SLOW_THREADS 4

/* An end that came late to its thread would give up what the next start has reserved. */
static void
test_hooks_of_one_domain (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) prepared = {0};
  g_auto (BalDaemonRequest) other = {0};
  g_autofree char *xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (1));
  g_autofree char *other_xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (2));
  g_autofree char *end = g_strdup_printf ("end %s", vf_uuid (1));

  vf_service_fake_hold (end);
  vf_end_hook (vf, &ended, "release", "end", xml);
  vf_end_iterate_until (vf_service_fake_count, end, 1);
  vf_end_leave (&ended);
  vf_end_hook (vf, &prepared, "prepare", "begin", xml);
  vf_end_hook (vf, &other, "prepare", "begin", other_xml);
  vf_end_assert_returned (&other, "{}");
  g_assert_cmpuint (vf_service_fake_count ("prepare"), ==, 1);
  g_assert_cmpuint (prepared.n_answers, ==, 0);
  vf_service_fake_let_go ();
  vf_end_assert_returned (&prepared, "{}");
  g_assert_cmpuint (vf_service_fake_count ("prepare"), ==, 2);
  vf_end_finish (vf);
}

/* Those that no pool has are answered, and freed, as well. */
static void
test_end_of_the_daemon (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) prepared = {0};
  g_autofree char *xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (1));
  g_autofree char *end = g_strdup_printf ("end %s", vf_uuid (1));

  vf_service_fake_hold (end);
  vf_end_hook (vf, &ended, "release", "end", xml);
  vf_end_iterate_until (vf_service_fake_count, end, 1);
  vf_end_hook (vf, &prepared, "prepare", "begin", xml);
  vf_end_finish (vf);
  vf_end_assert_failed (&ended, "GenericError");
  vf_end_assert_failed (&prepared, "GenericError");
}

static void
test_left (void)
{
  BalDaemonVf *vf = vf_end_start ();
  BalDaemonRequest slow[SLOW_THREADS] = {{0}};
  g_auto (BalDaemonRequest) left = {0};

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < SLOW_THREADS; i++)
    vf_end_allocate (vf, &slow[i], "net0", FALSE);
  vf_end_iterate_until (vf_service_fake_count, "allocate net0", SLOW_THREADS);
  vf_end_allocate (vf, &left, "net1", FALSE);
  vf_end_leave (&left);
  vf_service_fake_let_go ();
  vf_end_iterate_until_answered (&left);
  for (guint i = 0; i < SLOW_THREADS; i++)
    {
      vf_end_assert_returned (&slow[i], "{'port':{'port':'net0'}}");
      vf_end_request_clear (&slow[i]);
    }
  g_assert_cmpuint (vf_service_fake_count ("allocate net1"), ==, 0);
  vf_end_finish (vf);
}

/* The main context is free meanwhile. Of hooks that libvirt has given up, only the end of a domain
 * is carried out. */
static void
test_opening (void)
{
  g_auto (BalDaemonRequest) listed = {0};
  g_auto (BalDaemonRequest) left = {0};
  g_auto (BalDaemonRequest) ended = {0};
  g_autofree char *xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (1));
  g_autofree char *end = g_strdup_printf ("end %s", vf_uuid (1));
  BalDaemonVf *vf;

  vf_service_fake_hold ("new");
  vf = vf_end_start_opening ();
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_hook (vf, &left, "prepare", "begin", xml);
  vf_end_hook (vf, &ended, "release", "end", xml);
  vf_end_leave (&left);
  vf_end_leave (&ended);
  vf_end_iterate_until (vf_service_fake_count, "new", 1);
  g_assert_cmpuint (listed.n_answers, ==, 0);
  vf_service_fake_let_go ();
  vf_end_assert_returned (&listed, "{'pfs':[]}");
  vf_end_iterate_until_answered (&ended);
  g_assert_cmpuint (vf_service_fake_count (end), ==, 1);
  g_assert_cmpuint (vf_service_fake_count ("prepare"), ==, 0);
  vf_end_finish (vf);
}

/* One that is never opened is nobody's to wait for, and the end of ballastd is not behind it. */
static void
test_end_while_opening (void)
{
  g_auto (BalDaemonRequest) listed = {0};
  BalDaemonVf *vf;

  vf_service_fake_hold ("new");
  vf = vf_end_start_opening ();
  vf_end_iterate_until (vf_service_fake_count, "new", 1);
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  bal_daemon_vf_free (vf);
  vf_end_assert_failed (&listed, "GenericError");
  vf_service_fake_let_go ();
  vf_end_iterate_until (vf_end_n_services, "", 1);
  vf_end_iterate_until (vf_end_n_services, "", 0);
  vf_service_fake_clear ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-vf-order/hooks-of-one-domain", test_hooks_of_one_domain);
  g_test_add_func ("/daemon-vf-order/end-of-the-daemon", test_end_of_the_daemon);
  g_test_add_func ("/daemon-vf-order/left", test_left);
  g_test_add_func ("/daemon-vf-order/opening", test_opening);
  g_test_add_func ("/daemon-vf-order/end-while-opening", test_end_while_opening);
  return g_test_run ();
}
