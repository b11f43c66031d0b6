/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/transfer-stats.h"

static gboolean
read_stats (virDomainPtr domain, BalSummary *summary)
{
  virTypedParameterPtr params = NULL;
  unsigned long long sent_bytes = 0, downtime_ms = 0;
  int n_params = 0, type = VIR_DOMAIN_JOB_NONE;

  if (virDomainGetJobStats (domain, &type, &params, &n_params,
                            VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
        < 0
      || type == VIR_DOMAIN_JOB_NONE)
    return FALSE;
  summary->has_transfer =
    virTypedParamsGetULLong (params, n_params, VIR_DOMAIN_JOB_DATA_PROCESSED, &sent_bytes) > 0;
  summary->sent_bytes = sent_bytes;
  summary->has_downtime =
    virTypedParamsGetULLong (params, n_params, VIR_DOMAIN_JOB_DOWNTIME, &downtime_ms) > 0;
  summary->downtime_ms = downtime_ms;
  virTypedParamsFree (params, n_params);
  return summary->has_transfer;
}

void
bal_transfer_stats (virDomainPtr domain, virDomainPtr migrated, BalSummary *summary)
{
  if (!read_stats (domain, summary) && migrated)
    read_stats (migrated, summary);
}
