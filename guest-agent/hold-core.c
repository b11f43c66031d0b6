/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/hold-core.h"

void
bal_hold_core_clear (BalHoldCore *self)
{
  g_free (self->token);
  *self = (BalHoldCore){0};
}

static const char *
spent_because (BalHoldReason reason)
{
  switch (reason)
    {
    case BAL_HOLD_REASON_PRESSURE:
      return "the guest needed its memory";
    case BAL_HOLD_REASON_DEADLINE:
      return "its deadline passed";
    case BAL_HOLD_REASON_SILENCE:
      return "the host was silent for too long";
    case BAL_HOLD_REASON_KILLED:
      return "the process that held the memory was killed";
    case BAL_HOLD_REASON_NONE:
    case BAL_HOLD_REASON_TARGET:
    case BAL_HOLD_REASON_HEADROOM:
    case BAL_HOLD_REASON_REQUEST:
    case BAL_HOLD_REASON_FAILED:
    default:
      return NULL;
    }
}

gboolean
bal_hold_core_admit (const BalHoldCore *self, const char *token, GError **error)
{
  gboolean same = g_strcmp0 (self->token, token) == 0;
  gboolean over = self->state == BAL_HOLD_IDLE || self->state == BAL_HOLD_RETURNING;

  if (same && over && spent_because (self->reason) != NULL)
    {
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_REFUSED,
                   "The hold under this token ended because %s; use a new token to hold again.",
                   spent_because (self->reason));
      return FALSE;
    }
  if (self->state == BAL_HOLD_RETURNING)
    {
      g_set_error (
        error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_BUSY,
        "The memory of the last hold is still being given back; ask again when the state "
        "is idle.");
      return FALSE;
    }
  if (!same && !over)
    {
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_HOLD_BUSY,
                   "Memory is already held under another token; it was left as it is.");
      return FALSE;
    }
  return TRUE;
}

void
bal_hold_core_start (BalHoldCore *self, const char *token, guint64 bytes)
{
  char *copy = g_strdup (token);

  bal_hold_core_clear (self);
  self->token = copy;
  self->state = BAL_HOLD_GROWING;
  self->target_bytes = bytes;
  self->ordered_bytes = bytes;
}

void
bal_hold_core_raise (BalHoldCore *self, guint64 bytes)
{
  self->target_bytes = MAX (bytes, self->target_bytes);
  self->ordered_bytes = self->target_bytes;
  self->state = BAL_HOLD_GROWING;
  self->reason = BAL_HOLD_REASON_NONE;
}

void
bal_hold_core_report (BalHoldCore *self,
                      guint64 held_bytes,
                      guint64 ordered_bytes,
                      BalHoldReason reason)
{
  if (self->state != BAL_HOLD_GROWING && self->state != BAL_HOLD_HELD)
    return;
  self->held_bytes = held_bytes;
  self->reason = ordered_bytes == self->ordered_bytes ? reason : BAL_HOLD_REASON_NONE;
  self->state = self->reason == BAL_HOLD_REASON_NONE ? BAL_HOLD_GROWING : BAL_HOLD_HELD;
}

gboolean
bal_hold_core_end (BalHoldCore *self, BalHoldReason reason)
{
  if (self->state != BAL_HOLD_GROWING && self->state != BAL_HOLD_HELD)
    return FALSE;
  self->state = BAL_HOLD_RETURNING;
  self->reason = reason;
  return TRUE;
}

void
bal_hold_core_exited (BalHoldCore *self, gboolean killed)
{
  if (self->state != BAL_HOLD_RETURNING)
    self->reason = killed ? BAL_HOLD_REASON_KILLED : BAL_HOLD_REASON_FAILED;
  self->state = BAL_HOLD_IDLE;
  self->held_bytes = 0;
  self->target_bytes = 0;
}
