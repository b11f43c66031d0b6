/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Advice list: pieces of advice about one domain, as advise.h makes them and a command prints them.
 *
 * Ownership: a BalAdviceList is the caller's; _clear() frees all in it. Failure: none. No I/O.
 */
#pragma once

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

typedef struct
{
  GArray *mechanisms; /* of BalMechanism: what can release memory as the domain is, of those that
                         the policy allows; for one that is off, what its definition has */
  GPtrArray *items;   /* of BalAdvice, what it lacks first */
} BalAdviceList;

/* Makes it empty. */
void bal_advice_list_init (BalAdviceList *self);
void bal_advice_list_clear (BalAdviceList *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalAdviceList, bal_advice_list_clear)

/* TRUE when an item says what the domain lacks. */
gboolean bal_advice_list_lacks (const BalAdviceList *self);

/* "lacks", "possible", "note". */
const char *bal_advice_kind_name (BalAdviceKind kind);

/* "at-once", "next-start", "in-guest". */
const char *bal_advice_when_name (BalAdviceWhen when);

/* Appends advice without command and XML, to be filled in. */
BalAdvice *bal_advice_list_add (
  BalAdviceList *self, const char *topic, BalAdviceKind kind, BalAdviceWhen when, const char *text);

/* What the domain lacks first. */
void bal_advice_list_sort (BalAdviceList *self);

G_END_DECLS
