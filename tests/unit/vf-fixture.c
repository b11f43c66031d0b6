/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-fixture.h"

#include <string.h>

const char *
vf_uuid (guint domain)
{
  static char texts[4][37];
  static guint next;
  char *text = texts[next++ % 4];

  g_snprintf (text, sizeof texts[0], "6d1f0c2a-0f9e-4b0e-9c55-%012x", domain);
  return text;
}

BalVfRequest
vf_request (guint domain, guint bandwidth_mbps)
{
  BalVfRequest request;

  bal_vf_request_init (&request);
  request.uuid = g_strdup (vf_uuid (domain));
  request.port = g_strdup ("net0");
  request.bandwidth_mbps = bandwidth_mbps;
  return request;
}

BalVfEntry *
vf_entry (guint domain, guint bandwidth_mbps, guint pf, guint vf)
{
  g_auto (BalVfRequest) request = vf_request (domain, bandwidth_mbps);
  g_autofree char *pf_pci = vf_tree_pf_pci (pf);
  g_autofree char *vf_pci = vf_tree_vf_pci (pf, vf);
  BalVfEntry *entry = bal_vf_entry_new (&request);

  g_snprintf (entry->pf_netdev, sizeof entry->pf_netdev, "eth%u", pf);
  g_strlcpy (entry->pf_pci, pf_pci, sizeof entry->pf_pci);
  g_strlcpy (entry->vf_pci, vf_pci, sizeof entry->vf_pci);
  entry->vf_index = vf;
  entry->capacity_mbps = 10000;
  g_strlcpy (entry->boot_id, VF_BOOT_ID, sizeof entry->boot_id);
  entry->created_us = 1 + domain;
  return entry;
}

BalVfClock
vf_clock (void)
{
  return (BalVfClock){.boottime_us = 1000000, .boot_id = VF_BOOT_ID};
}

guint64
vf_ledger_generation (const TestRoot *root)
{
  static const char member[] = "\"generation\":";
  g_autofree char *text = test_root_get (root, BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME);
  const char *last = g_strrstr (text, member);

  g_assert_nonnull (last);
  return g_ascii_strtoull (last + strlen (member), NULL, 10);
}
