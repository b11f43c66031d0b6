/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-vf-answer.h"

#include "host-hook/daemon-log.h"

/* --- answers --- */

void
bal_vf_answer_object (BalDaemonRequest *request, JsonObject *object)
{
  JsonNode *result = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (result, object);
  bal_daemon_request_return (request, result);
}

void
bal_vf_answer_error (BalDaemonRequest *request, const GError *error)
{
  bal_daemon_request_fail (request, bal_vf_work_error_class (error), error->message);
}

void
bal_vf_answer_work (BalDaemonRequest *request, BalVfWork *work)
{
  if (work->error)
    bal_vf_answer_error (request, work->error);
  else
    bal_vf_answer_object (request,
                          work->result ? g_steal_pointer (&work->result) : json_object_new ());
}

static void
log_error (const BalVfWork *work)
{
  if (work->kind == BAL_VF_WORK_OPEN)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "no virtual functions are handed out: %s",
                    work->error->message);
  else if (work->kind == BAL_VF_WORK_RELOAD)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s; the configuration stays as it was",
                    work->error->message);
  else if (work->kind != BAL_VF_WORK_CALL)
    bal_daemon_log (G_LOG_LEVEL_WARNING, work->uuid, "%s", work->error->message);
}

/* --- what was done --- */

static void
add_text (BalLogFields *fields, const char *name, JsonObject *port, const char *member)
{
  const char *text = json_object_get_string_member_with_default (port, member, NULL);

  if (text)
    bal_log_fields_add (fields, name, text);
}

static void
log_allocated (const BalVfWork *work)
{
  const BalVfRequest *request = &work->call.request;
  JsonObject *port = work->result && json_object_has_member (work->result, "port")
                       ? json_object_get_object_member (work->result, "port")
                       : NULL;
  g_autoptr (BalLogFields) fields = bal_log_fields_new ();

  bal_log_fields_add (fields, "BALLAST_VF_PORT", request->port);
  bal_log_fields_add_number (fields, "BALLAST_VF_BANDWIDTH_MBPS", request->bandwidth_mbps);
  if (!port)
    {
      bal_daemon_log_with (G_LOG_LEVEL_MESSAGE, request->uuid, fields,
                           "port %s is asked for by its definition", request->port);
      return;
    }
  add_text (fields, "BALLAST_VF_PF", port, "pf");
  add_text (fields, "BALLAST_VF_PCI", port, "vf-pci");
  bal_daemon_log_with (G_LOG_LEVEL_MESSAGE, request->uuid, fields,
                       "port %s has VF %s with %u Mbit/s", request->port,
                       json_object_get_string_member_with_default (port, "vf-pci", "?"),
                       request->bandwidth_mbps);
}

static void
log_call (const BalVfWork *work)
{
  const BalVfCall *call = &work->call;
  g_autoptr (BalLogFields) fields = NULL;

  switch (call->command)
    {
    case BAL_VF_COMMAND_ALLOCATE:
      log_allocated (work);
      break;
    case BAL_VF_COMMAND_RELEASE:
      fields = bal_log_fields_new ();
      if (call->port)
        bal_log_fields_add (fields, "BALLAST_VF_PORT", call->port);
      bal_daemon_log_with (G_LOG_LEVEL_MESSAGE, call->uuid, fields, "%s%s %s released",
                           call->port ? "port " : "all of its ports", call->port ? call->port : "",
                           call->port ? "is" : "are");
      break;
    case BAL_VF_COMMAND_DETACH:
      bal_daemon_log (G_LOG_LEVEL_MESSAGE, call->uuid,
                      "its VFs without a standby are detached for a migration");
      break;
    case BAL_VF_COMMAND_ATTACH:
      bal_daemon_log (G_LOG_LEVEL_MESSAGE, call->uuid, "its VFs are attached again");
      break;
    default:
      break;
    }
}

void
bal_vf_answer_log (const BalVfWork *work)
{
  if (work->error)
    log_error (work);
  else if (work->kind == BAL_VF_WORK_CALL)
    log_call (work);
}
