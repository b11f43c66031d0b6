/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/plan.h"

#define MIB (G_GUINT64_CONSTANT (1024) * 1024)
#define GIB (1024 * MIB)

typedef struct
{
  BalFacts facts;
  BalPolicy policy;
} Case;

static void
allow (Case *self, const BalMechanism *mechanisms, guint n)
{
  g_array_set_size (self->policy.mechanisms, 0);
  g_array_append_vals (self->policy.mechanisms, mechanisms, n);
}

static void
add_device (Case *self, guint64 plugged_bytes, guint64 backed_free_bytes)
{
  BalVirtioMemFacts device = {.alias = g_strdup ("virtiomem0"),
                              .requested_kib = plugged_bytes / 1024,
                              .current_kib = plugged_bytes / 1024,
                              .block_kib = 2048,
                              .backed_free_bytes = backed_free_bytes,
                              .filled_free_bytes = backed_free_bytes};

  g_array_append_val (self->facts.virtio_mem, device);
}

/* A local 4 GiB guest with agent and balloon, 3.8 GiB free, 3 GiB of that backed. */
static void
set_up (Case *self, gconstpointer data)
{
  const BalMechanism all[] = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD, BAL_MECHANISM_BALLOON};

  self->facts = (BalFacts){.running = TRUE,
                           .destination_reachable = TRUE,
                           .source_local = TRUE,
                           .agent_answers = TRUE,
                           .hold_works = TRUE,
                           .memory = {.page_bytes = 4096,
                                      .init_on_alloc = BAL_TRI_YES,
                                      .init_on_free = BAL_TRI_NO,
                                      .clean_cache_bytes = 512 * MIB},
                           .guest_free_known = TRUE,
                           .guest_free_bytes = 3800 * MIB,
                           .guest_total_bytes = 4000 * MIB,
                           .gain_known = TRUE,
                           .backed_free_bytes = 3 * GIB,
                           .filled_free_bytes = 3 * GIB,
                           .has_balloon = TRUE,
                           .balloon_kib = 4 * 1024 * 1024,
                           .virtio_mem = bal_virtio_mem_facts_new ()};
  self->policy = (BalPolicy){.mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism)),
                             .min_gain_bytes = 64 * MIB,
                             .headroom_min_bytes = 128 * MIB,
                             .headroom_percent = 5,
                             .page_cache = BAL_PAGE_CACHE_KEEP};
  allow (self, all, G_N_ELEMENTS (all));
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_facts_clear (&self->facts);
  g_array_unref (self->policy.mechanisms);
}

static const BalPlanStep *
only_step (const BalPlan *plan, BalMechanism mechanism)
{
  g_assert_cmpuint (plan->steps->len, ==, 1);
  g_assert_null (plan->why_nothing);
  g_assert_cmpint (g_array_index (plan->steps, BalPlanStep, 0).mechanism, ==, mechanism);
  return &g_array_index (plan->steps, BalPlanStep, 0);
}

static void
assert_nothing (Case *self, const char *why, gboolean is_warning)
{
  g_auto (BalPlan) plan = {0};

  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (plan.steps->len, ==, 0);
  g_assert_nonnull (plan.why_nothing);
  g_assert_nonnull (strstr (plan.why_nothing, why));
  g_assert_cmpint (plan.is_warning, ==, is_warning);
}

static void
test_holds_the_gain (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (only_step (&plan, BAL_MECHANISM_HOLD)->bytes, ==, 3 * GIB);
  g_assert_cmpuint (plan.gain_bytes, ==, 3 * GIB);
  g_assert_cmpuint (plan.headroom_bytes, ==, 200 * MIB);
}

static void
test_leaves_the_headroom (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  self->facts.backed_free_bytes = self->facts.filled_free_bytes = 3800 * MIB;
  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (only_step (&plan, BAL_MECHANISM_HOLD)->bytes, ==, 3600 * MIB);
}

static void
test_headroom_has_a_minimum (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  self->facts.guest_total_bytes = 1000 * MIB;
  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (plan.headroom_bytes, ==, 128 * MIB);
}

static void
test_untouched_guest_is_left_alone (Case *self, gconstpointer data)
{
  self->facts.backed_free_bytes = self->facts.filled_free_bytes = 63 * MIB;
  assert_nothing (self, "too little", FALSE);
}

/* Backed by the host in huge pages, but never written. */
static void
test_backed_zeros_are_no_gain (Case *self, gconstpointer data)
{
  self->facts.filled_free_bytes = 63 * MIB;
  assert_nothing (self, "too little", FALSE);
}

/* Nobody knows which of it is zeros: all that is backed has to go to gain a part of it. */
static void
test_releases_zeros_for_what_is_between (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  self->facts.filled_free_bytes = 1 * GIB;
  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (only_step (&plan, BAL_MECHANISM_HOLD)->bytes, ==, 3 * GIB);
  g_assert_cmpuint (plan.gain_bytes, ==, 1 * GIB);
}

static void
test_nothing_free (Case *self, gconstpointer data)
{
  self->facts.guest_free_bytes = 0;
  assert_nothing (self, "nothing is free", FALSE);
}

static void
test_init_on_free (Case *self, gconstpointer data)
{
  self->facts.memory.init_on_free = BAL_TRI_YES;
  assert_nothing (self, "init_on_free", FALSE);
}

static void
test_guarded_guests_keep_their_memory (Case *self, gconstpointer data)
{
  self->facts.memory.overcommit_mode = 2;
  assert_nothing (self, "overcommit_memory", TRUE);
  self->facts.memory.overcommit_mode = 0;
  self->facts.memory.panic_on_oom = 1;
  assert_nothing (self, "panic_on_oom", TRUE);
  self->facts.memory.panic_on_oom = 0;
  self->facts.memory.oom_kill_allocating_task = TRUE;
  assert_nothing (self, "oom_kill_allocating_task", TRUE);
}

static void
test_paused_and_encrypted (Case *self, gconstpointer data)
{
  self->facts.running = FALSE;
  assert_nothing (self, "does not run", TRUE);
  self->facts.running = TRUE;
  self->facts.has_encryption = TRUE;
  assert_nothing (self, "encrypted", TRUE);
}

static void
forget_agent (Case *self)
{
  self->facts.agent_answers = FALSE;
  self->facts.hold_works = FALSE;
}

static void
test_balloon_without_agent (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};
  const BalPlanStep *step;

  forget_agent (self);
  bal_plan_make (&self->facts, &self->policy, &plan);
  step = only_step (&plan, BAL_MECHANISM_BALLOON);
  g_assert_cmpuint (step->from_kib, ==, 4 * 1024 * 1024);
  g_assert_cmpuint (step->to_kib, ==, 1024 * 1024);
}

static void
test_no_agent_and_no_balloon (Case *self, gconstpointer data)
{
  forget_agent (self);
  self->facts.has_balloon = FALSE;
  assert_nothing (self, "neither an agent", TRUE);
  self->facts.guest_free_known = FALSE;
  assert_nothing (self, "neither the guest agent nor the balloon", TRUE);
}

static void
test_balloon_is_no_use (Case *self, gconstpointer data)
{
  forget_agent (self);
  self->facts.has_vfio = TRUE;
  assert_nothing (self, "no mechanism", FALSE);
  self->facts.has_vfio = FALSE;
  self->facts.has_hugepages = TRUE;
  assert_nothing (self, "no mechanism", FALSE);
  self->facts.has_hugepages = FALSE;
  self->facts.has_locked_memory = TRUE;
  assert_nothing (self, "no mechanism", FALSE);
  self->facts.has_locked_memory = FALSE;
  self->facts.sizes_must_stay = TRUE;
  assert_nothing (self, "no mechanism", FALSE);
  self->facts.sizes_must_stay = FALSE;
  self->facts.destination_reachable = FALSE;
  assert_nothing (self, "no mechanism", FALSE);
  self->facts.destination_reachable = TRUE;
  self->facts.under_job = TRUE;
  assert_nothing (self, "no mechanism", FALSE);
}

static void
test_hold_needs_no_destination (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  self->facts.destination_reachable = FALSE;
  self->facts.sizes_must_stay = TRUE;
  bal_plan_make (&self->facts, &self->policy, &plan);
  only_step (&plan, BAL_MECHANISM_HOLD);
}

static void
test_balloon_by_choice_beside_an_agent (Case *self, gconstpointer data)
{
  const BalMechanism balloon = BAL_MECHANISM_BALLOON;
  g_auto (BalPlan) plan = {0};

  allow (self, &balloon, 1);
  bal_plan_make (&self->facts, &self->policy, &plan);
  only_step (&plan, BAL_MECHANISM_BALLOON);
}

static void
test_virtio_mem_then_hold (Case *self, gconstpointer data)
{
  const BalPlanStep *device, *hold;
  g_auto (BalPlan) plan = {0};

  add_device (self, 3 * GIB, 2500 * MIB);
  bal_plan_make (&self->facts, &self->policy, &plan);
  g_assert_cmpuint (plan.steps->len, ==, 2);
  device = &g_array_index (plan.steps, BalPlanStep, 0);
  hold = &g_array_index (plan.steps, BalPlanStep, 1);
  g_assert_cmpint (device->mechanism, ==, BAL_MECHANISM_VIRTIO_MEM);
  g_assert_cmpstr (device->alias, ==, "virtiomem0");
  g_assert_cmpuint (device->to_kib, ==, 0);
  g_assert_cmpuint (device->from_kib, ==, 3 * 1024 * 1024);
  g_assert_cmpint (hold->mechanism, ==, BAL_MECHANISM_HOLD);
  /* All of the gain outside of the device, but no more than 3600 - 3072 MiB to spare. */
  g_assert_cmpuint (hold->bytes, ==, MIN (3 * GIB - 2500 * MIB, 528 * MIB));
  g_assert_cmpuint (bal_plan_release_bytes (&plan), ==, device->bytes + hold->bytes);
}

static void
test_virtio_mem_keeps_whole_blocks (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  self->facts.guest_free_bytes = 1201 * MIB;
  self->facts.backed_free_bytes = self->facts.filled_free_bytes = 1000 * MIB;
  add_device (self, 3 * GIB, 1000 * MIB);
  bal_plan_make (&self->facts, &self->policy, &plan);
  /* 1001 MiB to spare are 1000 MiB in blocks of 2 MiB. */
  g_assert_cmpuint (only_step (&plan, BAL_MECHANISM_VIRTIO_MEM)->to_kib, ==, (3072 - 1000) * 1024);
}

static void
test_virtio_mem_without_gain_stays (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  add_device (self, 1 * GIB, 0);
  bal_plan_make (&self->facts, &self->policy, &plan);
  only_step (&plan, BAL_MECHANISM_HOLD);
}

static void
test_remote_source_cannot_hold (Case *self, gconstpointer data)
{
  g_auto (BalPlan) plan = {0};

  forget_agent (self);
  self->facts.source_local = FALSE;
  add_device (self, 3 * GIB, 3 * GIB);
  bal_plan_make (&self->facts, &self->policy, &plan);
  only_step (&plan, BAL_MECHANISM_VIRTIO_MEM);
}

static void
test_page_cache_policy (Case *self, gconstpointer data)
{
  self->policy.page_cache = BAL_PAGE_CACHE_DROP;
  self->facts.backed_free_bytes = self->facts.filled_free_bytes = 0;
  for (int i = 0; i < 2; i++)
    {
      g_auto (BalPlan) plan = {0};

      bal_plan_make (&self->facts, &self->policy, &plan);
      g_assert_cmpuint (plan.steps->len, ==, 2);
      g_assert_cmpint (g_array_index (plan.steps, BalPlanStep, 0).mechanism, ==,
                       BAL_MECHANISM_TRIM);
      g_assert_cmpuint (g_array_index (plan.steps, BalPlanStep, 0).bytes, ==,
                        (i == 0 ? 512 : 256) * MIB);
      g_assert_cmpuint (bal_plan_release_bytes (&plan), ==, (i == 0 ? 512 : 256) * MIB);
      self->policy.page_cache = BAL_PAGE_CACHE_TRIM;
    }
  self->policy.page_cache = BAL_PAGE_CACHE_KEEP;
  assert_nothing (self, "too little", FALSE);
}

static void
test_no_trim_for_nothing (Case *self, gconstpointer data)
{
  self->policy.page_cache = BAL_PAGE_CACHE_DROP;
  self->facts.hold_works = FALSE;
  self->facts.has_balloon = FALSE;
  assert_nothing (self, "no mechanism", FALSE);
}

static void
test_notes_what_is_on (Case *self, gconstpointer data)
{
  g_auto (BalPlan) neither = {0};
  g_auto (BalPlan) both = {0};

  self->facts.backed_free_bytes = self->facts.filled_free_bytes = 0;
  bal_plan_make (&self->facts, &self->policy, &neither);
  g_assert_cmpuint (neither.notes->len, ==, 0);

  self->facts.has_free_page_hint = TRUE;
  self->facts.has_free_page_reporting = TRUE;
  bal_plan_make (&self->facts, &self->policy, &both);
  g_assert_cmpuint (both.notes->len, ==, 2);
  g_assert_nonnull (strstr (g_ptr_array_index (both.notes, 0), "free-page-hint"));
  g_assert_nonnull (strstr (g_ptr_array_index (both.notes, 1), "free page reporting"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name) g_test_add ("/plan/" #name, Case, NULL, set_up, test_##name, tear_down)
  ADD (holds_the_gain);
  ADD (leaves_the_headroom);
  ADD (headroom_has_a_minimum);
  ADD (untouched_guest_is_left_alone);
  ADD (backed_zeros_are_no_gain);
  ADD (releases_zeros_for_what_is_between);
  ADD (nothing_free);
  ADD (init_on_free);
  ADD (guarded_guests_keep_their_memory);
  ADD (paused_and_encrypted);
  ADD (balloon_without_agent);
  ADD (no_agent_and_no_balloon);
  ADD (balloon_is_no_use);
  ADD (hold_needs_no_destination);
  ADD (balloon_by_choice_beside_an_agent);
  ADD (virtio_mem_then_hold);
  ADD (virtio_mem_keeps_whole_blocks);
  ADD (virtio_mem_without_gain_stays);
  ADD (remote_source_cannot_hold);
  ADD (page_cache_policy);
  ADD (no_trim_for_nothing);
  ADD (notes_what_is_on);
#undef ADD
  return g_test_run ();
}
