/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-service-core.h"

#include "host-hook/breakpoint.h"
#include "host-hook/daemon-log.h"
#include "host-hook/vf-error.h"

#include <string.h>

/* A look at all takes a third of a second with 8192 VFs: not at each refusal. */
#define FRESH_US (10 * G_USEC_PER_SEC)

void
bal_vf_service_log (const BalVfEntry *entry, const char *what)
{
  const BalVfRequest *request = &entry->request;
  g_autoptr (BalLogFields) fields = bal_log_fields_new ();

  bal_log_fields_add (fields, "BALLAST_VF_PORT", request->port);
  bal_log_fields_add_number (fields, "BALLAST_VF_BANDWIDTH_MBPS", request->bandwidth_mbps);
  bal_log_fields_add (fields, "BALLAST_VF_PF", entry->pf_netdev);
  bal_log_fields_add (fields, "BALLAST_VF_PCI", entry->vf_pci);
  bal_daemon_log_with (G_LOG_LEVEL_MESSAGE, request->uuid, fields,
                       "port %s: VF %s of %s with %u Mbit/s is %s", request->port, entry->vf_pci,
                       entry->pf_netdev, request->bandwidth_mbps, what);
}

BalVfHost
bal_vf_service_host (BalVfService *self)
{
  return (BalVfHost){self->root, &self->config, self->inventory, self->ledger};
}

/* --- ports --- */

static const BalVfEntry *
reserve_once (BalVfService *self,
              const BalVfRequest *request,
              gboolean from_metadata,
              int home_node,
              GError **error)
{
  BalVfHost host = bal_vf_service_host (self);
  BalVfClock clock;

  return bal_vf_clock_read (self->root, &clock, error)
           ? bal_vf_reserve (&host, &clock, request, from_metadata, home_node, error)
           : NULL;
}

/* What changes most: links that came up, and VFs that are idle again. */
static void
glance (BalVfService *self)
{
  const BalVfBook *book = bal_vf_ledger_book (self->ledger);

  for (guint i = 0; i < self->inventory->pfs->len; i++)
    {
      BalVfPf *pf = self->inventory->pfs->pdata[i];

      bal_vf_pf_refresh_link (self->root, &self->config, pf);
      for (guint j = 0; j < pf->vfs->len; j++)
        {
          BalVf *vf = &g_array_index (pf->vfs, BalVf, j);
          if (vf->use != BAL_VF_IDLE && bal_vf_book_find_vf (book, vf->pci) == NULL)
            bal_vf_refresh (self->root, vf);
        }
    }
}

/* With the lock held, but while it looks. */
static gboolean
look_unlocked (BalVfService *self)
{
  gboolean ok;

  g_mutex_unlock (&self->lock);
  ok = bal_vf_service_look (self, NULL);
  g_mutex_lock (&self->lock);
  return ok;
}

/* What else a look may change: other VFs and PFs, MAC addresses. */
static gboolean
is_worth_a_look (const BalVfService *self, const GError *cause)
{
  return cause->domain == BAL_VF_ERROR && cause->code != BAL_VF_ERROR_LEDGER
         && g_get_monotonic_time () - self->looked_us > FRESH_US;
}

const BalVfEntry *
bal_vf_service_reserve (BalVfService *self,
                        const BalVfRequest *request,
                        gboolean from_metadata,
                        int home_node,
                        GError **error)
{
  GError *cause = NULL;
  const BalVfEntry *entry = reserve_once (self, request, from_metadata, home_node, &cause);

  if (g_error_matches (cause, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED))
    {
      glance (self);
      g_clear_error (&cause);
      entry = reserve_once (self, request, from_metadata, home_node, &cause);
    }
  if (entry == NULL && is_worth_a_look (self, cause) && look_unlocked (self))
    {
      g_clear_error (&cause);
      entry = reserve_once (self, request, from_metadata, home_node, &cause);
    }
  if (entry == NULL)
    g_propagate_error (error, cause);
  else
    BAL_BREAKPOINT ("vf-reserved");
  return entry;
}

/* They change, and what the inventory has of them would be taken for the next user's. */
static void
forget_settings (BalVfService *self, const char *uuid, const char *port)
{
  const BalVfEntry *entry = bal_vf_service_find (self, uuid, port);
  BalVf *vf =
    entry == NULL ? NULL : bal_vf_inventory_find_vf (self->inventory, entry->vf_pci, NULL);

  if (vf == NULL)
    return;
  vf->has_settings = FALSE;
  gint64 *now_us = g_new (gint64, 1);
  *now_us = g_get_monotonic_time ();
  g_hash_table_insert (self->changed, g_strdup (vf->pci), now_us);
}

gboolean
bal_vf_service_set_up (BalVfService *self, const char *uuid, const char *port, GError **error)
{
  BalVfHost host = bal_vf_service_host (self);

  forget_settings (self, uuid, port);
  return bal_vf_port_set_up (&host, &self->nic, uuid, port, error) != NULL;
}

static BalVfEntry *
copy_of (BalVfService *self, const char *uuid, const char *port)
{
  const BalVfEntry *entry = bal_vf_service_find (self, uuid, port);

  return entry == NULL ? NULL : bal_vf_entry_copy (entry);
}

gboolean
bal_vf_service_tear_down (BalVfService *self, const char *uuid, const char *port, GError **error)
{
  BalVfHost host = bal_vf_service_host (self);
  g_autoptr (BalVfEntry) entry = copy_of (self, uuid, port);
  BalVfClock clock;

  forget_settings (self, uuid, port);
  if (!bal_vf_clock_read (self->root, &clock, error)
      || !bal_vf_port_tear_down (&host, &self->nic, &clock, uuid, port, error))
    return FALSE;
  bal_vf_service_log (entry, "free again");
  return TRUE;
}

gboolean
bal_vf_service_let_go (BalVfService *self, const char *uuid, const char *port, GError **error)
{
  g_autoptr (BalVfEntry) entry = copy_of (self, uuid, port);

  if (!bal_vf_ledger_remove (self->ledger, uuid, port, error))
    return FALSE;
  bal_vf_service_log (entry, "given up as it is");
  return TRUE;
}

BalVfEntry *
bal_vf_service_copy (BalVfService *self, const char *uuid, const char *port)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return copy_of (self, uuid, port);
}

GPtrArray *
bal_vf_service_copy_all (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);
  GPtrArray *copies = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);

  for (guint i = 0; i < entries->len; i++)
    g_ptr_array_add (copies, bal_vf_entry_copy (entries->pdata[i]));
  return copies;
}

const BalVfEntry *
bal_vf_service_find (BalVfService *self, const char *uuid, const char *port)
{
  return bal_vf_book_find (bal_vf_ledger_book (self->ledger), uuid, port);
}

gboolean
bal_vf_service_put_state (
  BalVfService *self, const BalVfEntry *entry, BalVfState state, const char *why, GError **error)
{
  g_autoptr (BalVfEntry) copy = bal_vf_entry_copy (entry);

  copy->state = state;
  bal_vf_entry_set_why (copy, why);
  if (entry->state == state && g_strcmp0 (entry->why, copy->why) == 0)
    return TRUE;
  return bal_vf_ledger_put (self->ledger, copy, error);
}

gboolean
bal_vf_service_mark_releasing (BalVfService *self,
                               const char *uuid,
                               const char *port,
                               GError **error)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];

      if ((port == NULL || strcmp (entry->request.port, port) == 0)
          && entry->state != BAL_VF_RELEASING
          && !bal_vf_service_put_state (self, entry, BAL_VF_RELEASING, NULL, error))
        return FALSE;
    }
  return TRUE;
}

/* --- claims --- */

gboolean
bal_vf_service_try_claim (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_hash_table_add (self->claims, g_strdup (uuid));
}

gboolean
bal_vf_service_claim_or_mark (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (g_hash_table_add (self->claims, g_strdup (uuid)))
    return TRUE;
  g_hash_table_add (self->again, g_strdup (uuid));
  return FALSE;
}

static gboolean
claim (BalVfService *self, const char *uuid, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)self->claim_ms * 1000;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  while (g_hash_table_contains (self->claims, uuid))
    if (!g_cond_wait_until (&self->unclaimed, &self->lock, end_us))
      {
        g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                     "Domain %s's ports are being worked on for long; nothing was changed, try "
                     "again",
                     uuid);
        return FALSE;
      }
  return g_hash_table_add (self->claims, g_strdup (uuid));
}

void
bal_vf_service_unclaim (BalVfService *self, const char *uuid)
{
  gboolean is_again;

  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->claims, uuid);
  is_again = g_hash_table_remove (self->again, uuid);
  g_cond_broadcast (&self->unclaimed);
  g_mutex_unlock (&self->lock);
  if (is_again)
    bal_vf_service_settle (self, uuid);
}

gboolean
bal_vf_service_operate (
  BalVfService *self, const char *uuid, BalVfOperation operation, gpointer data, GError **error)
{
  g_auto (BalVfLibvirt) libvirt = {0};
  gboolean ok;

  if (!bal_vf_service_reach (self, &libvirt, error) || !claim (self, uuid, error))
    return FALSE;
  ok = operation (self, &libvirt, uuid, data, error);
  bal_vf_service_unclaim (self, uuid);
  return ok;
}

gboolean
bal_vf_service_do_each (BalVfService *self,
                        const BalVfLibvirt *libvirt,
                        const GPtrArray *entries,
                        BalVfPortOperation operation,
                        gconstpointer data,
                        GError **error)
{
  gboolean ok = TRUE;

  for (guint i = 0; i < entries->len; i++)
    if (!operation (self, libvirt, entries->pdata[i], data, ok ? error : NULL))
      ok = FALSE;
  return ok;
}
