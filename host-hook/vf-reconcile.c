/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-reconcile.h"

#include <string.h>

BalVfDomain *
bal_vf_domain_new (const char *uuid)
{
  BalVfDomain *self = g_new0 (BalVfDomain, 1);
  self->uuid = g_strdup (uuid);
  self->vf_pcis = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
bal_vf_domain_free (BalVfDomain *self)
{
  g_free (self->uuid);
  g_ptr_array_unref (self->vf_pcis);
  g_free (self);
}

/* --- facts about one entry --- */

typedef struct
{
  gboolean is_active; /* its domain */
  gboolean is_busy;   /* its domain */
  gboolean has_it;    /* its domain has the VF */
  gboolean other_has; /* another domain has it */
  gboolean exists;    /* the VF */
  gboolean is_used;   /* as sysfs tells */
  gboolean is_back;   /* its own driver has it */
  gboolean expired;
  gboolean old_boot;
} Facts;

static gboolean
domain_has (const BalVfDomain *domain, const char *vf_pci)
{
  for (guint i = 0; i < domain->vf_pcis->len; i++)
    if (strcmp (domain->vf_pcis->pdata[i], vf_pci) == 0)
      return TRUE;
  return FALSE;
}

static Facts
gather (const BalVfEntry *entry,
        const BalVfInventory *inventory,
        const GPtrArray *domains,
        const BalVfClock *clock)
{
  BalVfPf *pf = NULL;
  const BalVf *vf = bal_vf_inventory_find_vf (inventory, entry->vf_pci, &pf);
  Facts facts = {0};

  for (guint i = 0; i < domains->len; i++)
    {
      const BalVfDomain *domain = domains->pdata[i];
      gboolean is_own = strcmp (domain->uuid, entry->request.uuid) == 0;
      gboolean has = domain_has (domain, entry->vf_pci);

      facts.is_active |= is_own;
      facts.is_busy |= is_own && domain->is_busy;
      facts.has_it |= is_own && has;
      facts.other_has |= !is_own && has;
    }
  facts.exists = vf != NULL && strcmp (pf->pci, entry->pf_pci) == 0;
  /* Bound to vfio without being open is what a detached device is left as. */
  facts.is_used = vf != NULL && vf->use != BAL_VF_IDLE && vf->use != BAL_VF_PREPARED;
  facts.is_back = vf != NULL && vf->use == BAL_VF_IDLE;
  facts.old_boot = strcmp (entry->boot_id, clock->boot_id) != 0;
  facts.expired = facts.old_boot || clock->boottime_us >= entry->expires_us;
  return facts;
}

/* --- decisions: FALSE is nothing to be done --- */

static gboolean
take (BalVfActionKind kind, BalVfActionKind *out)
{
  *out = kind;
  return TRUE;
}

static gboolean
free_it (const Facts *facts, BalVfActionKind *out)
{
  return take (facts->exists && !facts->old_boot ? BAL_VF_PUT_BACK : BAL_VF_DROP, out);
}

/* It was attached, and no start has asked for it since, which would have made it reserved. NB: some
 * versions of libvirt show a domain off before they have put back its devices' addresses; only
 * behind that they give the devices to their own driver. */
static gboolean
has_ended (const BalVfEntry *entry, const Facts *facts)
{
  return entry->state == BAL_VF_ATTACHED && !facts->is_active && facts->exists && facts->is_back;
}

static gboolean
decide (const BalVfEntry *entry, const Facts *facts, BalVfActionKind *out)
{
  /* An attached one has been let go of since, maybe by a guest that was asked to long ago. */
  gboolean wants_attach = entry->state == BAL_VF_FAILED || entry->from_metadata;

  if (facts->is_busy)
    return FALSE;
  /* Nothing is left to put back: it is another's, or is as the host made it when it booted. */
  if (entry->state == BAL_VF_RELEASING && !facts->has_it && (facts->other_has || facts->old_boot))
    return take (BAL_VF_DROP, out);
  if (facts->other_has)
    return FALSE;
  if (facts->has_it && entry->state != BAL_VF_RELEASING)
    return entry->state != BAL_VF_ATTACHED && take (BAL_VF_MARK_ATTACHED, out);
  if (facts->has_it)
    return take (BAL_VF_DETACH, out);
  if (facts->is_used)
    return FALSE;
  if (entry->state == BAL_VF_RELEASING)
    return free_it (facts, out);
  if (facts->is_active && wants_attach && facts->exists && !facts->old_boot)
    return take (BAL_VF_ATTACH, out);
  return (facts->expired || has_ended (entry, facts)) && free_it (facts, out);
}

void
bal_vf_action_free (gpointer data)
{
  BalVfAction *self = data;
  g_free (self->uuid);
  g_free (self->port);
  g_free (self);
}

GPtrArray *
bal_vf_reconcile (const BalVfBook *book,
                  const char *uuid,
                  const BalVfInventory *inventory,
                  const GPtrArray *domains,
                  const BalVfClock *clock)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (book, uuid);
  GPtrArray *actions = g_ptr_array_new_with_free_func (bal_vf_action_free);

  for (guint i = 0; domains != NULL && i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      Facts facts = gather (entry, inventory, domains, clock);
      BalVfActionKind kind;

      if (!decide (entry, &facts, &kind))
        continue;
      BalVfAction *action = g_new0 (BalVfAction, 1);
      action->kind = kind;
      action->uuid = g_strdup (entry->request.uuid);
      action->port = g_strdup (entry->request.port);
      g_ptr_array_add (actions, action);
    }
  return actions;
}
