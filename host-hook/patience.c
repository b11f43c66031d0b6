/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/patience.h"

static void
note_step (BalPatience *self, guint64 left_bytes, gint64 now_us)
{
  self->left_bytes = left_bytes;
  self->stall_end_us = now_us + (gint64)self->pace->stall_ms * 1000;
}

void
bal_patience_begin (BalPatience *self, const BalPace *pace, guint64 left_bytes, gint64 now_us)
{
  guint64 way_s = left_bytes / pace->slowest_bytes_per_s;

  self->pace = pace;
  note_step (self, left_bytes, now_us);
  self->end_us = self->stall_end_us + (gint64)way_s * G_USEC_PER_SEC;
}

gboolean
bal_patience_is_over (BalPatience *self, guint64 left_bytes, gint64 now_us)
{
  if (left_bytes < self->left_bytes && self->left_bytes - left_bytes >= self->pace->least_bytes)
    note_step (self, left_bytes, now_us);
  return now_us > self->stall_end_us || now_us > self->end_us;
}
