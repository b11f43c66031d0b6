/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ledger, sysfs and libvirt brought into line, again and again. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"

#include <string.h>

/* Parked VFs are attached again when no migration has begun for so long. */
#define PARKED_MAX_US (120 * G_USEC_PER_SEC)

/* A guest that has arrived runs a while before libvirt's job ends: the event that it does is no
 * reason to let it wait for the next round of all. */
#define ARRIVAL_MS 5000
#define POLL_MS 200

/* One round, about the domains that it has claimed. */
typedef struct
{
  BalVfService *service;
  BalVfLibvirt libvirt;
  GPtrArray *uuids;   /* claimed, of char * */
  GPtrArray *domains; /* all active ones, of BalVfDomain */
  GPtrArray *actions; /* of BalVfAction */
  BalVfClock clock;
} Round;

/* --- claims --- */

/* UUIDs in the ledger. */
static GPtrArray *
list_uuids (BalVfService *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *uuids = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      if (g_hash_table_add (seen, entry->request.uuid))
        g_ptr_array_add (uuids, g_strdup (entry->request.uuid));
    }
  return uuids;
}

/* Those that somebody else is at work on come to their right by him, or by the next round. */
static void
claim_all (Round *self)
{
  g_autoptr (GPtrArray) uuids = list_uuids (self->service);

  for (guint i = 0; i < uuids->len; i++)
    if (bal_vf_service_try_claim (self->service, uuids->pdata[i]))
      g_ptr_array_add (self->uuids, g_strdup (uuids->pdata[i]));
}

static gboolean
is_claimed (const Round *self, const char *uuid)
{
  return g_ptr_array_find_with_equal_func (self->uuids, uuid, g_str_equal, NULL);
}

/* --- parking --- */

static const BalVfDomain *
find_domain (const Round *self, const char *uuid)
{
  for (guint i = 0; i < self->domains->len; i++)
    {
      const BalVfDomain *domain = self->domains->pdata[i];
      if (strcmp (domain->uuid, uuid) == 0)
        return domain;
    }
  return NULL;
}

/* With the lock held: forgets those whose migration does not come, or is over. */
static void
look_at_parked (const Round *self)
{
  gint64 now_us = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer uuid, value;

  g_hash_table_iter_init (&iter, self->service->parked);
  while (g_hash_table_iter_next (&iter, &uuid, &value))
    {
      const BalVfDomain *domain = find_domain (self, uuid);
      gint64 *since_us = value;

      if (domain != NULL && domain->is_busy)
        *since_us = now_us;
      if (domain == NULL || now_us - *since_us >= PARKED_MAX_US)
        g_hash_table_iter_remove (&iter);
    }
}

/* --- what is to be done --- */

/* With the lock held: what the inventory says of the VFs that are handed out. */
static void
look_at_own (BalVfService *self)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      BalVf *vf = bal_vf_inventory_find_vf (self->inventory, entry->vf_pci, NULL);
      if (vf != NULL)
        bal_vf_refresh (self->root, vf);
    }
}

/* What is to be freed is marked so at once: a domain that starts meanwhile begins anew. */
static gboolean
take_up (BalVfService *self, const BalVfAction *action)
{
  g_autoptr (GError) error = NULL;

  if ((action->kind != BAL_VF_PUT_BACK && action->kind != BAL_VF_DROP)
      || bal_vf_service_mark_releasing (self, action->uuid, action->port, &error))
    return TRUE;
  bal_daemon_log (G_LOG_LEVEL_WARNING, action->uuid, "%s", error->message);
  return FALSE;
}

/* With the lock held: actions on claimed domains. */
static void
decide (Round *self)
{
  BalVfService *service = self->service;
  g_autoptr (GPtrArray) actions =
    bal_vf_reconcile (bal_vf_ledger_book (service->ledger), service->inventory, self->domains,
                      &self->clock);

  while (actions->len > 0)
    {
      BalVfAction *action = actions->pdata[0];

      if (is_claimed (self, action->uuid)
          && (action->kind != BAL_VF_ATTACH
              || !g_hash_table_contains (service->parked, action->uuid))
          && take_up (service, action))
        g_ptr_array_add (self->actions, g_ptr_array_steal_index (actions, 0));
      else
        g_ptr_array_remove_index (actions, 0);
    }
}

/* --- doing it --- */

/* TRUE when the domain is not to run without the port: it was started, just now, to have it. */
static gboolean
must_not_run (const Round *self, const BalVfEntry *entry, const BalVfStanding *standing)
{
  return entry->expires_us > self->clock.boottime_us && entry->request.required
         && entry->from_metadata && entry->state == BAL_VF_RESERVED && standing->is_active
         && !standing->is_busy && standing->has_booted;
}

static void
destroy (Round *self, const char *uuid, const char *port, const char *why)
{
  g_autoptr (GError) error = NULL;

  bal_daemon_log (G_LOG_LEVEL_WARNING, uuid,
                  "The domain is destroyed: it requires port %s, whose VF cannot be attached: %s",
                  port, why);
  if (!self->libvirt.destroy (self->libvirt.data, uuid, &error))
    bal_daemon_log (G_LOG_LEVEL_WARNING, uuid, "%s", error->message);
}

/* The same failure again and again is told once. */
static void
note_failure (BalVfService *self, const BalVfAction *action, const GError *cause)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, action->uuid, action->port);
  gboolean is_attach = action->kind == BAL_VF_ATTACH;

  if (entry == NULL || (is_attach && entry->state == BAL_VF_RELEASING))
    return;
  g_autofree char *before = g_strdup (entry->why);
  bal_vf_service_put_state (self, entry, is_attach ? BAL_VF_FAILED : entry->state, cause->message,
                            NULL);
  entry = bal_vf_service_find (self, action->uuid, action->port);
  if (entry == NULL || g_strcmp0 (before, entry->why) != 0)
    bal_daemon_log (G_LOG_LEVEL_WARNING, action->uuid, "Port %s: %s", action->port, cause->message);
}

static gboolean
attach (Round *self, const BalVfAction *action, const BalVfStanding *standing, GError **error)
{
  BalVfService *service = self->service;
  g_autoptr (GError) cause = NULL;
  gboolean must_end = FALSE;

  if (!standing->is_active || standing->is_busy
      || bal_vf_service_attach (service, &self->libvirt, action->uuid, action->port, &cause))
    return TRUE;
  g_mutex_lock (&service->lock);
  const BalVfEntry *entry = bal_vf_service_find (service, action->uuid, action->port);
  must_end = entry != NULL && must_not_run (self, entry, standing);
  g_mutex_unlock (&service->lock);
  if (must_end)
    destroy (self, action->uuid, action->port, cause->message);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* A ballastd that attached it may not have lived to see to the metadata. The domain may have ended,
 * and been started anew without the VF, since the round looked around. */
static gboolean
mark_attached (Round *self,
               const BalVfAction *action,
               const BalVfStanding *standing,
               GError **error)
{
  BalVfService *service = self->service;
  g_autoptr (BalVfEntry) entry = bal_vf_service_copy (service, action->uuid, action->port);
  gboolean has_it = FALSE;

  if (entry == NULL || !standing->is_active || standing->is_busy)
    return TRUE;
  if (!bal_vf_attach_is_done (&self->libvirt, entry, &has_it, error))
    return FALSE;
  return !has_it
         || (bal_vf_metadata_add (&self->libvirt, &entry->request, BAL_VF_LIVE, error)
             && bal_vf_service_note_attached (service, action->uuid, action->port, error));
}

static void
carry_out (Round *self, const BalVfAction *action)
{
  g_autoptr (GError) cause = NULL;
  BalVfStanding standing;
  gboolean ok = self->libvirt.look (self->libvirt.data, action->uuid, &standing, &cause);

  if (ok && action->kind == BAL_VF_ATTACH)
    ok = attach (self, action, &standing, &cause);
  else if (ok && action->kind == BAL_VF_MARK_ATTACHED)
    ok = mark_attached (self, action, &standing, &cause);
  else if (ok && action->kind == BAL_VF_DROP)
    ok = bal_vf_service_drop (self->service, &self->libvirt, &standing, action->uuid, action->port,
                              &cause);
  else if (ok)
    ok = bal_vf_service_finish (self->service, &self->libvirt, &standing, action->uuid,
                                action->port, BAL_VF_DETACH_AGAIN_MS, &cause);
  if (!ok)
    note_failure (self->service, action, cause);
}

/* --- rounds --- */

/* Those with nothing left to be done, from action @next on, need not wait for the others. */
static void
unclaim_done (Round *self, guint next)
{
  for (guint i = self->uuids->len; i > 0; i--)
    {
      const char *uuid = self->uuids->pdata[i - 1];
      gboolean has_action = FALSE;

      for (guint j = next; j < self->actions->len; j++)
        has_action |= strcmp (((BalVfAction *)self->actions->pdata[j])->uuid, uuid) == 0;
      if (has_action)
        continue;
      bal_vf_service_unclaim (self->service, uuid);
      g_ptr_array_remove_index (self->uuids, i - 1);
    }
}

/* FALSE: nothing can be told now. */
static gboolean
look_around (Round *self, gboolean is_all, GError **error)
{
  BalVfService *service = self->service;
  g_autoptr (GMutexLocker) locker = NULL;

  self->domains = self->libvirt.list (self->libvirt.data, error);
  if (self->domains == NULL || !bal_vf_clock_read (service->root, &self->clock, error))
    return FALSE;
  locker = g_mutex_locker_new (&service->lock);
  if (is_all && !bal_vf_service_look (service, error))
    return FALSE;
  look_at_own (service);
  look_at_parked (self);
  decide (self);
  return TRUE;
}

static void
run (Round *self, gboolean is_all)
{
  g_autoptr (GError) error = NULL;

  if (!look_around (self, is_all, &error))
    {
      bal_daemon_log (G_LOG_LEVEL_INFO, NULL, "VFs are not settled now: %s", error->message);
      return;
    }
  for (guint i = 0; i < self->actions->len; i++)
    {
      unclaim_done (self, i);
      carry_out (self, self->actions->pdata[i]);
    }
}

/* The domain, or any, has ports. */
static gboolean
has_ports (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

  return entries->len > 0;
}

/* TRUE when the one domain was busy. */
static gboolean
settle_once (BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid)
{
  Round round = {.service = self, .libvirt = *libvirt};
  const BalVfDomain *domain = NULL;
  gboolean is_busy;

  round.uuids = g_ptr_array_new_with_free_func (g_free);
  round.actions = g_ptr_array_new_with_free_func (bal_vf_action_free);
  if (uuid == NULL)
    claim_all (&round);
  else
    {
      bal_vf_service_claim (self, uuid);
      g_ptr_array_add (round.uuids, g_strdup (uuid));
    }
  run (&round, uuid == NULL);
  for (guint i = 0; i < round.uuids->len; i++)
    bal_vf_service_unclaim (self, round.uuids->pdata[i]);
  if (uuid != NULL && round.domains != NULL)
    domain = find_domain (&round, uuid);
  is_busy = domain != NULL && domain->is_busy;
  g_ptr_array_unref (round.uuids);
  g_ptr_array_unref (round.actions);
  g_clear_pointer (&round.domains, g_ptr_array_unref);
  return is_busy;
}

void
bal_vf_service_settle (BalVfService *self, const char *uuid)
{
  gint64 end_us = g_get_monotonic_time () + ARRIVAL_MS * 1000;
  g_auto (BalVfLibvirt) libvirt = {0};

  if (!has_ports (self, uuid) || !bal_vf_service_reach (self, &libvirt, NULL))
    return;
  while (settle_once (self, &libvirt, uuid) && g_get_monotonic_time () < end_us)
    g_usleep (POLL_MS * 1000);
}
