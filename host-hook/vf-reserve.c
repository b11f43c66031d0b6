/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-reserve.h"

#include "host-hook/process.h"
#include "host-hook/vf-error.h"

#include <string.h>
#include <time.h>

gboolean
bal_vf_clock_read (const char *root, BalVfClock *out, GError **error)
{
  struct timespec now;
  g_autofree char *boot_id = bal_host_boot_id (root, error);

  if (boot_id == NULL)
    return FALSE;
  clock_gettime (CLOCK_BOOTTIME, &now);
  out->boottime_us = (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
  g_strlcpy (out->boot_id, boot_id, sizeof out->boot_id);
  return TRUE;
}

static void
renew (BalVfEntry *entry, const BalVfHost *host, const BalVfClock *clock)
{
  if (strcmp (entry->boot_id, clock->boot_id) != 0)
    entry->set = entry->refused = 0;
  g_strlcpy (entry->boot_id, clock->boot_id, sizeof entry->boot_id);
  entry->expires_us = clock->boottime_us + (gint64)host->config->expiry_s * G_USEC_PER_SEC;
}

/* TRUE when the VF is where the entry has it, and not in somebody else's hands since: after a boot
 * nobody had it at first, and within one only its own domain did, which may not have attached it
 * yet, or not any more. */
static gboolean
still_holds (const BalVfHost *host, const BalVfClock *clock, const BalVfEntry *entry)
{
  BalVfPf *pf = NULL;
  BalVf *vf = bal_vf_inventory_find_vf (host->inventory, entry->vf_pci, &pf);

  if (vf == NULL || strcmp (pf->pci, entry->pf_pci) != 0 || vf->index != entry->vf_index)
    return FALSE;
  gboolean same_boot = strcmp (entry->boot_id, clock->boot_id) == 0;
  if (same_boot && (entry->state == BAL_VF_ATTACHED || entry->state == BAL_VF_RELEASING))
    return TRUE;
  bal_vf_refresh (host->root, vf);
  return vf->use == BAL_VF_IDLE || (same_boot && vf->use == BAL_VF_PREPARED);
}

/* The choice, looked at once more: TRUE when it stands. */
static gboolean
look_again (const BalVfHost *host, const BalVfChoice *choice)
{
  gboolean had_link = choice->pf->has_link;
  guint capacity_mbps = choice->pf->capacity_mbps;

  bal_vf_refresh (host->root, choice->vf);
  bal_vf_pf_refresh_link (host->root, host->config, choice->pf);
  return choice->vf->use == BAL_VF_IDLE && choice->pf->has_link == had_link
         && choice->pf->capacity_mbps == capacity_mbps;
}

/* Each round that finds a choice that does not stand has learnt something: it ends when there is
 * nothing left that looks free, or, because a link may flap, after as many rounds as there are
 * things to learn. */
static gboolean
choose (const BalVfHost *host,
        const BalVfRequest *request,
        int home_node,
        BalVfChoice *out,
        GError **error)
{
  guint n_rounds = 1;

  for (guint i = 0; i < host->inventory->pfs->len; i++)
    n_rounds += 1 + ((BalVfPf *)host->inventory->pfs->pdata[i])->vfs->len;
  for (; n_rounds > 0; n_rounds--)
    {
      if (!bal_vf_allocate (host->inventory, bal_vf_ledger_book (host->ledger), request, home_node,
                            host->config->policy, out, error))
        return FALSE;
      if (look_again (host, out))
        return TRUE;
    }
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED,
               "The VFs of this host change faster than they can be looked at: port %s of domain "
               "%s got none; try again",
               request->port, request->uuid);
  return FALSE;
}

static BalVfEntry *
new_entry (const BalVfHost *host, const BalVfRequest *request, const BalVfChoice *choice)
{
  BalVfEntry *entry = bal_vf_entry_new (request);

  entry->state = BAL_VF_RESERVED;
  g_strlcpy (entry->pf_netdev, choice->pf->netdev, sizeof entry->pf_netdev);
  g_strlcpy (entry->pf_pci, choice->pf->pci, sizeof entry->pf_pci);
  entry->capacity_mbps = choice->pf->capacity_mbps;
  entry->vf_index = choice->vf->index;
  g_strlcpy (entry->vf_pci, choice->vf->pci, sizeof entry->vf_pci);
  entry->created_us = g_get_real_time ();
  return entry;
}

/* Nothing can be put back on a VF that somebody else has: the port begins anew on another. One that
 * is asked for with other values stays, and the book refuses those. */
static gboolean
leave (const BalVfHost *host,
       const BalVfClock *clock,
       const BalVfRequest *request,
       const BalVfEntry *before,
       GError **error)
{
  g_autoptr (BalVfEntry) entry = NULL;

  if (before == NULL || strcmp (before->boot_id, clock->boot_id) != 0
      || !bal_vf_request_equal (&before->request, request))
    return TRUE;
  entry = bal_vf_entry_copy (before);
  entry->state = BAL_VF_RELEASING;
  return bal_vf_ledger_put (host->ledger, entry, error)
         && bal_vf_ledger_remove (host->ledger, entry->request.uuid, entry->request.port, error);
}

const BalVfEntry *
bal_vf_reserve (const BalVfHost *host,
                const BalVfClock *clock,
                const BalVfRequest *request,
                gboolean from_metadata,
                int home_node,
                GError **error)
{
  const BalVfBook *book = bal_vf_ledger_book (host->ledger);
  const BalVfEntry *before = bal_vf_book_find (book, request->uuid, request->port);
  g_autoptr (BalVfEntry) entry = NULL;
  BalVfChoice choice;

  if (before != NULL && still_holds (host, clock, before))
    {
      entry = bal_vf_entry_copy (before);
      /* The book compares: other values are refused. */
      bal_vf_request_clear (&entry->request);
      bal_vf_request_copy (request, &entry->request);
      /* Of one that is being released the book does not let it come to this. */
      if (strcmp (before->boot_id, clock->boot_id) != 0 || before->state == BAL_VF_RELEASING)
        entry->state = BAL_VF_RESERVED;
    }
  else if (choose (host, request, home_node, &choice, error)
           && leave (host, clock, request, before, error))
    entry = new_entry (host, request, &choice);
  else
    return NULL;
  entry->from_metadata = from_metadata;
  renew (entry, host, clock);
  if (!bal_vf_ledger_put (host->ledger, entry, error))
    return NULL;
  return bal_vf_book_find (book, request->uuid, request->port);
}
