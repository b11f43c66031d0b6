/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ballastd asks the VF service, in which threads, and who is answered what: by a made-up
 * service and made-up requests. */
#include "host-hook/daemon-vf.h"
#include "json-literal.h"
#include "vf-fixture.h"
#include "vf-service-fake.h"

#include <string.h>

#define WAIT_US (10 * G_TIME_SPAN_SECOND)

/* libvirt is never really there. */
static char somebody;
#define CONNECTION ((virConnectPtr)(gpointer)&somebody)

/* --- requests: in place of the server's --- */

struct _BalDaemonRequest
{
  guint n_answers;
  JsonNode *result;
  char *error_class;
};

void
bal_daemon_request_return (BalDaemonRequest *request, JsonNode *result)
{
  request->n_answers++;
  request->result = result;
}

void
bal_daemon_request_fail (BalDaemonRequest *request, const char *error_class, const char *sentence)
{
  g_assert_cmpstr (sentence, !=, "");
  request->n_answers++;
  request->error_class = g_strdup (error_class);
}

static void
request_clear (BalDaemonRequest *self)
{
  g_clear_pointer (&self->result, json_node_unref);
  g_clear_pointer (&self->error_class, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalDaemonRequest, request_clear)

static void
iterate_until_answered (BalDaemonRequest *request)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (request->n_answers == 0 && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpuint (request->n_answers, ==, 1);
}

static void
assert_failed (BalDaemonRequest *request, const char *error_class)
{
  iterate_until_answered (request);
  g_assert_cmpstr (request->error_class, ==, error_class);
}

static void
assert_returned (BalDaemonRequest *request, const char *expected)
{
  iterate_until_answered (request);
  g_assert_cmpstr (request->error_class, ==, NULL);
  assert_json (json_node_get_object (request->result), expected);
}

static void
iterate_until (guint (*count) (const char *line), const char *line, guint expected)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (count (line) != expected && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpuint (count (line), ==, expected);
}

/* --- the daemon's end --- */

static guint
n_services (const char *unused)
{
  return vf_service_fake_n ();
}

static BalDaemonVf *
start (void)
{
  vf_service_fake_init ();
  return bal_daemon_vf_new ("", NULL, NULL);
}

/* The service goes once the last thread has come back. */
static void
finish (BalDaemonVf *vf)
{
  bal_daemon_vf_free (vf);
  vf_service_fake_let_go ();
  iterate_until (n_services, "", 0);
  vf_service_fake_clear ();
}

static void
allocate (BalDaemonVf *vf, BalDaemonRequest *request, const char *port, gboolean in_config)
{
  g_auto (BalVfCall) call;

  bal_vf_call_init (&call, BAL_VF_COMMAND_ALLOCATE);
  call.request = vf_request (1, 1000);
  g_free (call.request.port);
  call.request.port = g_strdup (port);
  call.in_config = in_config;
  bal_daemon_vf_call (vf, request, &call);
}

static void
ask (BalDaemonVf *vf, BalDaemonRequest *request, BalVfCommand command, const char *port)
{
  g_auto (BalVfCall) call;

  bal_vf_call_init (&call, command);
  call.uuid = g_strdup (vf_uuid (1));
  call.port = g_strdup (port);
  bal_daemon_vf_call (vf, request, &call);
}

static void
hook (BalDaemonVf *vf,
      BalDaemonRequest *request,
      const char *operation,
      const char *sub_operation,
      const char *xml)
{
  g_auto (BalHookCall) call = {.hook = g_strdup ("vf"),
                               .domain = g_strdup ("vm"),
                               .operation = g_strdup (operation),
                               .sub_operation = g_strdup (sub_operation),
                               .extra = g_strdup ("-"),
                               .xml = g_bytes_new (xml, strlen (xml))};

  bal_daemon_vf_hook (vf, request, &call);
}

/* What settles again and again is the one timer that there is. */
static gboolean
has_timer (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[8];
  int priority;
  int timeout_ms;

  do
    {
      while (g_main_context_iteration (context, FALSE))
        ;
      timeout_ms = -1;
      g_assert_true (g_main_context_acquire (context));
      g_main_context_prepare (context, &priority);
      g_main_context_query (context, G_MAXINT, &timeout_ms, fds, G_N_ELEMENTS (fds));
      g_main_context_release (context);
    }
  while (timeout_ms == 0); /* a thread has come back meanwhile */
  return timeout_ms > 0;
}

/* --- tests --- */

static void
test_calls (void)
{
  BalDaemonVf *vf = start ();
  BalDaemonRequest requests[8] = {{0}};
  g_autofree char *park = g_strdup_printf ("park %s", vf_uuid (1));
  g_autofree char *unpark = g_strdup_printf ("unpark %s", vf_uuid (1));

  allocate (vf, &requests[0], "net0", FALSE);
  allocate (vf, &requests[1], "net1", TRUE);
  allocate (vf, &requests[2], "refuse", FALSE);
  ask (vf, &requests[3], BAL_VF_COMMAND_RELEASE, NULL);
  ask (vf, &requests[4], BAL_VF_COMMAND_RELEASE, "refuse");
  ask (vf, &requests[5], BAL_VF_COMMAND_DETACH, NULL);
  ask (vf, &requests[6], BAL_VF_COMMAND_ATTACH, NULL);
  ask (vf, &requests[7], BAL_VF_COMMAND_LIST, NULL);
  assert_returned (&requests[0], "{'port':{'port':'net0'}}");
  assert_returned (&requests[1], "{'port':{'port':'net1'}}");
  assert_failed (&requests[2], "VfRefused");
  assert_returned (&requests[3], "{}");
  assert_failed (&requests[4], "VfRefused");
  assert_returned (&requests[5], "{}");
  assert_returned (&requests[6], "{}");
  assert_returned (&requests[7], "{'pfs':[]}");
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count ("allocate net1 config"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count ("release all"), ==, 1);
  g_assert_cmpuint (vf_service_fake_count (park), ==, 1);
  g_assert_cmpuint (vf_service_fake_count (unpark), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    request_clear (&requests[i]);
  finish (vf);
}

/* The list that a reconciliation ends with is from behind it. */
static void
test_reconcile (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) request = {0};

  vf_service_fake_hold ("settle all");
  ask (vf, &request, BAL_VF_COMMAND_RECONCILE, NULL);
  iterate_until (vf_service_fake_count, "settle all", 1);
  g_assert_cmpuint (vf_service_fake_count ("list all"), ==, 0);
  vf_service_fake_let_go ();
  assert_returned (&request, "{'pfs':[]}");
  finish (vf);
}

static void
test_hooks (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) prepared = {0};
  g_auto (BalDaemonRequest) refused = {0};
  g_auto (BalDaemonRequest) arrived = {0};
  g_auto (BalDaemonRequest) restored = {0};
  g_auto (BalDaemonRequest) other = {0};

  hook (vf, &prepared, "prepare", "begin", "<domain/>");
  hook (vf, &refused, "prepare", "begin", "<domain refuse=''/>");
  hook (vf, &arrived, "migrate", "begin", "<domain rewrite=''/>");
  hook (vf, &restored, "restore", "begin", "<domain/>");
  hook (vf, &other, "started", "begin", "<domain/>");
  g_assert_cmpuint (other.n_answers, ==, 1);
  assert_returned (&prepared, "{}");
  assert_failed (&refused, "VfRefused");
  assert_returned (&arrived, "{'xml':'<new/>'}");
  assert_returned (&restored, "{}");
  assert_returned (&other, "{}");
  g_assert_cmpuint (vf_service_fake_count ("prepare"), ==, 2);
  g_assert_cmpuint (vf_service_fake_count ("arrive"), ==, 2);
  finish (vf);
}

/* The hook's own domain is told of by its XML, and settled once libvirt may be asked. */
static void
test_end (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) garbage = {0};
  g_auto (BalDaemonRequest) nobody = {0};
  g_autofree char *xml = g_strdup_printf ("<domain><uuid>%s</uuid></domain>", vf_uuid (1));
  g_autofree char *end = g_strdup_printf ("end %s", vf_uuid (1));
  g_autofree char *settle = g_strdup_printf ("settle %s", vf_uuid (1));

  bal_daemon_vf_set_connection (vf, CONNECTION);
  hook (vf, &ended, "release", "end", xml);
  hook (vf, &garbage, "release", "end", "<domain");
  hook (vf, &nobody, "release", "end", "<domain><uuid>1</uuid></domain>");
  assert_returned (&ended, "{}");
  iterate_until_answered (&garbage);
  assert_failed (&nobody, "VfInvalid");
  g_assert_nonnull (garbage.error_class);
  iterate_until (vf_service_fake_count, settle, 1);
  g_assert_cmpuint (vf_service_fake_count (end), ==, 1);
  finish (vf);
}

/* libvirt waits for hooks: they are never behind what waits for libvirt. */
static void
test_hooks_overtake (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) prepared = {0};
  BalDaemonRequest slow[60] = {{0}};

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    allocate (vf, &slow[i], "net0", FALSE);
  hook (vf, &prepared, "prepare", "begin", "<domain/>");
  assert_returned (&prepared, "{}");
  vf_service_fake_let_go ();
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    {
      assert_returned (&slow[i], "{'port':{'port':'net0'}}");
      request_clear (&slow[i]);
    }
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), ==, G_N_ELEMENTS (slow));
  finish (vf);
}

/* Those at work, and those that no thread has begun with, are answered when ballastd ends, and not
 * again when a thread comes back. */
static void
test_end_of_the_daemon (void)
{
  BalDaemonVf *vf = start ();
  BalDaemonRequest requests[60] = {{0}};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    allocate (vf, &requests[i], "net0", FALSE);
  while (vf_service_fake_count ("allocate net0") == 0)
    g_usleep (1000);
  bal_daemon_vf_free (vf);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    assert_failed (&requests[i], "GenericError");
  g_assert_cmpuint (vf_service_fake_n (), ==, 1);
  vf_service_fake_let_go ();
  iterate_until (n_services, "", 0);
  g_assert_false (has_timer ());
  g_assert_cmpuint (vf_service_fake_count ("allocate net0"), <, G_N_ELEMENTS (requests));
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_assert_cmpuint (requests[i].n_answers, ==, 1);
      request_clear (&requests[i]);
    }
  vf_service_fake_clear ();
}

/* Others have room to be served in then. */
static void
test_too_many (void)
{
  BalDaemonVf *vf = start ();
  BalDaemonRequest requests[130] = {{0}};
  g_auto (BalDaemonRequest) listed = {0};
  g_auto (BalDaemonRequest) behind = {0};
  guint n_refused = 0;

  vf_service_fake_hold ("allocate net0");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      allocate (vf, &requests[i], "net0", FALSE);
      n_refused += requests[i].n_answers;
    }
  g_assert_cmpuint (n_refused, ==, 2);
  assert_failed (&requests[129], "GenericError");
  ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  assert_returned (&listed, "{'pfs':[]}");
  vf_service_fake_let_go ();
  for (guint i = 0; i < 128; i++)
    assert_returned (&requests[i], "{'port':{'port':'net0'}}");
  allocate (vf, &behind, "net0", FALSE);
  assert_returned (&behind, "{'port':{'port':'net0'}}");
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    request_clear (&requests[i]);
  finish (vf);
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
  ask (vf, &refused, BAL_VF_COMMAND_LIST, NULL);
  hook (vf, &not_started, "prepare", "begin", "<domain/>");
  hook (vf, &other, "started", "begin", "<domain/>");
  assert_failed (&refused, "VfLedger");
  assert_failed (&not_started, "VfLedger");
  assert_returned (&other, "{}");

  bal_daemon_vf_reload (vf);
  vf_service_fake_break (FALSE);
  bal_daemon_vf_reload (vf);
  g_assert_cmpuint (vf_service_fake_count ("up"), ==, 1);
  ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  assert_returned (&listed, "{'pfs':[]}");
  finish (vf);
}

static void
test_reload (void)
{
  BalDaemonVf *vf = start ();

  bal_daemon_vf_reload (vf);
  iterate_until (vf_service_fake_count, "reload", 1);
  finish (vf);
}

/* --- settling --- */

static guint
count_timers (const char *unused)
{
  return has_timer () ? 1 : 0;
}

/* An idle service costs nothing: no timer, and domains that come and go are none of its business.
 */
static void
test_idle (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) prepared = {0};
  g_auto (BalDaemonRequest) ended = {0};
  g_auto (BalDaemonRequest) behind = {0};

  vf_service_fake_set_idle (TRUE);
  g_assert_false (has_timer ());
  bal_daemon_vf_set_connection (vf, CONNECTION);
  iterate_until (vf_service_fake_count, "settle all", 1);
  iterate_until (count_timers, "", 0);
  bal_daemon_vf_settle (vf, NULL);
  ask (vf, &behind, BAL_VF_COMMAND_DETACH, NULL);
  iterate_until_answered (&behind);
  g_assert_cmpuint (vf_service_fake_count ("settle all"), ==, 1);

  vf_service_fake_set_idle (FALSE);
  hook (vf, &prepared, "prepare", "begin", "<domain/>");
  iterate_until_answered (&prepared);
  g_assert_true (has_timer ());
  bal_daemon_vf_set_connection (vf, NULL);
  g_assert_false (has_timer ());
  bal_daemon_vf_settle (vf, NULL);
  bal_daemon_vf_set_connection (vf, CONNECTION);
  g_assert_true (has_timer ());
  iterate_until (vf_service_fake_count, "settle all", 2);

  vf_service_fake_set_idle (TRUE);
  hook (vf, &ended, "prepare", "begin", "<domain/>");
  iterate_until_answered (&ended);
  iterate_until (count_timers, "", 0);
  finish (vf);
}

/* One who saw nothing in the ledger does not speak for those that were at work beside it. */
static void
test_idle_beside_work (void)
{
  BalDaemonVf *vf = start ();
  g_auto (BalDaemonRequest) held = {0};
  g_auto (BalDaemonRequest) listed = {0};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  iterate_until (vf_service_fake_count, "settle all", 1);
  vf_service_fake_hold ("allocate net0");
  allocate (vf, &held, "net0", FALSE);
  vf_service_fake_set_idle (TRUE);
  ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  iterate_until_answered (&listed);
  g_assert_true (has_timer ());
  vf_service_fake_let_go ();
  iterate_until_answered (&held);
  g_assert_true (has_timer ());
  finish (vf);
}

/* Events come in bursts: what waits already is not asked for again, but what happens behind the
 * beginning of a settling is settled once more. */
static void
test_settling_is_not_piled_up (void)
{
  BalDaemonVf *vf = start ();
  g_autofree char *line = g_strdup_printf ("settle %s", vf_uuid (3));
  g_auto (BalDaemonRequest) listed = {0};

  bal_daemon_vf_set_connection (vf, CONNECTION);
  iterate_until (vf_service_fake_count, "settle all", 1);
  vf_service_fake_hold (line);
  bal_daemon_vf_settle (vf, vf_uuid (3));
  iterate_until (vf_service_fake_count, line, 1);
  /* The thread's beginning is told on the main context, before what comes later. */
  ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  iterate_until_answered (&listed);
  for (guint i = 0; i < 10; i++)
    bal_daemon_vf_settle (vf, vf_uuid (3));
  vf_service_fake_let_go ();
  iterate_until (vf_service_fake_count, line, 2);
  request_clear (&listed);
  listed = (BalDaemonRequest){0};
  ask (vf, &listed, BAL_VF_COMMAND_LIST, NULL);
  iterate_until_answered (&listed);
  g_assert_cmpuint (vf_service_fake_count (line), ==, 2);
  finish (vf);
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
  g_test_add_func ("/daemon-vf/end-of-the-daemon", test_end_of_the_daemon);
  g_test_add_func ("/daemon-vf/too-many", test_too_many);
  g_test_add_func ("/daemon-vf/without-service", test_without_service);
  g_test_add_func ("/daemon-vf/reload", test_reload);
  g_test_add_func ("/daemon-vf/idle", test_idle);
  g_test_add_func ("/daemon-vf/idle-beside-work", test_idle_beside_work);
  g_test_add_func ("/daemon-vf/settling-is-not-piled-up", test_settling_is_not_piled_up);
  return g_test_run ();
}
