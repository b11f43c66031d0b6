/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ballastd asks the VF service, in which threads, and who is answered what: by a made-up
 * service and made-up requests. */
#include "daemon-vf-fixture.h"
#include "vf-fixture.h"
#include "vf-service-fake.h"

static void
test_calls (void)
{
  BalDaemonVf *vf = vf_end_start ();
  BalDaemonRequest requests[8] = {{0}};
  g_autofree char *park = g_strdup_printf ("park %s", vf_uuid (1));
  g_autofree char *unpark = g_strdup_printf ("unpark %s", vf_uuid (1));

  vf_end_allocate (vf, &requests[0], "net0", FALSE);
  vf_end_allocate (vf, &requests[1], "net1", TRUE);
  vf_end_allocate (vf, &requests[2], "refuse", FALSE);
  vf_end_ask (vf, &requests[3], BAL_VF_COMMAND_RELEASE, NULL);
  vf_end_ask (vf, &requests[4], BAL_VF_COMMAND_RELEASE, "refuse");
  vf_end_ask (vf, &requests[5], BAL_VF_COMMAND_DETACH, NULL);
  vf_end_ask (vf, &requests[6], BAL_VF_COMMAND_ATTACH, NULL);
  vf_end_ask (vf, &requests[7], BAL_VF_COMMAND_LIST, NULL);
  vf_end_assert_returned (&requests[0], "{'port':{'port':'net0'}}");
  vf_end_assert_returned (&requests[1], "{'port':{'port':'net1'}}");
  vf_end_assert_failed (&requests[2], "VfRefused");
  vf_end_assert_returned (&requests[3], "{}");
  vf_end_assert_failed (&requests[4], "VfRefused");
  vf_end_assert_returned (&requests[5], "{}");
  vf_end_assert_returned (&requests[6], "{}");
  vf_end_assert_returned (&requests[7], "{'pfs':[]}");
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count ("allocate net1 config"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count ("release all"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count (park), ==, 1);
  g_assert_cmpuint (vf_service_fake_count (unpark), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    vf_end_request_clear (&requests[i]);
  vf_end_finish (vf);
}

/* The list that a reconciliation ends with is from behind it. */
static void
test_reconcile (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) request = {0};

  vf_service_fake_hold ("settle all");
  vf_end_ask (vf, &request, BAL_VF_COMMAND_RECONCILE, NULL);
  vf_end_iterate_until (vf_service_fake_count, "settle all", 1);
  g_assert_cmpuint (vf_service_fake_count ("list all"), ==, 0);
  vf_service_fake_let_go ();
  vf_end_assert_returned (&request, "{'pfs':[]}");
  vf_end_finish (vf);
}

static void
test_hooks (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) prepared = {0};
  g_auto (BalDaemonRequest) refused = {0};
  g_auto (BalDaemonRequest) arrived = {0};
  g_auto (BalDaemonRequest) restored = {0};
  g_auto (BalDaemonRequest) other = {0};

  vf_end_hook (vf, &prepared, "prepare", "begin", "<domain/>");
  vf_end_hook (vf, &refused, "prepare", "begin", "<domain refuse=''/>");
  vf_end_hook (vf, &arrived, "migrate", "begin", "<domain rewrite=''/>");
  vf_end_hook (vf, &restored, "restore", "begin", "<domain/>");
  vf_end_hook (vf, &other, "started", "begin", "<domain/>");
  g_assert_cmpuint (other.n_answers, ==, 1);
  vf_end_assert_returned (&prepared, "{}");
  vf_end_assert_failed (&refused, "VfRefused");
  vf_end_assert_returned (&arrived, "{'xml':'<new/>'}");
  vf_end_assert_returned (&restored, "{}");
  vf_end_assert_returned (&other, "{}");
  g_assert_cmpuint (vf_service_fake_count ("prepare"), ==, 2);
  g_assert_cmpuint (vf_service_fake_count ("arrive"), ==, 2);
  vf_end_finish (vf);
}

/* The hook's own domain is told of by its XML, and settled once libvirt may be asked. */
static void
test_end (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) garbage = {0};
  g_auto (BalDaemonRequest) nobody = {0};
  g_autofree char *xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (1));
  g_autofree char *end = g_strdup_printf ("end %s", vf_uuid (1));
  g_autofree char *settle = g_strdup_printf ("settle %s", vf_uuid (1));

  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_end_hook (vf, &ended, "release", "end", xml);
  vf_end_hook (vf, &garbage, "release", "end", "<domain");
  vf_end_hook (vf, &nobody, "release", "end", "<domain><uuid>1</uuid></domain>");
  vf_end_assert_returned (&ended, "{}");
  vf_end_iterate_until_answered (&garbage);
  vf_end_assert_failed (&nobody, "VfInvalid");
  g_assert_nonnull (garbage.error_class);
  vf_end_iterate_until (vf_service_fake_count, settle, 1);
  g_assert_cmpuint (vf_service_fake_count (end), ==, 1);
  vf_end_finish (vf);
}

/* libvirt waits for hooks: they are never behind what waits for libvirt. */
static void
test_hooks_overtake (void)
{
  BalDaemonVf *vf = vf_end_start ();
  g_auto (BalDaemonRequest) prepared = {0};
  BalDaemonRequest slow[60] = {{0}};

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    vf_end_allocate (vf, &slow[i], "net0", FALSE);
  vf_end_hook (vf, &prepared, "prepare", "begin", "<domain/>");
  vf_end_assert_returned (&prepared, "{}");
  vf_service_fake_let_go ();
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    {
      vf_end_assert_returned (&slow[i], "{'port':{'port':'net0'}}");
      vf_end_request_clear (&slow[i]);
    }
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), ==, G_N_ELEMENTS (slow));
  vf_end_finish (vf);
}

/* libvirtd serves five calls of a connection at a time, and keep-alive must get through. */
static void
test_few_at_libvirt (void)
{
  BalDaemonVf *vf = vf_end_start ();
  BalDaemonRequest slow[20] = {{0}};
  g_auto (BalDaemonRequest) listed = {0};

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    vf_end_allocate (vf, &slow[i], "net0", FALSE);
  vf_end_iterate_until (vf_service_fake_count, "allocate net0", 4);
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_iterate_until_answered (&listed);
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), ==, 4);
  vf_service_fake_let_go ();
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    {
      vf_end_assert_returned (&slow[i], "{'port':{'port':'net0'}}");
      vf_end_request_clear (&slow[i]);
    }
  vf_end_finish (vf);
}

/* Those at work, and those that no thread has begun with, are answered when ballastd ends, and not
 * again when a thread comes back. */
static void
test_end_of_the_daemon (void)
{
  BalDaemonVf *vf = vf_end_start ();
  BalDaemonRequest requests[60] = {{0}};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    vf_end_allocate (vf, &requests[i], "net0", FALSE);
  while (vf_service_fake_count ("allocate net0") == 0)
    g_usleep (1000);
  bal_daemon_vf_free (vf);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    vf_end_assert_failed (&requests[i], "GenericError");
  g_assert_cmpuint (vf_service_fake_n (), ==, 1);
  vf_service_fake_let_go ();
  vf_end_iterate_until (vf_end_n_services, "", 0);
  g_assert_false (vf_end_has_timer ());
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), <, G_N_ELEMENTS (requests));
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_assert_cmpuint (requests[i].n_answers, ==, 1);
      vf_end_request_clear (&requests[i]);
    }
  vf_service_fake_clear ();
}

/* Others have room to be served in then. */
static void
test_too_many (void)
{
  BalDaemonVf *vf = vf_end_start ();
  BalDaemonRequest requests[130] = {{0}};
  g_auto (BalDaemonRequest) listed = {0};
  g_auto (BalDaemonRequest) behind = {0};
  guint n_refused = 0;

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      vf_end_allocate (vf, &requests[i], "net0", FALSE);
      n_refused += requests[i].n_answers;
    }
  g_assert_cmpuint (n_refused, ==, 2);
  vf_end_assert_failed (&requests[129], "GenericError");
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_assert_returned (&listed, "{'pfs':[]}");
  vf_service_fake_let_go ();
  for (guint i = 0; i < 128; i++)
    vf_end_assert_returned (&requests[i], "{'port':{'port':'net0'}}");
  vf_end_allocate (vf, &behind, "net0", FALSE);
  vf_end_assert_returned (&behind, "{'port':{'port':'net0'}}");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    vf_end_request_clear (&requests[i]);
  vf_end_finish (vf);
}

static void
test_without_service (void)
{
  g_auto (BalDaemonRequest) refused = {0};
  g_auto (BalDaemonRequest) not_started = {0};
  g_auto (BalDaemonRequest) other = {0};
  g_auto (BalDaemonRequest) listed = {0};
  BalDaemonVf *vf;

  vf_service_fake_init ();
  vf_service_fake_break (TRUE);
  vf = bal_daemon_vf_new ("", NULL, NULL);
  bal_daemon_vf_set_connection (vf, CONNECTION);
  bal_daemon_vf_settle (vf, NULL);
  vf_end_ask (vf, &refused, BAL_VF_COMMAND_LIST, NULL);
  vf_end_hook (vf, &not_started, "prepare", "begin", "<domain/>");
  vf_end_hook (vf, &other, "started", "begin", "<domain/>");
  vf_end_assert_failed (&refused, "VfLedger");
  vf_end_assert_failed (&not_started, "VfLedger");
  vf_end_assert_returned (&other, "{}");

  bal_daemon_vf_reload (vf);
  vf_service_fake_break (FALSE);
  bal_daemon_vf_reload (vf);
  vf_end_iterate_until (vf_service_fake_count, "up", 1);
  vf_end_ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  vf_end_assert_returned (&listed, "{'pfs':[]}");
  vf_end_finish (vf);
}

static void
test_reload (void)
{
  BalDaemonVf *vf = vf_end_start ();

  bal_daemon_vf_reload (vf);
  vf_end_iterate_until (vf_service_fake_count, "reload", 1);
  vf_end_finish (vf);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-vf/calls", test_calls);
  g_test_add_func ("/daemon-vf/reconcile", test_reconcile);
  g_test_add_func ("/daemon-vf/hooks", test_hooks);
  g_test_add_func ("/daemon-vf/end", test_end);
  g_test_add_func ("/daemon-vf/hooks-overtake", test_hooks_overtake);
  g_test_add_func ("/daemon-vf/few-at-libvirt", test_few_at_libvirt);
  g_test_add_func ("/daemon-vf/end-of-the-daemon", test_end_of_the_daemon);
  g_test_add_func ("/daemon-vf/too-many", test_too_many);
  g_test_add_func ("/daemon-vf/without-service", test_without_service);
  g_test_add_func ("/daemon-vf/reload", test_reload);
  return g_test_run ();
}
