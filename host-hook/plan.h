/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan: from facts about a domain to the steps that release its free memory. A pure function: no
 * I/O, no clock, the same answer for the same facts.
 *
 * The gain is what a plain migration would send for nothing: bytes that are free in the guest AND
 * backed by memory on the host. Where that cannot be known exactly the facts carry an upper bound.
 * A plan without steps means: migrate plainly; `why_nothing` says why in a sentence.
 *
 * Ownership: BalFacts and BalPlan are the caller's; _clear() frees what they point to.
 * Failure: none; an impossible set of facts gives a plan without steps.
 */
#pragma once

#include "protocol/messages.h"

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
  char *alias;
  guint64 requested_kib;
  guint64 current_kib;       /* plugged */
  guint64 block_kib;         /* requested_kib moves in multiples of this; not 0 */
  guint64 backed_free_bytes; /* of the domain's, what lies in this device's window */
  guint64 filled_free_bytes; /* likewise */
} BalVirtioMemFacts;

typedef struct
{
  gboolean running;               /* the guest's processors run: it can answer */
  gboolean sizes_must_stay;       /* only a hold, which comes back by itself, may be used */
  gboolean under_job;             /* libvirt migrates it already: the balloon is out of reach */
  gboolean destination_reachable; /* this program can give memory back there */
  gboolean source_local;          /* pagemap and the agent's socket are on this host */
  gboolean has_vfio;
  gboolean has_hugepages;
  gboolean has_locked_memory;
  gboolean has_encryption;
  gboolean has_free_page_hint;
  gboolean has_free_page_reporting;

  gboolean agent_answers;
  gboolean hold_works;  /* the agent is able and willing to hold */
  char *agent_problem;  /* a sentence when it does not answer; may be NULL */
  BalMemoryInfo memory; /* when agent_answers */

  gboolean guest_free_known; /* by the agent, or by the balloon's statistics */
  guint64 guest_free_bytes;
  guint64 guest_total_bytes;

  gboolean gain_known;
  guint64 backed_free_bytes; /* what there is to release, or its upper bound */
  guint64 filled_free_bytes; /* of that the gain, the rest is zeros; an estimate */

  gboolean has_balloon; /* a balloon device whose driver answers, as far as it was asked */
  guint64 balloon_kib;  /* the guest's memory as the balloon has it now */

  GArray *virtio_mem; /* of BalVirtioMemFacts */
} BalFacts;

/* An empty array for BalFacts.virtio_mem that frees what its elements point to. */
GArray *bal_virtio_mem_facts_new (void);

void bal_facts_clear (BalFacts *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalFacts, bal_facts_clear)

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

/* Why nothing may be taken from the guest, by what it says of itself; NULL: no reason. */
const char *bal_plan_guest_objection (const BalFacts *facts);

/* Why QEMU frees nothing of what the domain's balloon gives up; NULL: it does. */
const char *bal_plan_balloon_obstacle (const BalFacts *facts);

/* Fills @out, which need not be initialised. */
void bal_plan_make (const BalFacts *facts, const BalPolicy *policy, BalPlan *out);

/* Sum of the steps' bytes, page cache left out (it is released by the steps behind it). */
guint64 bal_plan_release_bytes (const BalPlan *self);

G_END_DECLS
