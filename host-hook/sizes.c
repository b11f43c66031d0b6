/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/sizes.h"

#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/patience.h"
#include "host-hook/qmp.h"
#include "host-hook/size-stand.h"
#include "protocol/codec.h"

#define POLL_INTERVAL_MS 50

/* A guest that moves by less, or more slowly on the whole, is not waited for to the end. */
#define LEAST_STEP_BYTES (G_GUINT64_CONSTANT (16) * 1024 * 1024)
#define SLOWEST_BYTES_PER_S (G_GUINT64_CONSTANT (32) * 1024 * 1024)

char *
bal_size_describe (const BalSize *self)
{
  g_autofree char *alias = NULL;

  if (!self->alias)
    return g_strdup ("the balloon");
  alias = bal_escape_for_display (self->alias);
  return g_strdup_printf ("virtio-mem device %s", alias);
}

static const BalVirtioMem *
find_device (const BalSize *self, const BalDomainXml *xml, GError **error)
{
  const BalVirtioMem *device = bal_domain_xml_find_virtio_mem (xml, self->alias);

  if (!device)
    g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED,
                 "Domain \"%s\" has lost its virtio-mem device %s", virDomainGetName (self->domain),
                 self->alias);
  return device;
}

static gboolean
read_by_qmp (const BalSize *self, guint64 *requested_kib, guint64 *actual_kib, GError **error)
{
  BalQmpVirtioMem device;

  if (!bal_qmp_virtio_mem (self->domain, self->alias, &device, error))
    return FALSE;
  *requested_kib = device.requested_bytes / 1024;
  *actual_kib = device.plugged_bytes / 1024;
  return TRUE;
}

static gboolean
read_virtio_mem (const BalSize *self, guint64 *requested_kib, guint64 *actual_kib, GError **error)
{
  g_auto (BalDomainXml) xml = {0};
  const BalVirtioMem *device;

  if (!bal_domain_read (self->domain, &xml, NULL, error))
    return FALSE;
  device = find_device (self, &xml, error);
  if (!device)
    return FALSE;
  *requested_kib = device->requested_kib;
  *actual_kib = device->current_kib;
  return TRUE;
}

gboolean
bal_size_read (const BalSize *self, guint64 *requested_kib, guint64 *actual_kib, GError **error)
{
  virDomainInfo info;

  if (self->by_qmp)
    return read_by_qmp (self, requested_kib, actual_kib, error);
  if (self->alias)
    return read_virtio_mem (self, requested_kib, actual_kib, error);
  if (virDomainGetInfo (self->domain, &info) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the size of domain \"%s\"",
                                virDomainGetName (self->domain));
  *requested_kib = *actual_kib = info.memory;
  return TRUE;
}

gboolean
bal_size_read_maximum (const BalSize *self, guint64 *maximum_kib, GError **error)
{
  g_auto (BalDomainXml) xml = {0};
  const BalVirtioMem *device = NULL;

  if (!bal_domain_read (self->domain, &xml, NULL, error))
    return FALSE;
  if (self->alias)
    device = find_device (self, &xml, error);
  if (self->alias && !device)
    return FALSE;
  *maximum_kib = device ? device->size_kib : xml.memory_kib;
  return TRUE;
}

static gboolean
set_virtio_mem (const BalSize *self, guint64 kib, GError **error)
{
  g_autofree char *xml = virDomainGetXMLDesc (self->domain, 0);
  g_autofree char *device = NULL;

  if (!xml)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the XML of domain \"%s\"",
                                virDomainGetName (self->domain));
  device = bal_domain_xml_virtio_mem_device (xml, self->alias, kib, error);
  if (!device)
    return FALSE;
  if (virDomainUpdateDeviceFlags (self->domain, device, VIR_DOMAIN_AFFECT_LIVE) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED,
                                "Cannot resize virtio-mem device %s of domain \"%s\"", self->alias,
                                virDomainGetName (self->domain));
  return TRUE;
}

gboolean
bal_size_set (const BalSize *self, guint64 kib, GError **error)
{
  if (self->by_qmp)
    return bal_qmp_virtio_mem_resize (self->domain, self->alias, kib * 1024, error);
  if (self->alias)
    return set_virtio_mem (self, kib, error);
  if (virDomainSetMemoryFlags (self->domain, kib, VIR_DOMAIN_AFFECT_LIVE) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot move the balloon of domain \"%s\"",
                                virDomainGetName (self->domain));
  return TRUE;
}

static guint64
distance (guint64 a_kib, guint64 b_kib)
{
  return MAX (a_kib, b_kib) - MIN (a_kib, b_kib);
}

static void
pause_ms (BalCancel *cancel, guint wait_ms)
{
  if (cancel)
    bal_cancel_wait (cancel, wait_ms);
  else
    g_usleep (wait_ms * 1000);
}

gboolean
bal_size_settle (const BalSize *self,
                 guint64 target_kib,
                 guint stall_ms,
                 BalCancel *cancel,
                 BalSizeProgress progress,
                 gpointer data,
                 guint64 *actual_kib,
                 GError **error)
{
  const BalPace pace = {.stall_ms = stall_ms,
                        .least_bytes = LEAST_STEP_BYTES,
                        .slowest_bytes_per_s = SLOWEST_BYTES_PER_S};
  BalPatience patience = {0};

  while (TRUE)
    {
      gint64 now_us = g_get_monotonic_time ();
      guint64 requested_kib, left_bytes;

      if (!bal_size_read (self, &requested_kib, actual_kib, error))
        return FALSE;
      if (progress)
        progress (*actual_kib, data);
      if (bal_size_same (*actual_kib, target_kib))
        return TRUE;
      left_bytes = distance (*actual_kib, target_kib) * 1024;
      if (!patience.pace)
        bal_patience_begin (&patience, &pace, left_bytes, now_us);
      if (bal_patience_is_over (&patience, left_bytes, now_us)
          || (cancel && bal_cancel_requested (cancel)))
        return TRUE;
      pause_ms (cancel, POLL_INTERVAL_MS);
    }
}
