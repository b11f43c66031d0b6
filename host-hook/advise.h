/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Advice: what a domain lacks to have its free memory released, and the XML to add, from its XML
 * and what a survey found. A pure function: no I/O, no clock, the same answer for the same facts.
 *
 * It speaks of what plan.h uses and of nothing else. A hold needs the agent's channel and the
 * agent; where it works nothing more is advised for memory. virtio-mem and balloon are what a guest
 * without agent has instead.
 *
 * Ownership: what BalAdviceDomain points to is borrowed; a BalAdviceList is the caller's.
 * Failure: XML that cannot be read gives no advice that needs it.
 */
#pragma once

#include "host-hook/domain-xml.h"
#include "host-hook/plan.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_ADVICE_LACKS,    /* without it nothing, or much less, is released */
  BAL_ADVICE_POSSIBLE, /* a domain may have it besides, or instead */
  BAL_ADVICE_NOTE,     /* what keeps a mechanism from being used: nothing is to be done */
} BalAdviceKind;

typedef enum
{
  BAL_ADVICE_AT_ONCE,
  BAL_ADVICE_AT_NEXT_START, /* when the domain was shut down and started; a reboot is not enough */
  BAL_ADVICE_IN_GUEST,      /* something is to be done in the guest */
} BalAdviceWhen;

typedef struct
{
  const char *topic; /* "agent-channel", ...: for programs */
  BalAdviceKind kind;
  BalAdviceWhen when; /* not of a note */
  char *text;         /* a sentence: what it gives, or what is in the way */
  char *command;      /* what makes it so, with the XML as FILE; NULL: the text says it */
  /* Elements of char *, whole; empty when the text says all. */
  GPtrArray *device_xml; /* to be added to <devices> */
  GPtrArray *domain_xml; /* children of <domain> that take the place of those with the same name */
} BalAdvice;

/* One of the two is never NULL. */
typedef struct
{
  const BalDomainXml *live; /* NULL: the domain is off */
  const char *live_text;
  const BalDomainXml *definition; /* NULL: it has none (transient) */
  const char *definition_text;
  const BalFacts *facts; /* of the running guest; NULL when it is off */
} BalAdviceDomain;

typedef struct
{
  GArray *mechanisms; /* of BalMechanism: what can release memory as the domain is, of those that
                         the policy allows; for one that is off, what its definition has */
  GPtrArray *items;   /* of BalAdvice, what it lacks first */
} BalAdviceList;

void bal_advice_list_clear (BalAdviceList *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalAdviceList, bal_advice_list_clear)

/* TRUE when an item says what the domain lacks. */
gboolean bal_advice_list_lacks (const BalAdviceList *self);

/* "lacks", "possible", "note". */
const char *bal_advice_kind_name (BalAdviceKind kind);

/* "at-once", "next-start", "in-guest". */
const char *bal_advice_when_name (BalAdviceWhen when);

/* Fills @out, which need not be initialised. */
void bal_advice_make (const BalAdviceDomain *domain, const BalPolicy *policy, BalAdviceList *out);

G_END_DECLS
