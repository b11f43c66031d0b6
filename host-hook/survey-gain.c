/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/survey-gain.h"

#include "host-hook/backing.h"
#include "host-hook/qmp.h"

/* Of so much memory, all that the guest does not use may be what it has free. */
static guint64
free_at_most (const BalFacts *facts, guint64 bytes)
{
  guint64 used_bytes =
    facts->guest_total_bytes - MIN (facts->guest_total_bytes, facts->guest_free_bytes);

  return MIN (bytes - MIN (bytes, used_bytes), facts->guest_free_bytes);
}

static void
set_upper_bound (BalSurvey *self, const BalBackingAmount *amount)
{
  BalFacts *facts = &self->facts;

  facts->backed_free_bytes = free_at_most (facts, amount->backed_bytes);
  facts->filled_free_bytes = free_at_most (facts, amount->filled_bytes);
  facts->gain_known = TRUE;

  /* Nobody knows where in the guest it lies: any device may have it. */
  for (guint i = 0; i < facts->virtio_mem->len; i++)
    {
      BalVirtioMemFacts *device = &g_array_index (facts->virtio_mem, BalVirtioMemFacts, i);

      device->backed_free_bytes = facts->backed_free_bytes;
      device->filled_free_bytes = facts->filled_free_bytes;
    }
}

static void
bound_by_process (const BalSurveyRequest *request, BalSurvey *self, guint64 rss_bytes)
{
  BalProcessMemory memory;
  BalBackingAmount amount;

  if (self->has_qemu && bal_process_memory (request->root, &self->qemu, &memory, NULL))
    rss_bytes =
      memory.rss_anon_bytes + memory.rss_shmem_bytes + memory.swap_bytes + memory.hugetlb_bytes;
  amount = (BalBackingAmount){.backed_bytes = rss_bytes, .filled_bytes = rss_bytes};
  if (rss_bytes > 0)
    set_upper_bound (self, &amount);
}

static gboolean
count_devices (const BalSurveyRequest *request,
               BalSurvey *self,
               const BalBacking *backing,
               GError **error)
{
  for (guint i = 0; i < self->facts.virtio_mem->len; i++)
    {
      BalVirtioMemFacts *device = &g_array_index (self->facts.virtio_mem, BalVirtioMemFacts, i);
      const BalVirtioMem *in_xml = &g_array_index (self->xml.virtio_mem, BalVirtioMem, i);
      BalQmpVirtioMem qmp = {
        .window = {.start = in_xml->memaddr, .length = in_xml->size_kib * 1024}};
      BalBackingAmount amount;

      if (qmp.window.start == 0
          && !bal_qmp_virtio_mem (request->domain, device->alias, &qmp, error))
        return FALSE;
      if (!bal_backing_count (backing, self->free_ranges, &qmp.window, &amount, error))
        return FALSE;
      device->backed_free_bytes = amount.backed_bytes;
      device->filled_free_bytes = amount.filled_bytes;
    }
  return TRUE;
}

static gboolean
count_by_pagemap (const BalSurveyRequest *request, BalSurvey *self, GError **error)
{
  g_auto (BalGuestMap) map = {0};
  g_autoptr (BalBacking) backing = NULL;
  BalBackingAmount amount;

  if (!bal_qmp_guest_map (request->domain, &map, error))
    return FALSE;
  backing = bal_backing_open (request->root, &self->qemu, (gconstpointer)map.segments->data,
                              map.segments->len, error);
  if (!backing
      || !bal_backing_count (backing, self->free_ranges ? self->free_ranges : map.ram, NULL,
                             &amount, error))
    return FALSE;
  if (!self->free_ranges)
    {
      set_upper_bound (self, &amount);
      return TRUE;
    }
  if (!count_devices (request, self, backing, error))
    return FALSE;
  self->facts.backed_free_bytes = MIN (amount.backed_bytes, self->facts.guest_free_bytes);
  self->facts.filled_free_bytes = MIN (amount.filled_bytes, self->facts.guest_free_bytes);
  self->facts.gain_known = TRUE;
  return TRUE;
}

void
bal_survey_find_gain (const BalSurveyRequest *request, BalSurvey *self, guint64 rss_bytes)
{
  g_autoptr (GError) error = NULL;

  /* Each question to QEMU taints the domain, so none is asked when little is free. */
  if (!self->facts.guest_free_known
      || self->facts.guest_free_bytes < request->config->policy.min_gain_bytes)
    return;
  if (self->has_qemu && request->config->use_qmp && count_by_pagemap (request, self, &error))
    return;
  if (error)
    self->backing_problem = g_strdup (error->message);
  bound_by_process (request, self, rss_bytes);
}
