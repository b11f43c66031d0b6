/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains there is something to be done about, again and again. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"

/* A guest that has arrived runs a while before libvirt's job ends: the event that it does is no
 * reason to let it wait for the next round of all. */
#define ARRIVAL_MS 5000
#define POLL_MS 200

static gboolean
has_ports (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

  return entries->len > 0;
}

/* Who has the claim does it again when he is done with it. */
static void
settle_one (BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid)
{
  gint64 end_us = g_get_monotonic_time () + ARRIVAL_MS * 1000;
  gboolean is_busy = TRUE;

  while (is_busy && bal_vf_service_claim_or_mark (self, uuid))
    {
      is_busy = bal_vf_service_settle_domain (self, libvirt, uuid, NULL);
      bal_vf_service_unclaim (self, uuid);
      if (g_get_monotonic_time () >= end_us)
        return;
      if (is_busy)
        g_usleep (POLL_MS * 1000);
    }
}

/* Domains about whose ports something is to be done, or that are parked. */
static GHashTable *
find_concerned (BalVfService *self, const GPtrArray *domains, GError **error)
{
  GHashTable *uuids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) actions = NULL;
  GHashTableIter iter;
  gpointer uuid;
  BalVfStock stock = {0};
  BalVfClock clock;

  if (!bal_vf_clock_read (self->root, &clock, error)
      || !bal_vf_service_take_stock (self, &stock, error))
    {
      g_hash_table_unref (uuids);
      return NULL;
    }
  actions = bal_vf_reconcile (stock.book, NULL, stock.inventory, domains, &clock);
  bal_vf_service_put_stock (self, &stock);
  for (guint i = 0; i < actions->len; i++)
    g_hash_table_add (uuids, g_strdup (((BalVfAction *)actions->pdata[i])->uuid));
  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->parked);
  while (g_hash_table_iter_next (&iter, &uuid, NULL))
    g_hash_table_add (uuids, g_strdup (uuid));
  g_mutex_unlock (&self->lock);
  return uuids;
}

/* One that somebody else is at work on comes to its right by him, or by the next round. */
static void
settle_all (BalVfService *self, const BalVfLibvirt *libvirt)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) domains = libvirt->list (libvirt->data, &error);
  g_autoptr (GHashTable) uuids = NULL;
  GHashTableIter iter;
  gpointer uuid;

  if (domains != NULL)
    uuids = find_concerned (self, domains, &error);
  if (uuids == NULL)
    {
      bal_daemon_log (G_LOG_LEVEL_INFO, NULL, "VFs are not settled now: %s", error->message);
      return;
    }
  g_hash_table_iter_init (&iter, uuids);
  while (g_hash_table_iter_next (&iter, &uuid, NULL))
    if (bal_vf_service_try_claim (self, uuid))
      {
        bal_vf_service_settle_domain (self, libvirt, uuid, domains);
        bal_vf_service_unclaim (self, uuid);
      }
}

void
bal_vf_service_settle (BalVfService *self, const char *uuid)
{
  g_auto (BalVfLibvirt) libvirt = {0};

  if (!has_ports (self, uuid) || !bal_vf_service_reach (self, &libvirt, NULL))
    return;
  if (uuid == NULL)
    settle_all (self, &libvirt);
  else
    settle_one (self, &libvirt, uuid);
}
