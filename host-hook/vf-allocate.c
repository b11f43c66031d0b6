/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-allocate.h"

#include "host-hook/vf-error.h"

#include <string.h>

/* PFs that a refusal names one by one. */
#define NAMED_MAX 8

/* Why a PF does not qualify. */
typedef enum
{
  QUALIFIES,
  NOT_ASKED,
  EXCLUDED,
  OTHER_NETWORK,
  NO_LINK,
  NO_CAPACITY,
  NO_BANDWIDTH,
  NO_VF,
} Verdict;

guint
bal_vf_residual_mbps (const BalVfPf *pf, const BalVfBook *book)
{
  guint64 taken = bal_vf_book_allocated_mbps (book, pf->pci);
  return taken >= pf->capacity_mbps ? 0 : pf->capacity_mbps - (guint)taken;
}

static BalVf *
find_free_vf (const BalVfPf *pf, const BalVfBook *book)
{
  for (guint i = 0; i < pf->vfs->len; i++)
    {
      BalVf *vf = &g_array_index (pf->vfs, BalVf, i);
      if (vf->use == BAL_VF_IDLE && bal_vf_book_find_vf (book, vf->pci) == NULL)
        return vf;
    }
  return NULL;
}

static gboolean
is_named (const BalVfPf *pf, const char *name)
{
  return strcmp (pf->netdev, name) == 0 || strcmp (pf->pci, name) == 0;
}

/* *@vf is set for QUALIFIES. */
static Verdict
judge (const BalVfPf *pf, const BalVfBook *book, const BalVfRequest *request, BalVf **vf)
{
  if (request->pf != NULL && !is_named (pf, request->pf))
    return NOT_ASKED;
  if (pf->excluded)
    return EXCLUDED;
  if (request->network != NULL && g_strcmp0 (pf->network, request->network) != 0)
    return OTHER_NETWORK;
  if (!pf->has_link)
    return NO_LINK;
  if (pf->capacity_mbps == 0)
    return NO_CAPACITY;
  if (bal_vf_residual_mbps (pf, book) <= request->bandwidth_mbps)
    return NO_BANDWIDTH;
  *vf = find_free_vf (pf, book);
  return *vf == NULL ? NO_VF : QUALIFIES;
}

/* TRUE when @a goes before @b; PFs come in the order of their addresses, so that a draw is @b's. */
static gboolean
is_better (const BalVfPf *a, const BalVfPf *b, const BalVfBook *book, int node, BalVfPolicy policy)
{
  gboolean a_is_local = node >= 0 && a->numa_node == node;
  gboolean b_is_local = node >= 0 && b->numa_node == node;
  guint a_mbps = bal_vf_residual_mbps (a, book);
  guint b_mbps = bal_vf_residual_mbps (b, book);

  if (a_is_local != b_is_local)
    return a_is_local;
  return policy == BAL_VF_POLICY_PACK ? a_mbps < b_mbps : a_mbps > b_mbps;
}

/* --- refusals --- */

static guint
count_ours (const BalVfPf *pf, const BalVfBook *book)
{
  guint n = 0;

  for (guint i = 0; i < pf->vfs->len; i++)
    n += bal_vf_book_find_vf (book, g_array_index (pf->vfs, BalVf, i).pci) != NULL ? 1 : 0;
  return n;
}

static void
append_reason (GString *text, const BalVfPf *pf, const BalVfBook *book, Verdict verdict)
{
  switch (verdict)
    {
    case EXCLUDED:
      g_string_append_printf (text, "%s is excluded", pf->netdev);
      return;
    case OTHER_NETWORK:
      g_string_append_printf (text, "%s is on network %s", pf->netdev,
                              pf->network != NULL ? pf->network : "(none)");
      return;
    case NO_LINK:
      g_string_append_printf (text, "%s has no link", pf->netdev);
      return;
    case NO_CAPACITY:
      g_string_append_printf (text, "%s has no known speed", pf->netdev);
      return;
    case NO_BANDWIDTH:
      g_string_append_printf (text, "%s has %u of %u Mbit/s left", pf->netdev,
                              bal_vf_residual_mbps (pf, book), pf->capacity_mbps);
      return;
    case NO_VF:
      g_string_append_printf (text,
                              "%s has %u Mbit/s left but no VF (of %u, %u are handed out and the "
                              "others in use otherwise)",
                              pf->netdev, bal_vf_residual_mbps (pf, book), pf->vfs->len,
                              count_ours (pf, book));
      return;
    case QUALIFIES:
    case NOT_ASKED:
      break;
    }
  g_assert_not_reached ();
}

static void
refuse (const BalVfInventory *inventory,
        const BalVfBook *book,
        const BalVfRequest *request,
        GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < inventory->pfs->len; i++)
    {
      const BalVfPf *pf = inventory->pfs->pdata[i];
      BalVf *vf = NULL;
      Verdict verdict = judge (pf, book, request, &vf);

      if (verdict == NOT_ASKED || ++n > NAMED_MAX)
        continue;
      g_string_append (text, n > 1 ? ", " : ": ");
      append_reason (text, pf, book, verdict);
    }
  if (n > NAMED_MAX)
    g_string_append_printf (text, ", and %u more", n - NAMED_MAX);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED,
               "No physical function%s%s has more than the %u Mbit/s left that port %s of domain "
               "%s asks for, and a VF%s; nothing was reserved",
               request->network == NULL ? "" : " on network ",
               request->network == NULL ? "" : request->network, request->bandwidth_mbps,
               request->port, request->uuid, n > 0 ? text->str : ": this host has none");
}

/* --- the choice --- */

static gboolean
is_own (const BalVfEntry *entry, const BalVfRequest *request)
{
  return strcmp (entry->request.uuid, request->uuid) == 0
         && strcmp (entry->request.port, request->port) == 0;
}

/* A MAC address that a VF in somebody's hands has; ours are in the book. */
static gboolean
check_mac (const BalVfInventory *inventory,
           const BalVfBook *book,
           const BalVfRequest *request,
           GError **error)
{
  const BalVfEntry *owner = NULL;

  if (request->mac == NULL)
    return TRUE;
  owner = bal_vf_book_find_mac (book, request->mac);
  if (owner != NULL && !is_own (owner, request))
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "The MAC address %s is that of port %s of domain %s; nothing was reserved",
                   request->mac, owner->request.port, owner->request.uuid);
      return FALSE;
    }
  for (guint i = 0; i < inventory->pfs->len; i++)
    {
      const BalVfPf *pf = inventory->pfs->pdata[i];
      for (guint j = 0; j < pf->vfs->len; j++)
        {
          const BalVf *vf = &g_array_index (pf->vfs, BalVf, j);
          if (!vf->has_settings || vf->use == BAL_VF_IDLE
              || strcmp (vf->settings.mac, request->mac) != 0)
            continue;
          g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                       "The MAC address %s is that of VF %u of %s, which is in use; nothing was "
                       "reserved",
                       request->mac, vf->index, pf->netdev);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
bal_vf_allocate (const BalVfInventory *inventory,
                 const BalVfBook *book,
                 const BalVfRequest *request,
                 int home_node,
                 BalVfPolicy policy,
                 BalVfChoice *out,
                 GError **error)
{
  int node = request->numa_node >= 0 ? request->numa_node : home_node;

  *out = (BalVfChoice){NULL, NULL};
  if (request->pf != NULL && bal_vf_inventory_find_pf (inventory, request->pf) == NULL)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
                   "There is no physical function %s with VFs here; nothing was reserved",
                   request->pf);
      return FALSE;
    }
  if (!check_mac (inventory, book, request, error))
    return FALSE;
  for (guint i = 0; i < inventory->pfs->len; i++)
    {
      BalVfPf *pf = inventory->pfs->pdata[i];
      BalVf *vf = NULL;

      if (judge (pf, book, request, &vf) == QUALIFIES
          && (out->pf == NULL || is_better (pf, out->pf, book, node, policy)))
        *out = (BalVfChoice){pf, vf};
    }
  if (out->pf != NULL)
    return TRUE;
  refuse (inventory, book, request, error);
  return FALSE;
}

gboolean
bal_vf_allocate_lacks_link (const BalVfInventory *inventory,
                            const BalVfBook *book,
                            const BalVfRequest *request)
{
  gboolean lacks_link = FALSE;

  for (guint i = 0; i < inventory->pfs->len; i++)
    {
      BalVf *vf = NULL;
      Verdict verdict = judge (inventory->pfs->pdata[i], book, request, &vf);

      if (verdict == NOT_ASKED || verdict == EXCLUDED || verdict == OTHER_NETWORK)
        continue;
      if (verdict != NO_LINK)
        return FALSE;
      lacks_link = TRUE;
    }
  return lacks_link;
}
