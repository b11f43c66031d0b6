/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/hold.h"

#include "guest-agent/held-ranges.h"
#include "guest-agent/hold-core.h"
#include "guest-agent/hold-policy.h"
#include "guest-agent/holder.h"
#include "guest-agent/pressure.h"
#include "guest-agent/privileges.h"
#include "guest-agent/proc-files.h"

#include <glib-unix.h>

#define STOP_TIMEOUT_MS 10000u

struct _BalHold
{
  char *root;
  BalHoldLimits limits;
  BalHoldCore core;
  BalHolder holder;            /* pid 0 when there is none */
  BalHolderOrder order;        /* the newest one */
  guint64 own_headroom_bytes;  /* what the guest's administrator wants left free at least */
  BalHolderReport last_report; /* where its memory lies */
  BalPressure *pressure;
  guint report_source_id;
  guint exit_source_id;
  GSource *lease;
  GSource *deadline;
};

static void
clear_timer (GSource **timer)
{
  if (*timer != NULL)
    g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

/* Nothing is watched but the end of the holder. */
static void
stop_watching (BalHold *self)
{
  g_clear_handle_id (&self->report_source_id, g_source_remove);
  g_clear_pointer (&self->pressure, bal_pressure_free);
  clear_timer (&self->lease);
  clear_timer (&self->deadline);
}

static void
end_hold (BalHold *self, BalHoldReason reason)
{
  if (!bal_hold_core_end (&self->core, reason))
    return;
  stop_watching (self);
  bal_holder_kill (&self->holder);
  g_message ("Giving back %" G_GUINT64_FORMAT " MiB of held memory (%s).",
             self->core.held_bytes >> 20, bal_hold_reason_name (reason));
}

static void
on_pressure (gpointer user_data)
{
  end_hold (user_data, BAL_HOLD_REASON_PRESSURE);
}

static gboolean
on_deadline (gpointer user_data)
{
  end_hold (user_data, BAL_HOLD_REASON_DEADLINE);
  return G_SOURCE_REMOVE;
}

static gboolean
on_lease (gpointer user_data)
{
  end_hold (user_data, BAL_HOLD_REASON_SILENCE);
  return G_SOURCE_REMOVE;
}

/* Sets @timer to fire @delay_ms from now. */
static void
arm_timer (BalHold *self, GSource **timer, guint64 delay_ms, GSourceFunc func)
{
  if (*timer == NULL)
    {
      *timer = g_timeout_source_new (G_MAXUINT);
      g_source_set_priority (*timer, G_PRIORITY_HIGH);
      g_source_set_callback (*timer, func, self, NULL);
      g_source_attach (*timer, NULL);
    }
  g_source_set_ready_time (*timer, g_get_monotonic_time () + (gint64)delay_ms * 1000);
}

static void
take_report (BalHold *self, const BalHolderReport *report)
{
  self->last_report = *report;
  bal_hold_core_report (&self->core, report->held_bytes, report->target_bytes,
                        (BalHoldReason)report->reason);
  bal_pressure_set_growing (self->pressure, self->core.state == BAL_HOLD_GROWING);
  if (self->core.reason != BAL_HOLD_REASON_FAILED)
    return;
  g_warning ("The holder could not take more memory: %s.", g_strerror (report->error_number));
  if (report->held_bytes == 0)
    end_hold (self, BAL_HOLD_REASON_FAILED);
}

static gboolean
on_report (int fd, GIOCondition condition, gpointer user_data)
{
  BalHold *self = user_data;
  BalHolderReport report;

  while (self->core.state != BAL_HOLD_RETURNING && bal_holder_next_report (&self->holder, &report))
    take_report (self, &report);
  /* end_hold() has removed this source then. */
  if (self->core.state == BAL_HOLD_RETURNING)
    return G_SOURCE_CONTINUE;
  if ((condition & (G_IO_HUP | G_IO_ERR)) == 0)
    return G_SOURCE_CONTINUE;
  self->report_source_id = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
on_holder_end (int fd, GIOCondition condition, gpointer user_data)
{
  BalHold *self = user_data;
  gboolean killed = FALSE;

  self->exit_source_id = 0;
  stop_watching (self);
  bal_holder_reap (&self->holder, self->root, 0, &killed);
  bal_hold_core_exited (&self->core, killed);
  self->last_report = (BalHolderReport){0};
  g_message ("The hold has ended (%s).", bal_hold_reason_name (self->core.reason));
  return G_SOURCE_REMOVE;
}

static gboolean
refuse (GError **error, const char *sentence)
{
  g_set_error_literal (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_REFUSED, sentence);
  return FALSE;
}

/* Read anew for each hold, because an administrator may change them at any time. */
static gboolean
check_settings (const BalHold *self, GError **error)
{
  gint64 overcommit = 0;
  gint64 panic = 0;
  gint64 kill_allocating = 0;
  const char *sentence;

  if (!bal_proc_read_integer (self->root, "/proc/sys/vm/overcommit_memory", &overcommit, error)
      || !bal_proc_read_integer (self->root, "/proc/sys/vm/panic_on_oom", &panic, error)
      || !bal_proc_read_integer (self->root, "/proc/sys/vm/oom_kill_allocating_task",
                                 &kill_allocating, error))
    return FALSE;
  sentence = bal_hold_policy_refusal (overcommit, panic, kill_allocating != 0);
  if (sentence != NULL)
    return refuse (error, sentence);
  if (!bal_privileges_can_lock ())
    return refuse (error,
                   "The agent must not hold memory because it runs without CAP_IPC_LOCK and could "
                   "not keep it out of swap; nothing is held.");
  return TRUE;
}

static gboolean
default_headroom (const BalHold *self, guint64 *out, GError **error)
{
  g_autofree char *meminfo = bal_proc_read (self->root, "/proc/meminfo", error);

  if (meminfo == NULL)
    return FALSE;
  *out = bal_hold_policy_headroom (bal_meminfo_bytes (meminfo, "MemTotal:"),
                                   self->limits.headroom_min_bytes, self->limits.headroom_percent);
  return TRUE;
}

static gboolean
start (BalHold *self, const BalHoldArguments *arguments, GError **error)
{
  guint64 deadline_ms = self->limits.deadline_max_ms;

  if (!check_settings (self, error) || !default_headroom (self, &self->own_headroom_bytes, error)
      || !bal_holder_spawn (self->root, &self->holder, error))
    return FALSE;
  bal_hold_core_start (&self->core, arguments->token, arguments->bytes);
  self->pressure = bal_pressure_new (self->root, on_pressure, self);
  self->report_source_id = g_unix_fd_add (self->holder.socket_fd, G_IO_IN, on_report, self);
  self->exit_source_id =
    g_unix_fd_add_full (G_PRIORITY_HIGH, self->holder.pidfd, G_IO_IN, on_holder_end, self, NULL);
  if (arguments->has_deadline)
    deadline_ms = MIN (deadline_ms, arguments->deadline_ms);
  arm_timer (self, &self->deadline, deadline_ms, on_deadline);
  g_message ("Holding up to %" G_GUINT64_FORMAT " MiB of free memory.", arguments->bytes >> 20);
  return TRUE;
}

gboolean
bal_hold_request (BalHold *self, const BalHoldArguments *arguments, GError **error)
{
  if (!bal_hold_core_admit (&self->core, arguments->token, error))
    return FALSE;
  if (self->core.state == BAL_HOLD_IDLE && !start (self, arguments, error))
    return FALSE;
  bal_hold_core_raise (&self->core, arguments->bytes);
  self->order.target_bytes = self->core.ordered_bytes;
  self->order.headroom_bytes = self->own_headroom_bytes;
  if (arguments->has_headroom)
    self->order.headroom_bytes = MAX (self->own_headroom_bytes, arguments->headroom_bytes);
  arm_timer (self, &self->lease, self->limits.lease_ms, on_lease);
  if (bal_holder_order (&self->holder, &self->order))
    return TRUE;
  g_set_error (
    error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
    "The process that holds memory does not listen just now; what it holds is unchanged.");
  return FALSE;
}

void
bal_hold_return (BalHold *self)
{
  end_hold (self, BAL_HOLD_REASON_REQUEST);
}

void
bal_hold_renew_lease (BalHold *self)
{
  if (self->lease != NULL)
    arm_timer (self, &self->lease, self->limits.lease_ms, on_lease);
}

void
bal_hold_get_status (const BalHold *self, BalHoldStatus *out)
{
  *out = (BalHoldStatus){.state = self->core.state,
                         .reason = self->core.reason,
                         .held_bytes = self->core.held_bytes,
                         .target_bytes = self->core.target_bytes,
                         .token = g_strdup (self->core.token)};
}

guint64
bal_hold_held_bytes (const BalHold *self)
{
  return self->core.held_bytes;
}

gboolean
bal_hold_get_ranges (const BalHold *self, guint64 from, BalFreeRanges *out, GError **error)
{
  BalHeldRegion region = {.pid = self->holder.pid,
                          .base = self->last_report.base,
                          .span_bytes = self->last_report.span_bytes};

  if (self->core.state != BAL_HOLD_GROWING && self->core.state != BAL_HOLD_HELD)
    region.span_bytes = 0;
  return bal_held_ranges_read (self->root, &region, from, BAL_RANGES_PER_REPLY_MAX, out, error);
}

BalHold *
bal_hold_new (const char *root, const BalHoldLimits *limits)
{
  BalHold *self = g_new0 (BalHold, 1);

  self->root = g_strdup (root);
  self->limits = *limits;
  return self;
}

void
bal_hold_free (BalHold *self)
{
  if (self == NULL)
    return;
  end_hold (self, BAL_HOLD_REASON_REQUEST);
  stop_watching (self);
  g_clear_handle_id (&self->exit_source_id, g_source_remove);
  if (self->holder.pid != 0 && !bal_holder_reap (&self->holder, self->root, STOP_TIMEOUT_MS, NULL))
    g_warning (
      "The holder is killed but has not ended yet; the kernel is still freeing its memory.");
  bal_hold_core_clear (&self->core);
  g_free (self->root);
  g_free (self);
}
