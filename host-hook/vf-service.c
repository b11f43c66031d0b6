/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its beginning and end, and what it is asked without libvirt; the rest is in vf-service-*.c. */
#include "host-hook/vf-service.h"

#include "host-hook/daemon-log.h"
#include "host-hook/vf-list.h"
#include "host-hook/vf-service-core.h"

/* --- configuration --- */

static gboolean
load_config (BalVfService *self, BalVfConfig *out, GError **error)
{
  const char *path = self->config_path == NULL ? BAL_VF_CONFIG_PATH : self->config_path;
  return bal_vf_config_load (path, self->config_path != NULL, out, error);
}

/* A PF whose VFs cannot be made is no reason to do without the others. TRUE: some were made. */
static gboolean
make_vfs (BalVfService *self)
{
  gboolean made = FALSE;

  for (guint i = 0; i < self->inventory->pfs->len; i++)
    {
      const BalVfPf *pf = self->inventory->pfs->pdata[i];
      g_autoptr (GError) cause = NULL;

      if (pf->wanted_vfs == 0 || pf->num_vfs != 0)
        continue;
      if (bal_vf_pf_make_vfs (self->root, pf, &cause))
        made = TRUE;
      else
        bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s gets no VFs: %s", pf->netdev,
                        cause->message);
    }
  return made;
}

/* The inventory as the configuration wants it. */
static gboolean
take_stock (BalVfService *self, GError **error)
{
  return bal_vf_service_look (self, error)
         && (!make_vfs (self) || bal_vf_service_look (self, error));
}

gboolean
bal_vf_service_reload (BalVfService *self, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_auto (BalVfConfig) config = {0};

  if (!load_config (self, &config, error))
    return FALSE;
  BalVfConfig before = self->config;
  self->config = config;
  if (take_stock (self, error))
    {
      config = before;
      return TRUE;
    }
  self->config = before;
  return FALSE;
}

/* --- beginning and end --- */

static gboolean
open_all (BalVfService *self, const BalVfNic *nic, GError **error)
{
  if (nic == NULL)
    {
      self->netlink = bal_vf_netlink_new (error);
      if (self->netlink == NULL)
        return FALSE;
      self->nic = bal_vf_netlink_nic (self->netlink);
    }
  else
    self->nic = *nic;
  if (!load_config (self, &self->config, error))
    return FALSE;
  self->ledger = bal_vf_ledger_open (self->root, error);
  return self->ledger != NULL && take_stock (self, error);
}

BalVfService *
bal_vf_service_new (const char *root, const char *config_path, const BalVfNic *nic, GError **error)
{
  g_autoptr (BalVfService) self = g_new0 (BalVfService, 1);

  self->root = g_strdup (root);
  self->config_path = g_strdup (config_path);
  self->detach_ms = BAL_VF_DETACH_MS;
  self->claims = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->attaching = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->parked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->connection_lock);
  g_cond_init (&self->unclaimed);
  return open_all (self, nic, error) ? g_steal_pointer (&self) : NULL;
}

void
bal_vf_service_free (BalVfService *self)
{
  bal_vf_config_clear (&self->config);
  g_clear_pointer (&self->inventory, bal_vf_inventory_free);
  g_clear_pointer (&self->ledger, bal_vf_ledger_free);
  g_clear_pointer (&self->netlink, bal_vf_netlink_free);
  bal_vf_service_set_connection (self, NULL);
  g_hash_table_unref (self->claims);
  g_hash_table_unref (self->attaching);
  g_hash_table_unref (self->parked);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->connection_lock);
  g_cond_clear (&self->unclaimed);
  g_free (self->config_path);
  g_free (self->root);
  g_free (self);
}

/* --- questions --- */

JsonObject *
bal_vf_service_list (BalVfService *self, const char *pf, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return bal_vf_service_look (self, error)
           ? bal_vf_list_build (self->inventory, bal_vf_ledger_book (self->ledger), pf, error)
           : NULL;
}

gboolean
bal_vf_service_is_idle (BalVfService *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  return bal_vf_book_size (bal_vf_ledger_book (self->ledger)) == 0;
}
