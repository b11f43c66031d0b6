/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host has. On a large host a look at all takes most of a second: it is taken without the
 * lock, and what hooks ask goes on meanwhile. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"

/* --- configuration --- */

static gboolean
load_config (BalVfService *self, BalVfConfig *out, GError **error)
{
  const char *path = self->config_path == NULL ? BAL_VF_CONFIG_PATH : self->config_path;
  return bal_vf_config_load (path, self->config_path != NULL, out, error);
}

/* --- looking: with the look lock held --- */

/* The same failure again and again is told once. */
static void
say_unmade (BalVfService *self, const BalVfPf *pf, const GError *cause)
{
  if (g_hash_table_add (self->unmade, g_strdup (pf->pci)))
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s gets no VFs: %s", pf->netdev, cause->message);
}

/* A PF whose VFs cannot be made is no reason to do without the others. TRUE: some were made. */
static gboolean
make_vfs (BalVfService *self, const BalVfInventory *inventory)
{
  gboolean made = FALSE;

  for (guint i = 0; i < inventory->pfs->len; i++)
    {
      const BalVfPf *pf = inventory->pfs->pdata[i];
      g_autoptr (GError) cause = NULL;

      if (pf->wanted_vfs == 0 || pf->num_vfs != 0)
        continue;
      if (bal_vf_pf_make_vfs (self->root, pf, &cause))
        made = TRUE;
      else
        say_unmade (self, pf, cause);
    }
  return made;
}

/* VFs that are wanted and not there are made at any look: a PF may come with its driver late. */
static BalVfInventory *
read_all (BalVfService *self, const BalVfConfig *config, GError **error)
{
  g_autoptr (BalVfInventory) inventory = bal_vf_inventory_read (self->root, config, error);
  g_autoptr (GError) cause = NULL;

  if (inventory != NULL && make_vfs (self, inventory))
    {
      bal_vf_inventory_free (inventory);
      inventory = bal_vf_inventory_read (self->root, config, error);
    }
  if (inventory == NULL)
    return NULL;
  if (!bal_vf_inventory_read_settings (inventory, &self->look_nic, &cause))
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s", cause->message);
  return g_steal_pointer (&inventory);
}

/* --- taking over: with the lock held --- */

/* Settings that changed since the look began are not known. */
static void
forget_changed (BalVfService *self, BalVfInventory *inventory, gint64 began_us)
{
  GHashTableIter iter;
  gpointer pci, changed_us;

  g_hash_table_iter_init (&iter, self->changed);
  while (g_hash_table_iter_next (&iter, &pci, &changed_us))
    {
      BalVf *vf = bal_vf_inventory_find_vf (inventory, pci, NULL);

      if (*(gint64 *)changed_us < began_us)
        g_hash_table_iter_remove (&iter);
      else if (vf != NULL)
        vf->has_settings = FALSE;
    }
}

/* Takes @inventory over, unless it is older than the present one. What is of no use any more, maybe
 * NULL, is to be freed without the lock. */
static BalVfInventory *
adopt (BalVfService *self, BalVfInventory *inventory, gint64 began_us)
{
  BalVfInventory *before = self->inventory;

  if (before != NULL && began_us <= self->look_began_us)
    return inventory;
  forget_changed (self, inventory, began_us);
  self->inventory = inventory;
  self->look_began_us = began_us;
  self->looked_us = g_get_monotonic_time ();
  return before;
}

/* --- for the others --- */

gboolean
bal_vf_service_look (BalVfService *self, GError **error)
{
  gint64 asked_us = g_get_monotonic_time ();
  g_autoptr (GMutexLocker) looking = g_mutex_locker_new (&self->look_lock);
  gint64 began_us = g_get_monotonic_time ();
  BalVfInventory *inventory;

  g_mutex_lock (&self->lock);
  gboolean is_new = self->look_began_us >= asked_us;
  g_mutex_unlock (&self->lock);
  /* Somebody else's, while this call waited for it. */
  if (is_new)
    return TRUE;
  inventory = read_all (self, &self->config, error);
  if (inventory == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  inventory = adopt (self, inventory, began_us);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&inventory, bal_vf_inventory_free);
  return TRUE;
}

gboolean
bal_vf_service_take_stock (BalVfService *self, BalVfStock *out, GError **error)
{
  g_autoptr (GMutexLocker) looking = g_mutex_locker_new (&self->look_lock);

  out->began_us = g_get_monotonic_time ();
  out->inventory = read_all (self, &self->config, error);
  if (out->inventory == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  out->book = bal_vf_book_copy (bal_vf_ledger_book (self->ledger));
  g_mutex_unlock (&self->lock);
  return TRUE;
}

void
bal_vf_service_put_stock (BalVfService *self, BalVfStock *stock)
{
  g_mutex_lock (&self->lock);
  stock->inventory = adopt (self, stock->inventory, stock->began_us);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&stock->inventory, bal_vf_inventory_free);
  g_clear_pointer (&stock->book, bal_vf_book_free);
}

gboolean
bal_vf_service_reload (BalVfService *self, GError **error)
{
  g_autoptr (GMutexLocker) looking = g_mutex_locker_new (&self->look_lock);
  g_auto (BalVfConfig) config = {0};
  gint64 began_us = g_get_monotonic_time ();
  BalVfInventory *inventory;
  BalVfConfig before;

  if (!load_config (self, &config, error))
    return FALSE;
  g_hash_table_remove_all (self->unmade);
  inventory = read_all (self, &config, error);
  if (inventory == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  before = self->config;
  self->config = config;
  inventory = adopt (self, inventory, began_us);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&inventory, bal_vf_inventory_free);
  config = before;
  return TRUE;
}
