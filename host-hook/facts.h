/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts: what is known of a domain and its guest when a plan is made or advice given, and what they
 * rule out by themselves.
 *
 * The gain is what a plain migration would send for nothing: bytes that are free in the guest AND
 * backed by memory on the host. Where that cannot be known exactly the facts carry an upper bound.
 *
 * Ownership: BalFacts is the caller's; _clear() frees what it points to; sentences are static.
 * Failure: none. No I/O.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

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

/* Why nothing may be taken from the guest, by what it says of itself; NULL: no reason. */
const char *bal_facts_guest_objection (const BalFacts *facts);

/* Why QEMU frees nothing of what the domain's balloon gives up; NULL: it does. */
const char *bal_facts_balloon_obstacle (const BalFacts *facts);

G_END_DECLS
