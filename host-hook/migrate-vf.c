/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/migrate-vf.h"

#include <string.h>

#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/vf-client.h"
#include "host-hook/vf-interface.h"

/* The destination's ballastd begins when the guest runs there and libvirt's job has ended, and is
 * done in a second or two. */
#define ARRIVAL_TIMEOUT_US (20 * G_USEC_PER_SEC)
#define ARRIVAL_INTERVAL_MS 250

static gboolean
asks_for_vfs (virDomainPtr domain)
{
  char *element = virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, BAL_VF_METADATA_URI,
                                        VIR_DOMAIN_AFFECT_LIVE);
  gboolean asks = element != NULL;

  free (element);
  return asks;
}

static gboolean
call (const BalJob *job, BalVfCommand command, const char *uuid, GError **error)
{
  g_auto (BalVfCall) request = {0};
  g_autoptr (JsonObject) answer = NULL;

  bal_vf_call_init (&request, command);
  request.uuid = g_strdup (uuid);
  answer = bal_vf_client_call (job->root, &request, error);
  return answer != NULL;
}

gboolean
bal_migrate_vf_detach (
  const BalJob *job, virDomainPtr domain, const char *uuid, gboolean *detached, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (!asks_for_vfs (domain))
    return TRUE;
  if (call (job, BAL_VF_COMMAND_DETACH, uuid, &failure))
    {
      *detached = TRUE;
      return TRUE;
    }
  /* NB: one that did not answer in time may be at it still. */
  *detached |= failure->domain == BAL_DAEMON_ERROR;
  if (g_error_matches (failure, BAL_FAILURE, BAL_EXIT_NOT_FOUND))
    {
      bal_report_warning (job->report, "the domain keeps its virtual functions: %s",
                          failure->message);
      return TRUE;
    }
  g_propagate_prefixed_error (error, g_steal_pointer (&failure),
                              "The domain is not migrated, because its virtual functions could not "
                              "be detached: ");
  return FALSE;
}

void
bal_migrate_vf_attach (const BalJob *job, virConnectPtr source, const char *uuid)
{
  g_autoptr (GError) failure = NULL;

  if (bal_domain_state (source, uuid) == BAL_DOMAIN_GONE
      || call (job, BAL_VF_COMMAND_ATTACH, uuid, &failure))
    return;
  bal_report_warning (job->report,
                      "the domain does not have its virtual functions back, which ballastd goes on "
                      "trying: %s",
                      failure->message);
}

static gboolean
has_all (virDomainPtr domain)
{
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_autoptr (GArray) requests = xml ? bal_vf_request_from_domain_xml (xml, NULL, NULL) : NULL;
  g_autoptr (GArray) held = requests ? bal_vf_interface_list_held (xml, NULL) : NULL;

  for (guint i = 0; held && i < requests->len; i++)
    if (!bal_vf_interface_has (held, NULL, g_array_index (requests, BalVfRequest, i).mac))
      return FALSE;
  return held != NULL;
}

void
bal_migrate_vf_await (const BalJob *job, virConnectPtr destination, const char *uuid)
{
  gint64 end_us = g_get_monotonic_time () + ARRIVAL_TIMEOUT_US;
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (destination, uuid);

  while (domain && !has_all (domain))
    if (g_get_monotonic_time () > end_us || bal_cancel_wait (job->cancel, ARRIVAL_INTERVAL_MS))
      {
        bal_report_warning (job->report, "the domain was not seen to get its virtual functions at "
                                         "the destination: ask `ballast vf list` there");
        return;
      }
}
