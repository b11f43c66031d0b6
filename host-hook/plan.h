/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan: from facts about a domain to the steps that release its free memory. A pure function: no
 * I/O, no clock, the same answer for the same facts.
 *
 * The gain is what a plain migration would send for nothing: see facts.h.
 * A plan without steps means: migrate plainly; `why_nothing` says why in a sentence.
 *
 * Ownership: a BalPlan is the caller's; _clear() frees what it points to.
 * Failure: none; an impossible set of facts gives a plan without steps.
 */
#pragma once

#include "host-hook/facts.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_MECHANISM_VIRTIO_MEM,
  BAL_MECHANISM_HOLD,
  BAL_MECHANISM_BALLOON,
  BAL_MECHANISM_TRIM, /* page cache; never in the list of a config, `page-cache` decides */
} BalMechanism;

/* "virtio-mem", "hold", "balloon", "page-cache". */
const char *bal_mechanism_name (BalMechanism mechanism);

typedef enum
{
  BAL_PAGE_CACHE_KEEP,
  BAL_PAGE_CACHE_TRIM, /* the colder half of the clean cache */
  BAL_PAGE_CACHE_DROP, /* all of the clean cache */
} BalPageCache;

/* What the administrator allows. */
typedef struct
{
  GArray *mechanisms; /* of BalMechanism, in order of use */
  guint64 min_gain_bytes;
  guint64 headroom_min_bytes; /* the guest keeps the larger of this and the percentage free */
  guint headroom_percent;     /* of the guest's total memory */
  BalPageCache page_cache;
} BalPolicy;

typedef struct
{
  BalMechanism mechanism;
  guint64 bytes;    /* how much to release */
  char *alias;      /* virtio-mem: the device */
  guint64 from_kib; /* virtio-mem: requested before; balloon: size before */
  guint64 to_kib;   /* and after */
} BalPlanStep;

typedef struct
{
  guint64 gain_bytes;
  guint64 headroom_bytes;
  GArray *steps;       /* of BalPlanStep, in order */
  char *why_nothing;   /* a sentence, only when there are no steps */
  gboolean is_warning; /* why_nothing is news to the operator, not just "nothing to gain" */
  GPtrArray *notes;    /* of char *: why a mechanism that the policy names is not used, and what the
                          domain    does by itself */
} BalPlan;

void bal_plan_clear (BalPlan *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalPlan, bal_plan_clear)

/* Fills @out, which need not be initialised. */
void bal_plan_make (const BalFacts *facts, const BalPolicy *policy, BalPlan *out);

/* Sum of the steps' bytes, page cache left out (it is released by the steps behind it). */
guint64 bal_plan_release_bytes (const BalPlan *self);

G_END_DECLS
