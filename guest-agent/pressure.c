/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/pressure.h"

#include "guest-agent/proc-files.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

/* Tasks stalled on memory for 70 ms within a second; the window is the kernel's usual one. */
#define PSI_TRIGGER "some 70000 1000000"
#define POLL_INTERVAL_MS 250u

struct _BalPressure
{
  char *root;
  BalPressureFunc func;
  gpointer user_data;
  int psi_fd;
  guint psi_source_id;
  guint poll_source_id;
  gboolean growing;
  BalPressureSample before;
};

gboolean
bal_pressure_sample (const char *root, BalPressureSample *out)
{
  g_autofree char *vmstat = bal_proc_read (root, "/proc/vmstat", NULL);
  g_autofree char *meminfo = bal_proc_read (root, "/proc/meminfo", NULL);

  if (vmstat == NULL || meminfo == NULL)
    return FALSE;
  *out = (BalPressureSample){
    .swapped_pages = bal_proc_sum_numbers (vmstat, "pswpout"),
    .scanned_pages = bal_proc_sum_numbers (vmstat, "pgscan_kswapd")
                     + bal_proc_sum_numbers (vmstat, "pgscan_direct"),
    .stalls =
      bal_proc_sum_numbers (vmstat, "allocstall") + bal_proc_sum_numbers (vmstat, "pgscan_direct"),
    .available_bytes = bal_meminfo_bytes (meminfo, "MemAvailable:"),
  };
  return TRUE;
}

gboolean
bal_pressure_decide (const BalPressureSample *before,
                     const BalPressureSample *now,
                     gboolean growing,
                     gboolean has_psi)
{
  if (now->swapped_pages > before->swapped_pages && now->scanned_pages > before->scanned_pages)
    return TRUE;
  if (!has_psi && now->stalls > before->stalls)
    return TRUE;
  return !growing && now->available_bytes < before->available_bytes / 2;
}

static void
stop_watching (BalPressure *self)
{
  g_clear_handle_id (&self->psi_source_id, g_source_remove);
  g_clear_handle_id (&self->poll_source_id, g_source_remove);
}

static gboolean
on_poll (gpointer user_data)
{
  BalPressure *self = user_data;
  BalPressureSample now;

  if (!bal_pressure_sample (self->root, &now)
      || !bal_pressure_decide (&self->before, &now, self->growing, self->psi_fd >= 0))
    return G_SOURCE_CONTINUE;
  stop_watching (self);
  self->func (self->user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_trigger (int fd, GIOCondition condition, gpointer user_data)
{
  BalPressure *self = user_data;

  if ((condition & G_IO_PRI) == 0)
    {
      self->psi_source_id = 0;
      return G_SOURCE_REMOVE;
    }
  stop_watching (self);
  self->func (self->user_data);
  return G_SOURCE_CONTINUE;
}

/* The kernel wants the trigger in one write, its NUL included. */
static int
open_trigger (const char *root)
{
  int fd = bal_proc_open (root, "/proc/pressure/memory", O_RDWR | O_NONBLOCK, NULL);

  if (fd < 0)
    return -1;
  if (write (fd, PSI_TRIGGER, sizeof PSI_TRIGGER) == sizeof PSI_TRIGGER)
    return fd;
  close (fd);
  return -1;
}

BalPressure *
bal_pressure_new (const char *root, BalPressureFunc func, gpointer user_data)
{
  BalPressure *self = g_new0 (BalPressure, 1);

  self->root = g_strdup (root);
  self->func = func;
  self->user_data = user_data;
  self->growing = TRUE;
  self->psi_fd = open_trigger (root);
  if (self->psi_fd >= 0)
    self->psi_source_id = g_unix_fd_add_full (G_PRIORITY_HIGH, self->psi_fd, G_IO_PRI | G_IO_ERR,
                                              on_trigger, self, NULL);
  bal_pressure_sample (root, &self->before);
  self->poll_source_id =
    g_timeout_add_full (G_PRIORITY_HIGH, POLL_INTERVAL_MS, on_poll, self, NULL);
  return self;
}

void
bal_pressure_free (BalPressure *self)
{
  if (self == NULL)
    return;
  stop_watching (self);
  if (self->psi_fd >= 0)
    close (self->psi_fd);
  g_free (self->root);
  g_free (self);
}

void
bal_pressure_set_growing (BalPressure *self, gboolean growing)
{
  if (self->growing && !growing)
    {
      BalPressureSample now;

      if (bal_pressure_sample (self->root, &now))
        self->before.available_bytes = now.available_bytes;
    }
  self->growing = growing;
}
