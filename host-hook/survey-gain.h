/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gain: how much of what is free in the guest has host memory behind it.
 *
 * In order of exactness: free ranges from the agent, looked up in QEMU's pagemap; all guest RAM in
 * the pagemap, less what the guest uses; QEMU's RSS and swap, less what the guest uses. The last
 * two are upper bounds, since what the guest uses may itself be unbacked.
 *
 * Ownership and failure: fills the survey; what cannot be found is left unknown, with
 * backing_problem saying why.
 */
#pragma once

#include "host-hook/survey.h"

G_BEGIN_DECLS

/* Needs guest_free_known and, for the exact ways, the QEMU process. @rss_bytes: what libvirt says
 * of QEMU's memory, 0 when unknown. */
void bal_survey_find_gain (const BalSurveyRequest *request, BalSurvey *self, guint64 rss_bytes);

G_END_DECLS
