/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes when a domain ends, or begins anew: asked by a hook, for which libvirt waits. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"

/* A domain that is started right after it ended may find its VF on the way back to its own driver,
 * which takes a second or so. */
#define STILL_RELEASING_MS 3000
#define POLL_MS 50

/* The address of one of its VFs is on its way to libvirt. */
static gboolean
is_attaching (BalVfService *self, const char *uuid)
{
  return g_hash_table_contains (self->attaching, uuid);
}

static gboolean
is_asked_for (const GArray *requests, const BalVfEntry *entry)
{
  for (guint i = 0; i < requests->len; i++)
    if (bal_vf_request_equal (&g_array_index (requests, BalVfRequest, i), &entry->request))
      return TRUE;
  return FALSE;
}

gboolean
bal_vf_service_release_others (BalVfService *self,
                               const char *uuid,
                               const GArray *requests,
                               GError **error)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      g_autofree char *port = g_strdup (entry->request.port);

      if (!is_asked_for (requests, entry)
          && !bal_vf_service_mark_releasing (self, uuid, port, error))
        return FALSE;
    }
  return TRUE;
}

/* Somebody has its VF, or it is on the way back to its own driver. */
static gboolean
is_used (BalVfService *self, const BalVfEntry *entry)
{
  BalVf *vf = bal_vf_inventory_find_vf (self->inventory, entry->vf_pci, NULL);

  if (vf == NULL)
    return FALSE;
  bal_vf_refresh (self->root, vf);
  return vf->use != BAL_VF_IDLE && vf->use != BAL_VF_PREPARED;
}

/* FALSE when a VF of the domain, which does not run, is not free yet. What fails otherwise is not
 * worth waiting for. */
static gboolean
finish_releases (BalVfService *self, const char *uuid)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);
  gboolean done = TRUE;

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      g_autofree char *port = g_strdup (entry->request.port);

      if (is_attaching (self, uuid) || is_used (self, entry))
        done = FALSE;
      else if (entry->state == BAL_VF_RELEASING)
        bal_vf_service_tear_down (self, uuid, port, NULL);
    }
  return done;
}

void
bal_vf_service_await_releases (BalVfService *self, const char *uuid)
{
  gint64 end_us = g_get_monotonic_time () + STILL_RELEASING_MS * 1000;

  while (!finish_releases (self, uuid) && g_get_monotonic_time () < end_us)
    {
      g_mutex_unlock (&self->lock);
      g_usleep (POLL_MS * 1000);
      g_mutex_lock (&self->lock);
    }
}

void
bal_vf_service_end (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GError) error = NULL;

  if (!bal_vf_service_mark_releasing (self, uuid, NULL, &error))
    bal_daemon_log (G_LOG_LEVEL_WARNING, uuid, "%s", error->message);
  g_hash_table_remove (self->parked, uuid);
  if (is_attaching (self, uuid))
    return;
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);
  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      g_autofree char *port = g_strdup (entry->request.port);
      g_autoptr (GError) cause = NULL;

      if (!bal_vf_service_tear_down (self, uuid, port, &cause))
        bal_daemon_log (G_LOG_LEVEL_INFO, uuid, "%s", cause->message);
    }
}
