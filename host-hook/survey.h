/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Survey: gathers the facts that a plan is made from, from libvirt, the guest agent, QEMU and
 * /proc.
 *
 * It changes nothing in the guest; in the domain, for a moment, how often its balloon's driver is
 * polled (balloon-stats.h), unless the request says that nothing may change. What cannot be found
 * out is left unknown and becomes a reason in the plan, not a failure: a domain that says nothing
 * is migrated plainly.
 *
 * Ownership: the BalSurvey is the caller's. The agent's connection in it stays open: the channel
 * serves one client at a time, and whoever releases goes on in the same conversation.
 * Failure: only when the domain's XML cannot be read.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/agent-client.h"
#include "host-hook/config.h"
#include "host-hook/domain-xml.h"
#include "host-hook/plan.h"
#include "host-hook/process.h"

G_BEGIN_DECLS

typedef struct
{
  const char *root; /* of /proc and /run */
  virDomainPtr domain;
  gboolean source_local;
  gboolean destination_reachable;
  gboolean sizes_must_stay;
  gboolean under_job;       /* libvirt's own job holds the domain */
  gboolean changes_nothing; /* a balloon that the domain does not poll is taken to answer, and what
                               is free in the guest stays unknown */
  const BalConfig *config;
} BalSurveyRequest;

typedef struct
{
  BalFacts facts;
  BalDomainXml xml;
  char *xml_text;         /* may hold secrets */
  BalAgentClient *agent;  /* NULL when it does not answer */
  guint64 agent_lease_ms; /* 0: not known */
  BalRanges *free_ranges; /* NULL: not known, or not asked for */
  gboolean has_qemu;
  BalIncarnation qemu;   /* when has_qemu */
  char *backing_problem; /* a sentence, when the exact gain could not be computed; may be NULL */
} BalSurvey;

gboolean bal_survey_take (const BalSurveyRequest *request, BalSurvey *out, GError **error);
void bal_survey_clear (BalSurvey *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalSurvey, bal_survey_clear)

G_END_DECLS
