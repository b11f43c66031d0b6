/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prepare: survey and plan; when the plan begins with the page cache, trim that and look again,
 * because only what was really given up may be released. What is to be gained goes into the report.
 *
 * Ownership: the caller's survey and plan, zeroed before. Failure: that of the survey; a cache that
 * cannot be trimmed is a warning.
 */
#pragma once

#include "host-hook/job.h"
#include "host-hook/survey.h"

G_BEGIN_DECLS

gboolean bal_prepare (const BalJob *job,
                      const BalSurveyRequest *request,
                      BalSurvey *survey,
                      BalPlan *plan,
                      GError **error);

G_END_DECLS
