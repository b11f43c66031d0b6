/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-port.h"

#include "host-hook/breakpoint.h"
#include "host-hook/vf-error.h"

#include <string.h>

static BalVfEntry *
copy_of (const BalVfHost *host, const char *uuid, const char *port, GError **error)
{
  const BalVfEntry *entry = bal_vf_book_find (bal_vf_ledger_book (host->ledger), uuid, port);

  if (entry != NULL)
    return bal_vf_entry_copy (entry);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
               "Port %s of domain %s has no VF here; nothing was changed", port, uuid);
  return NULL;
}

/* A PF may have another name than when the VF was reserved. */
static const char *
netdev_of (const BalVfHost *host, const BalVfEntry *entry)
{
  const BalVfPf *pf = bal_vf_inventory_find_pf (host->inventory, entry->pf_pci);
  return pf == NULL ? entry->pf_netdev : pf->netdev;
}

/* Best effort: the failure that is told is @cause. Once, however often it is tried again. */
static void
remember_why (const BalVfHost *host, BalVfEntry *entry, const GError *cause)
{
  if (g_strcmp0 (entry->why, cause->message) == 0)
    return;
  bal_vf_entry_set_why (entry, cause->message);
  bal_vf_ledger_put (host->ledger, entry, NULL);
}

/* --- setting up --- */

static gboolean
read_before (const BalVfHost *host, const BalVfNic *nic, BalVfEntry *entry, GError **error)
{
  const char *netdev = netdev_of (host, entry);
  g_autoptr (GArray) all = nic->read (nic->data, netdev, error);

  if (all == NULL)
    return FALSE;
  if (entry->vf_index >= all->len)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
                   "%s has no VF %u any more; nothing was set", netdev, entry->vf_index);
      return FALSE;
    }
  entry->before = g_array_index (all, BalVfSettings, entry->vf_index);
  return TRUE;
}

static gboolean
check_is_kept (const BalVfEntry *entry, GError **error)
{
  if (entry->state != BAL_VF_RELEASING)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Port %s of domain %s is being released; nothing was set", entry->request.port,
               entry->request.uuid);
  return FALSE;
}

/* A VF that is nobody's or waits for its domain. Of one that is no more the NIC says so itself. */
static gboolean
is_free (const BalVfHost *host, const BalVfEntry *entry, BalVfUse *use)
{
  BalVf *vf = bal_vf_inventory_find_vf (host->inventory, entry->vf_pci, NULL);

  *use = BAL_VF_IDLE;
  if (vf == NULL)
    return TRUE;
  bal_vf_refresh (host->root, vf);
  *use = vf->use;
  return vf->use == BAL_VF_IDLE || vf->use == BAL_VF_PREPARED;
}

/* What is set is set for whoever has it. */
static gboolean
check_is_own (const BalVfHost *host, const BalVfEntry *entry, GError **error)
{
  BalVfUse use;

  if (is_free (host, entry, &use))
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Port %s of domain %s: VF %u of %s is in use already (%s); nothing was set",
               entry->request.port, entry->request.uuid, entry->vf_index, entry->pf_netdev,
               bal_vf_use_name (use));
  return FALSE;
}

/* In the ledger, what is to be gone back to and what is about to be set. */
static gboolean
announce (const BalVfHost *host,
          const BalVfNic *nic,
          BalVfEntry *entry,
          BalVfSettings *wanted,
          GError **error)
{
  if (entry->set == 0 && !read_before (host, nic, entry, error))
    return FALSE;
  entry->set |= bal_vf_settings_wanted (&entry->request, &entry->before, wanted);
  entry->refused = 0;
  return bal_vf_ledger_put (host->ledger, entry, error);
}

const BalVfEntry *
bal_vf_port_set_up (
  const BalVfHost *host, const BalVfNic *nic, const char *uuid, const char *port, GError **error)
{
  g_autoptr (BalVfEntry) entry = copy_of (host, uuid, port, error);
  GError *cause = NULL;
  BalVfSettings wanted;

  if (entry == NULL || !check_is_kept (entry, error) || !check_is_own (host, entry, error)
      || !announce (host, nic, entry, &wanted, error))
    return NULL;
  BAL_BREAKPOINT ("vf-set-up");
  if (!bal_vf_settings_apply (nic, netdev_of (host, entry), entry->vf_index, &wanted, entry->set,
                              bal_vf_settings_demanded (&entry->request), &entry->refused, &cause))
    {
      bal_vf_settings_put_back (nic, netdev_of (host, entry), entry->vf_index, &entry->before,
                                entry->set, NULL);
      remember_why (host, entry, cause);
      g_propagate_error (error, cause);
      return NULL;
    }
  BAL_BREAKPOINT ("vf-was-set-up");
  bal_vf_entry_set_why (entry, NULL);
  return bal_vf_ledger_put (host->ledger, entry, error)
           ? bal_vf_book_find (bal_vf_ledger_book (host->ledger), uuid, port)
           : NULL;
}

/* --- tearing down --- */

static gboolean
check_unused (const BalVfHost *host, BalVfEntry *entry, GError **error)
{
  GError *cause = NULL;
  BalVfUse use;

  if (is_free (host, entry, &use))
    return TRUE;
  cause = g_error_new (BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                       "Port %s of domain %s: VF %u of %s is still in use (%s); it was left as it "
                       "is",
                       entry->request.port, entry->request.uuid, entry->vf_index, entry->pf_netdev,
                       bal_vf_use_name (use));
  if (entry->state == BAL_VF_RELEASING)
    remember_why (host, entry, cause);
  g_propagate_error (error, cause);
  return FALSE;
}

static gboolean
put_back (const BalVfHost *host,
          const BalVfNic *nic,
          const BalVfClock *clock,
          BalVfEntry *entry,
          GError **error)
{
  GError *cause = NULL;

  if (entry->set == 0 || strcmp (entry->boot_id, clock->boot_id) != 0
      || bal_vf_inventory_find_vf (host->inventory, entry->vf_pci, NULL) == NULL
      || bal_vf_settings_put_back (nic, netdev_of (host, entry), entry->vf_index, &entry->before,
                                   entry->set, &cause))
    return TRUE;
  /* The inventory is older than that. */
  if (g_error_matches (cause, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND))
    {
      g_error_free (cause);
      return TRUE;
    }
  remember_why (host, entry, cause);
  g_propagate_error (error, cause);
  return FALSE;
}

static gboolean
mark_releasing (const BalVfHost *host, BalVfEntry *entry, GError **error)
{
  if (entry->state == BAL_VF_RELEASING)
    return TRUE;
  entry->state = BAL_VF_RELEASING;
  return bal_vf_ledger_put (host->ledger, entry, error);
}

gboolean
bal_vf_port_tear_down (const BalVfHost *host,
                       const BalVfNic *nic,
                       const BalVfClock *clock,
                       const char *uuid,
                       const char *port,
                       GError **error)
{
  g_autoptr (BalVfEntry) entry = copy_of (host, uuid, port, error);

  if (entry == NULL || !check_unused (host, entry, error))
    return FALSE;
  if (!mark_releasing (host, entry, error))
    return FALSE;
  BAL_BREAKPOINT ("vf-tear-down");
  if (!put_back (host, nic, clock, entry, error))
    return FALSE;
  BAL_BREAKPOINT ("vf-was-torn-down");
  return bal_vf_ledger_remove (host->ledger, uuid, port, error);
}
