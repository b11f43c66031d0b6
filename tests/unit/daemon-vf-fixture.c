/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-vf-fixture.h"

#include "json-literal.h"
#include "vf-fixture.h"

#include <string.h>

#define WAIT_US (10 * G_TIME_SPAN_SECOND)

virConnectPtr
vf_end_connection (void)
{
  static char somebody;

  return (virConnectPtr)(gpointer)&somebody;
}

/* --- requests: in place of the server's --- */

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

void
bal_daemon_request_watch (BalDaemonRequest *request,
                          void (*left) (gpointer user_data),
                          gpointer user_data)
{
  request->left = left;
  request->left_data = user_data;
}

void
vf_end_leave (BalDaemonRequest *request)
{
  request->left (request->left_data);
}

void
vf_end_request_clear (BalDaemonRequest *self)
{
  g_clear_pointer (&self->result, json_node_unref);
  g_clear_pointer (&self->error_class, g_free);
}

void
vf_end_iterate_until_answered (BalDaemonRequest *request)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (request->n_answers == 0 && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpuint (request->n_answers, ==, 1);
}

void
vf_end_assert_failed (BalDaemonRequest *request, const char *error_class)
{
  vf_end_iterate_until_answered (request);
  g_assert_cmpstr (request->error_class, ==, error_class);
}

void
vf_end_assert_returned (BalDaemonRequest *request, const char *expected)
{
  vf_end_iterate_until_answered (request);
  g_assert_cmpstr (request->error_class, ==, NULL);
  assert_json (json_node_get_object (request->result), expected);
}

void
vf_end_iterate_until (guint (*count) (const char *line), const char *line, guint expected)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (count (line) != expected && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_cmpuint (count (line), ==, expected);
}

/* --- the daemon's end --- */

guint
vf_end_n_services (const char *unused)
{
  return vf_service_fake_n ();
}

BalDaemonVf *
vf_end_start_opening (void)
{
  vf_service_fake_init ();
  return bal_daemon_vf_new ("", NULL, NULL);
}

BalDaemonVf *
vf_end_start (void)
{
  BalDaemonVf *vf = vf_end_start_opening ();

  /* The first that an opened service is told is that there is no libvirt yet. */
  vf_end_iterate_until (vf_service_fake_count, "down", 1);
  return vf;
}

/* The service goes once the last thread has come back. */
void
vf_end_finish (BalDaemonVf *vf)
{
  bal_daemon_vf_free (vf);
  vf_service_fake_let_go ();
  vf_end_iterate_until (vf_end_n_services, "", 0);
  vf_service_fake_clear ();
}

void
vf_end_allocate (BalDaemonVf *vf, BalDaemonRequest *request, const char *port, gboolean in_config)
{
  g_auto (BalVfCall) call;

  bal_vf_call_init (&call, BAL_VF_COMMAND_ALLOCATE);
  call.request = vf_request (1, 1000);
  g_free (call.request.port);
  call.request.port = g_strdup (port);
  call.in_config = in_config;
  bal_daemon_vf_call (vf, request, &call);
}

void
vf_end_ask (BalDaemonVf *vf, BalDaemonRequest *request, BalVfCommand command, const char *port)
{
  g_auto (BalVfCall) call;

  bal_vf_call_init (&call, command);
  call.uuid = g_strdup (vf_uuid (1));
  call.port = g_strdup (port);
  bal_daemon_vf_call (vf, request, &call);
}

void
vf_end_hook (BalDaemonVf *vf,
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
gboolean
vf_end_has_timer (void)
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
