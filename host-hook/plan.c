/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/plan.h"

#define HINT_NOTE                                                                                  \
  "QEMU's free-page-hint is on for this domain and skips part of the free memory by itself"
#define REPORTING_NOTE                                                                             \
  "free page reporting is on for this domain, memory that the guest frees goes back to the host "  \
  "by itself"

/* State of one planning: what is still to be gained and what the guest can still spare. */
typedef struct
{
  const BalFacts *facts;
  const BalPolicy *policy;
  BalPlan *plan;
  guint64 gain_bytes;      /* what is sent for nothing if nothing is released */
  guint64 gain_left_bytes; /* what there is to release to have that */
  guint64 spare_bytes;     /* free above the headroom */
} Planning;

const char *
bal_mechanism_name (BalMechanism mechanism)
{
  switch (mechanism)
    {
    case BAL_MECHANISM_VIRTIO_MEM:
      return "virtio-mem";
    case BAL_MECHANISM_HOLD:
      return "hold";
    case BAL_MECHANISM_BALLOON:
      return "balloon";
    case BAL_MECHANISM_TRIM:
      return "page-cache";
    }
  g_assert_not_reached ();
}

static void
plan_step_clear (gpointer data)
{
  BalPlanStep *step = data;

  g_free (step->alias);
}

void
bal_plan_clear (BalPlan *self)
{
  g_clear_pointer (&self->steps, g_array_unref);
  g_clear_pointer (&self->notes, g_ptr_array_unref);
  g_free (self->why_nothing);
  *self = (BalPlan){0};
}

static void
note (Planning *self, BalMechanism mechanism, const char *why)
{
  g_ptr_array_add (self->plan->notes,
                   g_strdup_printf ("%s is not used: %s", bal_mechanism_name (mechanism), why));
}

static gboolean
policy_allows (const BalPolicy *policy, BalMechanism mechanism)
{
  for (guint i = 0; i < policy->mechanisms->len; i++)
    if (g_array_index (policy->mechanisms, BalMechanism, i) == mechanism)
      return TRUE;
  return FALSE;
}

/* Why nothing at all can be released, or NULL. */
static const char *
why_never (const BalFacts *facts, gboolean *is_warning)
{
  const char *guarded;

  *is_warning = TRUE;
  if (!facts->running)
    return "the guest does not run";
  if (facts->has_encryption)
    return "the guest's memory is encrypted, the host cannot tell what is free";
  guarded = bal_facts_guest_objection (facts);
  if (guarded)
    return guarded;
  if (!facts->guest_free_known)
    return facts->agent_problem ? facts->agent_problem
                                : "neither the guest agent nor the balloon tells what is free";

  *is_warning = FALSE;
  if (facts->guest_free_bytes == 0)
    return "nothing is free in the guest";
  if (facts->agent_answers && facts->memory.init_on_free == BAL_TRI_YES)
    return "the guest zeroes memory when it frees it (init_on_free), nothing is to be gained";
  return NULL;
}

static void
add_step (Planning *self, BalPlanStep step)
{
  g_array_append_val (self->plan->steps, step);
  if (step.mechanism == BAL_MECHANISM_TRIM)
    return;
  self->gain_left_bytes -= MIN (self->gain_left_bytes, step.bytes);
  self->spare_bytes -= MIN (self->spare_bytes, step.bytes);
}

/* Freed page cache is backed memory that nobody needs: trimming makes gain out of it. */
static void
plan_page_cache (Planning *self)
{
  const BalFacts *facts = self->facts;
  guint64 bytes = facts->memory.clean_cache_bytes;

  if (self->policy->page_cache == BAL_PAGE_CACHE_KEEP || !facts->agent_answers)
    return;
  if (self->policy->page_cache == BAL_PAGE_CACHE_TRIM)
    bytes /= 2;
  if (bytes < self->policy->min_gain_bytes)
    return;

  add_step (self, (BalPlanStep){.mechanism = BAL_MECHANISM_TRIM, .bytes = bytes});
  self->gain_bytes += bytes;
  self->gain_left_bytes += bytes;
  self->spare_bytes += bytes;
}

/* The guest moves what it uses out of the way, so the device may give up any free memory, not just
 * what is free in its own window; it is worth it when there is gain in the window. */
static void
plan_virtio_mem_device (Planning *self, const BalVirtioMemFacts *device)
{
  guint64 plugged_kib = MIN (device->current_kib, device->requested_kib);
  guint64 release_kib = MIN (plugged_kib, self->spare_bytes / 1024);
  BalPlanStep step = {.mechanism = BAL_MECHANISM_VIRTIO_MEM};

  if (MIN (device->filled_free_bytes, self->gain_left_bytes) < self->policy->min_gain_bytes)
    {
      note (self, BAL_MECHANISM_VIRTIO_MEM, "too little is to be gained in its region");
      return;
    }
  step.to_kib = plugged_kib - release_kib;
  step.to_kib = (step.to_kib + device->block_kib - 1) / device->block_kib * device->block_kib;
  if (step.to_kib >= plugged_kib)
    {
      note (self, BAL_MECHANISM_VIRTIO_MEM, "not a whole block of its memory is to spare");
      return;
    }

  step.alias = g_strdup (device->alias);
  step.from_kib = device->requested_kib;
  step.bytes = (plugged_kib - step.to_kib) * 1024;
  g_array_append_val (self->plan->steps, step);
  self->gain_left_bytes -= MIN (device->backed_free_bytes, self->gain_left_bytes);
  self->spare_bytes -= step.bytes;
}

/* Why the domain's own sizes cannot be touched, or NULL. */
static const char *
why_sizes_stay (const BalFacts *facts)
{
  if (facts->sizes_must_stay && facts->under_job)
    return "the destination may know nothing of Ballast (cluster-wide=no)";
  if (facts->sizes_must_stay)
    return "this migration needs the sizes as they are (--xml, --suspend, or --persistent of a "
           "transient domain)";
  if (!facts->destination_reachable)
    return "the destination's libvirt cannot be reached from here";
  return NULL;
}

static void
plan_virtio_mem (Planning *self)
{
  const BalFacts *facts = self->facts;
  const char *why = why_sizes_stay (facts);

  if (!facts->virtio_mem || facts->virtio_mem->len == 0)
    return;
  if (why)
    {
      note (self, BAL_MECHANISM_VIRTIO_MEM, why);
      return;
    }
  for (guint i = 0; i < facts->virtio_mem->len; i++)
    plan_virtio_mem_device (self, &g_array_index (facts->virtio_mem, BalVirtioMemFacts, i));
}

static void
plan_hold (Planning *self)
{
  guint64 bytes = MIN (self->gain_left_bytes, self->spare_bytes);

  if (!self->facts->agent_answers || !self->facts->source_local)
    {
      note (self, BAL_MECHANISM_HOLD,
            !self->facts->source_local   ? "the source is remote, its agent is out of reach"
            : self->facts->agent_problem ? self->facts->agent_problem
                                         : "the guest agent does not answer");
      return;
    }
  if (!self->facts->hold_works)
    {
      note (self, BAL_MECHANISM_HOLD, "the guest agent's configuration blocks it");
      return;
    }
  bytes -= bytes % self->facts->memory.page_bytes;
  if (bytes < self->policy->min_gain_bytes)
    {
      note (self, BAL_MECHANISM_HOLD, "too little is left for it to gain");
      return;
    }
  add_step (self, (BalPlanStep){.mechanism = BAL_MECHANISM_HOLD, .bytes = bytes});
}

static const char *
why_no_balloon (const BalFacts *facts, const BalPolicy *policy)
{
  if (facts->under_job)
    return "libvirt cannot change its size while it migrates the domain";
  if (!facts->has_balloon)
    return "the guest's balloon driver does not answer";
  if (bal_facts_balloon_obstacle (facts))
    return bal_facts_balloon_obstacle (facts);
  if (why_sizes_stay (facts))
    return why_sizes_stay (facts);
  if (facts->virtio_mem && facts->virtio_mem->len > 0)
    return "the domain has virtio-mem, whose sizes libvirt adds to the balloon's";
  if (facts->agent_answers && facts->hold_works && facts->source_local
      && policy_allows (policy, BAL_MECHANISM_HOLD))
    return "the guest agent holds";
  return NULL;
}

static void
plan_balloon (Planning *self)
{
  guint64 bytes = MIN (self->gain_left_bytes, self->spare_bytes);
  const char *why = why_no_balloon (self->facts, self->policy);
  BalPlanStep step = {.mechanism = BAL_MECHANISM_BALLOON};

  if (!why && bytes < self->policy->min_gain_bytes)
    why = "too little is left for it to gain";
  if (!why && bytes / 1024 >= self->facts->balloon_kib)
    why = "its size is not plausible";
  if (why)
    {
      note (self, BAL_MECHANISM_BALLOON, why);
      return;
    }
  step.from_kib = self->facts->balloon_kib;
  step.to_kib = step.from_kib - bytes / 1024;
  step.bytes = (step.from_kib - step.to_kib) * 1024;
  add_step (self, step);
}

static void
plan_steps (Planning *self)
{
  for (guint i = 0; i < self->policy->mechanisms->len; i++)
    switch (g_array_index (self->policy->mechanisms, BalMechanism, i))
      {
      case BAL_MECHANISM_VIRTIO_MEM:
        plan_virtio_mem (self);
        break;
      case BAL_MECHANISM_HOLD:
        plan_hold (self);
        break;
      case BAL_MECHANISM_BALLOON:
        plan_balloon (self);
        break;
      case BAL_MECHANISM_TRIM:
        break;
      }
}

/* Nobody wants a page cache trimmed for a release that does not happen. */
static gboolean
releases_something (const BalPlan *plan)
{
  return bal_plan_release_bytes (plan) > 0;
}

static void
plan_nothing (BalPlan *plan, const char *why, gboolean is_warning)
{
  g_array_set_size (plan->steps, 0);
  plan->why_nothing = g_strdup (why);
  plan->is_warning = is_warning;
}

/* "No agent and no balloon" is what an operator can mend; too little gain is not news. */
static gboolean
lacks_every_mechanism (const BalFacts *facts)
{
  gboolean has_device = facts->virtio_mem && facts->virtio_mem->len > 0;

  return !facts->agent_answers && !facts->has_balloon && !has_device;
}

static void
note_what_is_on (const BalFacts *facts, GPtrArray *notes)
{
  if (facts->has_free_page_hint)
    g_ptr_array_add (notes, g_strdup (HINT_NOTE));
  if (facts->has_free_page_reporting)
    g_ptr_array_add (notes, g_strdup (REPORTING_NOTE));
}

void
bal_plan_make (const BalFacts *facts, const BalPolicy *policy, BalPlan *out)
{
  Planning self = {.facts = facts, .policy = policy, .plan = out};
  gboolean is_warning = FALSE;
  const char *never;

  *out = (BalPlan){0};
  out->steps = g_array_new (FALSE, TRUE, sizeof (BalPlanStep));
  g_array_set_clear_func (out->steps, plan_step_clear);
  out->notes = g_ptr_array_new_with_free_func (g_free);
  note_what_is_on (facts, out->notes);
  out->headroom_bytes =
    MAX (policy->headroom_min_bytes, facts->guest_total_bytes / 100 * policy->headroom_percent);

  never = why_never (facts, &is_warning);
  if (never)
    {
      plan_nothing (out, never, is_warning);
      return;
    }

  out->gain_bytes = self.gain_bytes = self.gain_left_bytes = facts->guest_free_bytes;
  if (facts->gain_known)
    {
      out->gain_bytes = self.gain_bytes = MIN (facts->filled_free_bytes, facts->guest_free_bytes);
      self.gain_left_bytes = MIN (facts->backed_free_bytes, facts->guest_free_bytes);
    }
  self.spare_bytes = facts->guest_free_bytes - MIN (facts->guest_free_bytes, out->headroom_bytes);
  plan_page_cache (&self);
  if (self.gain_bytes < policy->min_gain_bytes)
    {
      plan_nothing (out, "too little of the guest's free memory would be sent", FALSE);
      return;
    }

  plan_steps (&self);
  if (!releases_something (out))
    plan_nothing (out,
                  lacks_every_mechanism (facts)
                    ? "the guest has neither an agent, nor virtio-mem, nor a balloon that answers"
                    : "no mechanism is able to release enough of the guest's free memory",
                  lacks_every_mechanism (facts));
}

guint64
bal_plan_release_bytes (const BalPlan *self)
{
  guint64 bytes = 0;

  for (guint i = 0; i < self->steps->len; i++)
    {
      const BalPlanStep *step = &g_array_index (self->steps, BalPlanStep, i);

      if (step->mechanism != BAL_MECHANISM_TRIM)
        bytes += step->bytes;
    }
  return bytes;
}
