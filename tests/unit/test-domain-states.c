/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-states.h"

/* One event: what was to be done, and where that leads. */
typedef struct
{
  BalEvent event;
  BalAction action;
  BalState state;
} Told;

static void
assert_course (const Told *course, gsize n)
{
  BalState state = BAL_STATE_IDLE;

  for (gsize i = 0; i < n; i++)
    {
      BalAction action = bal_state_step (&state, course[i].event);

      g_assert_cmpint (action, ==, course[i].action);
      g_assert_cmpint (state, ==, course[i].state);
    }
}
#define ASSERT_COURSE(...)                                                                         \
  assert_course ((const Told[]){__VA_ARGS__}, sizeof ((const Told[]){__VA_ARGS__}) / sizeof (Told))

#define LEAVES                                                                                     \
  {                                                                                                \
    BAL_EVENT_LEAVING, BAL_ACTION_RELEASE, BAL_STATE_RELEASING                                     \
  }
#define IS_RELEASED                                                                                \
  {                                                                                                \
    BAL_EVENT_RELEASED, BAL_ACTION_NONE, BAL_STATE_RELEASED                                        \
  }
#define JOB_ENDS                                                                                   \
  {                                                                                                \
    BAL_EVENT_STAYING, BAL_ACTION_STOP_RELEASE, BAL_STATE_RESTORING                                \
  }
#define STOPPED                                                                                    \
  {                                                                                                \
    BAL_EVENT_RELEASE_ENDED, BAL_ACTION_RESTORE, BAL_STATE_RESTORING                               \
  }
#define IS_WHOLE                                                                                   \
  {                                                                                                \
    BAL_EVENT_RESTORED, BAL_ACTION_NONE, BAL_STATE_IDLE                                            \
  }

static void
test_migration (void)
{
  ASSERT_COURSE (LEAVES, {BAL_EVENT_LEAVING, BAL_ACTION_NONE, BAL_STATE_RELEASING}, IS_RELEASED,
                 {BAL_EVENT_LEAVING, BAL_ACTION_NONE, BAL_STATE_RELEASED}, JOB_ENDS, STOPPED,
                 IS_WHOLE);
}

static void
test_over_before_it_was_released (void)
{
  ASSERT_COURSE (LEAVES, JOB_ENDS, STOPPED, IS_WHOLE);
  /* The release had just finished when it was stopped. */
  ASSERT_COURSE (LEAVES, JOB_ENDS, {BAL_EVENT_RELEASED, BAL_ACTION_NONE, BAL_STATE_RESTORING},
                 STOPPED, IS_WHOLE);
}

static void
test_nothing_to_release (void)
{
  ASSERT_COURSE (LEAVES, {BAL_EVENT_RELEASE_ENDED, BAL_ACTION_NONE, BAL_STATE_PLAIN},
                 {BAL_EVENT_LEAVING, BAL_ACTION_NONE, BAL_STATE_PLAIN},
                 {BAL_EVENT_STAYING, BAL_ACTION_NONE, BAL_STATE_IDLE});
}

/* The status file told of something that libvirt knows nothing of: the next word of it counts. */
static void
test_not_leaving (void)
{
  ASSERT_COURSE (LEAVES, {BAL_EVENT_NOT_LEAVING, BAL_ACTION_NONE, BAL_STATE_IDLE}, LEAVES, JOB_ENDS,
                 {BAL_EVENT_NOT_LEAVING, BAL_ACTION_RESTORE, BAL_STATE_RESTORING}, IS_WHOLE);
}

static void
test_failure (void)
{
  ASSERT_COURSE (LEAVES, IS_RELEASED,
                 {BAL_EVENT_FAILED, BAL_ACTION_STOP_RELEASE, BAL_STATE_RESTORING}, STOPPED,
                 {BAL_EVENT_STAYING, BAL_ACTION_NONE, BAL_STATE_RESTORING}, IS_WHOLE);
}

static void
test_hold_lost (void)
{
  ASSERT_COURSE (LEAVES, IS_RELEASED,
                 {BAL_EVENT_RELEASE_ENDED, BAL_ACTION_RESTORE, BAL_STATE_RESTORING},
                 {BAL_EVENT_LEAVING, BAL_ACTION_NONE, BAL_STATE_RESTORING}, IS_WHOLE);
}

static void
test_arrival (void)
{
  ASSERT_COURSE ({BAL_EVENT_ARRIVED, BAL_ACTION_RESTORE, BAL_STATE_RESTORING},
                 {BAL_EVENT_STAYING, BAL_ACTION_NONE, BAL_STATE_RESTORING}, IS_WHOLE);
}

/* `virsh migrate --suspend`: it can take nothing back before somebody has it run. */
static void
test_paused_arrival (void)
{
  ASSERT_COURSE ({BAL_EVENT_ARRIVING, BAL_ACTION_NONE, BAL_STATE_ARRIVING},
                 {BAL_EVENT_STAYING, BAL_ACTION_NONE, BAL_STATE_ARRIVING},
                 {BAL_EVENT_RESUMED, BAL_ACTION_RESTORE, BAL_STATE_RESTORING}, IS_WHOLE,
                 {BAL_EVENT_RESUMED, BAL_ACTION_NONE, BAL_STATE_IDLE});
}

static void
test_arrival_fails (void)
{
  ASSERT_COURSE ({BAL_EVENT_ARRIVING, BAL_ACTION_NONE, BAL_STATE_ARRIVING},
                 {BAL_EVENT_GONE, BAL_ACTION_NONE, BAL_STATE_IDLE});
}

static void
test_restored_later (void)
{
  ASSERT_COURSE ({BAL_EVENT_ORPHANED, BAL_ACTION_RESTORE, BAL_STATE_RESTORING},
                 {BAL_EVENT_NOT_RESTORED, BAL_ACTION_WAIT, BAL_STATE_RESTORING},
                 {BAL_EVENT_ORPHANED, BAL_ACTION_NONE, BAL_STATE_RESTORING},
                 {BAL_EVENT_RETRY, BAL_ACTION_RESTORE, BAL_STATE_RESTORING}, IS_WHOLE);
}

/* Whatever comes in whatever order: only one task at a time, and a release that runs is stopped
 * before anything else begins. */
static void
test_one_task_at_a_time (void)
{
  for (guint seed = 0; seed < 2000; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      BalState state = BAL_STATE_IDLE;
      gboolean releasing = FALSE, restoring = FALSE, waiting = FALSE;

      for (guint i = 0; i < 60; i++)
        {
          BalEvent event = (BalEvent)g_rand_int_range (rand, 0, BAL_N_EVENTS);

          /* Events that only a task or a timer sends. */
          if ((!releasing
               && (event == BAL_EVENT_RELEASED || event == BAL_EVENT_RELEASE_ENDED
                   || event == BAL_EVENT_NOT_LEAVING))
              || (!restoring && (event == BAL_EVENT_RESTORED || event == BAL_EVENT_NOT_RESTORED))
              || (!waiting && event == BAL_EVENT_RETRY))
            continue;
          releasing &= event != BAL_EVENT_RELEASE_ENDED && event != BAL_EVENT_NOT_LEAVING;
          restoring &= event != BAL_EVENT_RESTORED && event != BAL_EVENT_NOT_RESTORED;
          waiting &= event != BAL_EVENT_RETRY;
          switch (bal_state_step (&state, event))
            {
            case BAL_ACTION_NONE:
              break;
            case BAL_ACTION_RELEASE:
              g_assert_false (releasing || restoring || waiting);
              releasing = TRUE;
              break;
            case BAL_ACTION_STOP_RELEASE:
              g_assert_true (releasing);
              break;
            case BAL_ACTION_RESTORE:
              g_assert_false (releasing || restoring || waiting);
              restoring = TRUE;
              break;
            case BAL_ACTION_WAIT:
              g_assert_false (releasing || restoring || waiting);
              waiting = TRUE;
              break;
            }
          /* Nothing is forgotten. */
          g_assert_cmpint (state == BAL_STATE_IDLE || state == BAL_STATE_PLAIN
                             || state == BAL_STATE_ARRIVING,
                           ==, !releasing && !restoring && !waiting);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain-states/migration", test_migration);
  g_test_add_func ("/domain-states/over-before-it-was-released", test_over_before_it_was_released);
  g_test_add_func ("/domain-states/nothing-to-release", test_nothing_to_release);
  g_test_add_func ("/domain-states/not-leaving", test_not_leaving);
  g_test_add_func ("/domain-states/failure", test_failure);
  g_test_add_func ("/domain-states/hold-lost", test_hold_lost);
  g_test_add_func ("/domain-states/arrival", test_arrival);
  g_test_add_func ("/domain-states/paused-arrival", test_paused_arrival);
  g_test_add_func ("/domain-states/arrival-fails", test_arrival_fails);
  g_test_add_func ("/domain-states/restored-later", test_restored_later);
  g_test_add_func ("/domain-states/one-task-at-a-time", test_one_task_at_a_time);
  return g_test_run ();
}
