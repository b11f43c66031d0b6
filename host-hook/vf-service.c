/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its beginning and end, and what it is asked without libvirt; the rest is in vf-service-*.c. */
#include "host-hook/vf-service.h"

#include "host-hook/vf-list.h"
#include "host-hook/vf-service-core.h"

/* Longer than a guest is waited for. */
#define CLAIM_MS 60000u

/* What links take to negotiate, behind a boot; with the wait for a ballastd, and for VFs that come
 * back, it is less than libvirt's hook waits in all. */
#define LINK_MS 10000u

/* --- beginning and end --- */

/* Two: whoever looks at all does not keep the others from making a setting. */
static gboolean
open_netlink (BalVfService *self, GError **error)
{
  self->netlink = bal_vf_netlink_new (error);
  self->look_netlink = self->netlink == NULL ? NULL : bal_vf_netlink_new (error);
  if (self->look_netlink == NULL)
    return FALSE;
  self->nic = bal_vf_netlink_nic (self->netlink);
  self->look_nic = bal_vf_netlink_nic (self->look_netlink);
  return TRUE;
}

static gboolean
open_all (BalVfService *self, const BalVfNic *nic, GError **error)
{
  if (nic != NULL)
    self->nic = self->look_nic = *nic;
  else if (!open_netlink (self, error))
    return FALSE;
  self->ledger = bal_vf_ledger_open (self->root, error);
  return self->ledger != NULL && bal_vf_service_reload (self, error);
}

BalVfService *
bal_vf_service_new (const char *root, const char *config_path, const BalVfNic *nic, GError **error)
{
  g_autoptr (BalVfService) self = g_new0 (BalVfService, 1);

  self->root = g_strdup (root);
  self->config_path = g_strdup (config_path);
  self->detach_ms = BAL_VF_DETACH_MS;
  self->link_ms = LINK_MS;
  self->claim_ms = CLAIM_MS;
  self->again = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->unmade = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->claims = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->attaching = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->parked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init (&self->look_lock);
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
  g_clear_pointer (&self->look_netlink, bal_vf_netlink_free);
  bal_vf_service_set_connection (self, NULL);
  g_hash_table_unref (self->changed);
  g_hash_table_unref (self->unmade);
  g_hash_table_unref (self->claims);
  g_hash_table_unref (self->again);
  g_hash_table_unref (self->attaching);
  g_hash_table_unref (self->parked);
  g_mutex_clear (&self->look_lock);
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
  BalVfStock stock = {0};
  JsonObject *list;

  if (!bal_vf_service_take_stock (self, &stock, error))
    return NULL;
  list = bal_vf_list_build (stock.inventory, stock.book, pf, error);
  bal_vf_service_put_stock (self, &stock);
  return list;
}

gboolean
bal_vf_service_is_idle (BalVfService *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  return bal_vf_book_size (bal_vf_ledger_book (self->ledger)) == 0;
}
