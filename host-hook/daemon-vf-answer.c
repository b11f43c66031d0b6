/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-vf-answer.h"

#include "host-hook/daemon-log.h"

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

void
bal_vf_answer_log (const BalVfWork *work)
{
  if (!work->error)
    return;
  if (work->kind == BAL_VF_WORK_OPEN)
    bal_daemon_log (
      G_LOG_LEVEL_WARNING, NULL,
      "no virtual functions are handed out, until a reload of ballastd finds it mended: %s",
      work->error->message);
  else if (work->kind == BAL_VF_WORK_RELOAD)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s; the configuration stays as it was",
                    work->error->message);
  else if (work->kind != BAL_VF_WORK_CALL)
    bal_daemon_log (G_LOG_LEVEL_WARNING, work->uuid, "%s", work->error->message);
}
