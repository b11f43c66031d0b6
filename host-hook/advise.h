/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Advice: what a domain lacks to have its free memory released, and the XML to add, from its XML
 * and what a survey found. A pure function: no I/O, no clock, the same answer for the same facts.
 *
 * It speaks of what plan.h uses and of nothing else. A hold needs the agent's channel and the
 * agent; where it works nothing more is advised for memory. virtio-mem and balloon are what a guest
 * without agent has instead.
 *
 * Ownership: what BalAdviceDomain points to is borrowed; the list is the caller's.
 * Failure: XML that cannot be read gives no advice that needs it.
 */
#pragma once

#include "host-hook/advice-list.h"
#include "host-hook/domain-xml.h"

G_BEGIN_DECLS

/* One of the two is never NULL. */
typedef struct
{
  const BalDomainXml *live; /* NULL: the domain is off */
  const char *live_text;
  const BalDomainXml *definition; /* NULL: it has none (transient) */
  const char *definition_text;
  const BalFacts *facts; /* of the running guest; NULL when it is off */
} BalAdviceDomain;

/* Fills @out, which need not be initialised. */
void bal_advice_make (const BalAdviceDomain *domain, const BalPolicy *policy, BalAdviceList *out);

G_END_DECLS
