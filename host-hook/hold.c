/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/hold.h"

#include "host-hook/breakpoint.h"
#include "host-hook/format.h"
#include "host-hook/patience.h"

#define STEP_BYTES (G_GUINT64_CONSTANT (256) * 1024 * 1024)
#define POLL_INTERVAL_MS 25

/* A holder that grows more slowly is stuck in a guest that has no time for it, or is not worth
 * waiting for. */
static const BalPace hold_pace = {.stall_ms = 5000,
                                  .least_bytes = G_GUINT64_CONSTANT (16) * 1024 * 1024,
                                  .slowest_bytes_per_s = G_GUINT64_CONSTANT (64) * 1024 * 1024};

/* Under emulation giving 3 GiB back takes 0.2 s, in small pages 2 s. */
#define RETURN_TIMEOUT_MS 15000
#define RETURN_SLOWEST_BYTES_PER_S (G_GUINT64_CONSTANT (256) * 1024 * 1024)

typedef struct
{
  const BalJob *job;
  BalAgentClient *agent;
  const BalIncarnation *qemu;
  BalHoldArguments arguments;
  guint64 goal_bytes;
  guint64 held_bytes;
  gboolean ended; /* the agent said that it gives back, or has */
  BalPatience patience;
  guint64 mark_held_bytes; /* at the beginning of the step that is watched now */
  guint64 mark_host_bytes;
} Growth;

static guint64
host_bytes (const Growth *self)
{
  BalProcessMemory memory;

  if (!self->qemu || !bal_process_memory (self->job->root, self->qemu, &memory, NULL))
    return 0;
  return memory.rss_anon_bytes + memory.rss_shmem_bytes + memory.swap_bytes;
}

/* Looks at whole steps: the kernel's RSS counters are batched, and the guest does other things too.
 */
static gboolean
host_pays (Growth *self)
{
  guint64 held_bytes = self->held_bytes - MIN (self->held_bytes, self->mark_held_bytes);
  guint64 now_bytes, grown_bytes;

  if (held_bytes < STEP_BYTES)
    return FALSE;
  now_bytes = host_bytes (self);
  grown_bytes = now_bytes - MIN (now_bytes, self->mark_host_bytes);
  self->mark_host_bytes = now_bytes;
  self->mark_held_bytes = self->held_bytes;
  return grown_bytes > held_bytes / 2;
}

static gboolean
ask_for_more (Growth *self, BalHoldStatus *status, GError **error)
{
  self->arguments.bytes = MIN (self->goal_bytes, self->held_bytes + STEP_BYTES);
  return bal_agent_client_hold (self->agent, &self->arguments, self->job->config->agent_timeout_ms,
                                status, error);
}

/* Asks ahead, so that the holder never waits for the host between two steps. */
static gboolean
is_time_for_more (const Growth *self)
{
  return self->arguments.bytes < self->goal_bytes
         && self->held_bytes + STEP_BYTES / 2 >= self->arguments.bytes;
}

static gboolean
is_over (Growth *self, const BalHoldStatus *status)
{
  if (status->state == BAL_HOLD_IDLE || status->state == BAL_HOLD_RETURNING)
    {
      bal_report_warning (self->job->report, "the guest gave the held memory back early (%s)",
                          bal_hold_reason_name (status->reason));
      self->held_bytes = 0;
      self->ended = TRUE;
      return TRUE;
    }
  self->held_bytes = status->held_bytes;
  if (self->held_bytes >= self->goal_bytes || bal_cancel_requested (self->job->cancel)
      || host_pays (self))
    return TRUE;
  return status->state == BAL_HOLD_HELD && status->reason != BAL_HOLD_REASON_TARGET;
}

static gboolean
is_stalled (Growth *self)
{
  guint64 left_bytes = self->goal_bytes - MIN (self->goal_bytes, self->held_bytes);

  if (!bal_patience_is_over (&self->patience, left_bytes, g_get_monotonic_time ()))
    return FALSE;
  bal_report_warning (self->job->report,
                      "the guest agent holds no more, going on with what it has");
  return TRUE;
}

static void
show_progress (const Growth *self)
{
  g_autofree char *held = bal_format_bytes (self->held_bytes);
  g_autofree char *goal = bal_format_bytes (self->goal_bytes);

  bal_report_progress (self->job->report, "releasing: hold %s of %s", held, goal);
}

/* A late answer is no news as long as there is patience: when a migration begins to send memory a
 * guest may stand nearly still for seconds. */
static gboolean
forgive_lateness (const Growth *self, GError **error)
{
  if (!g_error_matches (*error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_TIMEOUT)
      || bal_cancel_requested (self->job->cancel))
    return FALSE;
  g_clear_error (error);
  return TRUE;
}

/* Asks how far it is, and for more when it is time. TRUE when there is no more to come. */
static gboolean
step (Growth *self, GError **error)
{
  g_auto (BalHoldStatus) status = {0};
  g_auto (BalHoldStatus) raised = {0};

  if (bal_agent_client_hold_status (self->agent, self->job->config->agent_timeout_ms, &status,
                                    error))
    {
      if (is_over (self, &status))
        return TRUE;
      show_progress (self);
      if (is_time_for_more (self))
        ask_for_more (self, &raised, error);
    }
  return *error && !forgive_lateness (self, error);
}

static void
grow (Growth *self, GError **error)
{
  g_auto (BalHoldStatus) first = {0};

  if (!ask_for_more (self, &first, error))
    return;
  BAL_BREAKPOINT ("holding");
  while (!step (self, error) && !is_stalled (self))
    bal_cancel_wait (self->job->cancel, POLL_INTERVAL_MS);
}

gboolean
bal_hold_grow (const BalJob *job,
               BalAgentClient *agent,
               const BalIncarnation *qemu,
               const char *token,
               guint64 bytes,
               guint64 headroom_bytes,
               guint64 *held_bytes)
{
  g_autoptr (GError) error = NULL;
  Growth self = {
    .job = job,
    .agent = agent,
    .qemu = qemu,
    .goal_bytes = bytes,
    .arguments = {.has_headroom = TRUE,
                  .headroom_bytes = headroom_bytes,
                  .has_deadline = TRUE,
                  .deadline_ms = job->config->hold_deadline_ms,
                  .token = (char *)token},
  };

  self.mark_host_bytes = host_bytes (&self);
  bal_patience_begin (&self.patience, &hold_pace, bytes, g_get_monotonic_time ());
  grow (&self, &error);
  *held_bytes = self.held_bytes;
  if (error)
    bal_report_warning (job->report, "the guest agent stopped while it was to hold memory (%s)",
                        error->message);
  return !self.ended;
}

gboolean
bal_hold_return (const BalJob *job, BalAgentClient *agent, GError **error)
{
  guint timeout_ms = job->config->agent_timeout_ms;
  g_auto (BalHoldStatus) status = {0};

  if (!bal_agent_client_return (agent, timeout_ms, &status, error))
    return FALSE;
  gint64 end_us = g_get_monotonic_time () + RETURN_TIMEOUT_MS * 1000
                  + (gint64)(status.held_bytes / RETURN_SLOWEST_BYTES_PER_S) * G_USEC_PER_SEC;
  while (status.state != BAL_HOLD_IDLE)
    {
      if (g_get_monotonic_time () > end_us)
        {
          g_set_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_TIMEOUT,
                       "The guest agent is still giving memory back");
          return FALSE;
        }
      g_usleep (POLL_INTERVAL_MS * 1000);
      bal_hold_status_clear (&status);
      if (!bal_agent_client_hold_status (agent, timeout_ms, &status, error))
        return FALSE;
    }
  return TRUE;
}
