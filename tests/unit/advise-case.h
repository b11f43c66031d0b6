/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a made-up domain that advice (host-hook/advise.h) is made about. Ownership: what is
 * returned is the case's, good until the next advice. Failure: the test aborts.
 */
#pragma once

#include "host-hook/advise.h"

#define CHANNEL(state)                                                                             \
  "<channel type='unix'><source mode='bind' path='/s'/>"                                           \
  "<target type='virtio' name='org.ballast.guest_agent.0' state='" state "'/></channel>"
#define SERIAL "<controller type='virtio-serial' index='0'/>"
#define BALLOON "<memballoon model='virtio'/>"
#define NO_BALLOON "<memballoon model='none'/>"
#define VIRTIO_MEM                                                                                 \
  "<memory model='virtio-mem'><target><size unit='KiB'>1048576</size><node>0</node>"               \
  "<block unit='KiB'>2048</block><requested unit='KiB'>1048576</requested></target></memory>"

/* What is advised about; the facts are those of a guest that runs a working agent. */
typedef struct
{
  const char *live;       /* what is in <devices>; NULL: off */
  const char *definition; /* NULL: transient */
  const char *top;        /* other children of <domain> */
  BalFacts facts;
  BalPolicy policy;
  BalAdviceList list;
} AdviseCase;

void advise_case_set_up (AdviseCase *self, gconstpointer data);
void advise_case_tear_down (AdviseCase *self, gconstpointer data);

/* Has g_test_run() call @function (AdviseCase *, gconstpointer) with one of its own. */
#define ADVISE_ADD(name, function)                                                                 \
  g_test_add (name, AdviseCase, NULL, advise_case_set_up, function, advise_case_tear_down)

void advise_case_allow_only (AdviseCase *self, BalMechanism mechanism);

/* Nobody tells anything: neither agent nor balloon. */
void advise_case_silence (AdviseCase *self);

void advise_case_advise (AdviseCase *self);

/* NULL: there is none; or one is there. */
const BalAdvice *advise_case_find (const AdviseCase *self, const char *topic, BalAdviceKind kind);
const BalAdvice *
advise_case_require (const AdviseCase *self, const char *topic, BalAdviceKind kind);

/* "hold,balloon"; and nothing is advised besides. */
void advise_case_assert_mechanisms (const AdviseCase *self, const char *expected);
void advise_case_assert_content (const AdviseCase *self, const char *mechanisms);
