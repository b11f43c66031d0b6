/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/prepare.h"

/* One call to the agent trims for about a second, drop_caches for some more. */
#define TRIM_TIMEOUT_MS 20000

/* All calls together, and the least that makes another one worth it. */
#define TRIM_PATIENCE_US (30 * G_USEC_PER_SEC)
#define TRIM_LEAST_BYTES (4u * 1024u * 1024u)

static guint64
trim (const BalJob *job, BalSurvey *survey, guint64 bytes)
{
  gint64 end_us = g_get_monotonic_time () + TRIM_PATIENCE_US;
  guint64 trimmed_bytes = 0;

  while (trimmed_bytes < bytes && g_get_monotonic_time () < end_us
         && !bal_cancel_requested (job->cancel))
    {
      g_autoptr (GError) error = NULL;
      g_auto (BalTrim) result = {0};

      if (!bal_agent_client_trim (survey->agent, bytes - trimmed_bytes, TRIM_TIMEOUT_MS, &result,
                                  &error))
        {
          bal_report_warning (job->report, "the page cache could not be trimmed (%s)",
                              error->message);
          break;
        }
      trimmed_bytes += MIN (result.trimmed_bytes, bytes - trimmed_bytes);
      if (result.trimmed_bytes < TRIM_LEAST_BYTES)
        break;
    }
  return trimmed_bytes;
}

static gboolean
look (const BalSurveyRequest *request,
      const BalPolicy *policy,
      BalSurvey *survey,
      BalPlan *plan,
      GError **error)
{
  if (!bal_survey_take (request, survey, error))
    return FALSE;
  bal_plan_make (&survey->facts, policy, plan);
  return TRUE;
}

static gboolean
prepare (const BalJob *job,
         const BalSurveyRequest *request,
         BalSurvey *survey,
         BalPlan *plan,
         GError **error)
{
  BalPolicy policy = job->config->policy;
  const BalPlanStep *first;

  if (!look (request, &policy, survey, plan, error))
    return FALSE;
  if (plan->steps->len == 0)
    return TRUE;
  first = &g_array_index (plan->steps, BalPlanStep, 0);
  if (first->mechanism != BAL_MECHANISM_TRIM)
    return TRUE;

  bal_report_summary (job->report)->released_bytes[BAL_MECHANISM_TRIM] =
    trim (job, survey, first->bytes);
  bal_plan_clear (plan);
  bal_survey_clear (survey);
  policy.page_cache = BAL_PAGE_CACHE_KEEP;
  return look (request, &policy, survey, plan, error);
}

gboolean
bal_prepare (const BalJob *job,
             const BalSurveyRequest *request,
             BalSurvey *survey,
             BalPlan *plan,
             GError **error)
{
  BalSummary *summary = bal_report_summary (job->report);

  bal_report_phase (job->report, BAL_PHASE_SURVEY);
  if (!prepare (job, request, survey, plan, error))
    return FALSE;
  summary->gain_bytes = plan->gain_bytes;
  summary->headroom_bytes = plan->headroom_bytes;
  return TRUE;
}
