/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-client.h"

#include "host-hook/daemon-client.h"
#include "host-hook/failure.h"
#include "host-hook/file-io.h"

/* libvirt waits 30 s for a job on the domain, ballastd as long for a guest that is to let go of a
 * device, and others of the domain come first. */
#define TIMEOUT_US (120 * G_TIME_SPAN_SECOND)

JsonObject *
bal_vf_client_call (const char *root, const BalVfCall *call, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + TIMEOUT_US;
  g_autoptr (GBytes) request = bal_daemon_build_vf (call);
  g_autoptr (GError) failure = NULL;
  BAL_AUTO_FD fd = bal_daemon_client_connect (root, deadline_us, &failure);
  g_autoptr (JsonNode) result =
    fd >= 0 ? bal_daemon_client_exchange (fd, request, deadline_us, &failure) : NULL;

  if (result)
    return json_node_dup_object (result);
  if (g_error_matches (failure, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT))
    g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND,
                 "%s to hand virtual functions out: start it (systemctl start ballastd); "
                 "nothing was changed",
                 failure->message);
  else if (fd >= 0 && failure->domain == BAL_DAEMON_ERROR
           && !g_error_matches (failure, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_REFUSED))
    g_set_error (error, BAL_DAEMON_ERROR, failure->code,
                 "%s, and may go on with it: `ballast vf list` tells what came of it",
                 failure->message);
  else
    g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}
