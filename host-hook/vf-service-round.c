/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ledger, sysfs and libvirt brought into line, about one domain. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"
#include "host-hook/vf-interface.h"

#include <string.h>

/* Parked VFs are attached again when no migration has begun for so long. */
#define PARKED_MAX_US (120 * G_USEC_PER_SEC)

/* A domain that was started to have a port ends when it did not get it while its reservation
 * lasted, but not long after that: then it has run without it. */
#define LATE_US (60 * G_USEC_PER_SEC)

/* One round about one domain, with the claim on it. */
typedef struct
{
  BalVfService *service;
  BalVfLibvirt libvirt;
  const char *uuid;
  const GPtrArray *others; /* all active domains, of BalVfDomain, a little older; NULL: not known */
  BalVfDomain *domain;     /* NULL: it is not active */
  GPtrArray *actions;      /* of BalVfAction */
  BalVfClock clock;
} Round;

/* --- looking at libvirt --- */

/* What libvirt says of one domain; *@out is NULL when it is not active. */
static gboolean
describe (const BalVfLibvirt *libvirt, const char *uuid, BalVfDomain **out, GError **error)
{
  BalVfStanding standing;
  g_autofree char *xml = NULL;
  g_autoptr (GArray) held = NULL;
  g_autoptr (GError) cause = NULL;

  *out = NULL;
  if (!libvirt->look (libvirt->data, uuid, &standing, error))
    return FALSE;
  if (!standing.is_active)
    return TRUE;
  xml = libvirt->read_xml (libvirt->data, uuid, BAL_VF_LIVE, &cause);
  held = xml == NULL ? NULL : bal_vf_interface_list_held (xml, &cause);
  if (held == NULL)
    {
      /* It may have ended since. */
      if (libvirt->look (libvirt->data, uuid, &standing, NULL) && !standing.is_active)
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  *out = bal_vf_domain_new (uuid);
  (*out)->is_busy = standing.is_busy;
  for (guint i = 0; i < held->len; i++)
    g_ptr_array_add ((*out)->vf_pcis, g_strdup (g_array_index (held, BalVfHeld, i).pci));
  return TRUE;
}

/* --- parking --- */

/* With the lock held: forgets a parking whose migration does not come, or is over. */
static void
look_at_parked (BalVfService *service, const char *uuid, const BalVfDomain *domain)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 *since_us = g_hash_table_lookup (service->parked, uuid);

  if (since_us == NULL)
    return;
  if (domain != NULL && domain->is_busy)
    *since_us = now_us;
  if (domain == NULL || now_us - *since_us >= PARKED_MAX_US)
    g_hash_table_remove (service->parked, uuid);
}

/* --- what is to be done --- */

/* With the lock held: what the inventory says of the domain's VFs. */
static void
look_at_own (BalVfService *self, const char *uuid)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

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

/* What frees a VF needs to know that no other domain has it. */
static gboolean
needs_others (const GPtrArray *actions)
{
  for (guint i = 0; i < actions->len; i++)
    {
      const BalVfAction *action = actions->pdata[i];
      if (action->kind == BAL_VF_PUT_BACK || action->kind == BAL_VF_DROP)
        return TRUE;
    }
  return FALSE;
}

/* The domain as it is now, among the others. */
static GPtrArray *
list_domains (const Round *self)
{
  GPtrArray *domains = g_ptr_array_new ();

  for (guint i = 0; self->others != NULL && i < self->others->len; i++)
    {
      BalVfDomain *other = self->others->pdata[i];
      if (strcmp (other->uuid, self->uuid) != 0)
        g_ptr_array_add (domains, other);
    }
  if (self->domain != NULL)
    g_ptr_array_add (domains, self->domain);
  return domains;
}

/* FALSE: the others must be known first. */
static gboolean
decide (Round *self)
{
  BalVfService *service = self->service;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&service->lock);
  g_autoptr (GPtrArray) domains = list_domains (self);
  g_autoptr (GPtrArray) actions = NULL;

  look_at_own (service, self->uuid);
  look_at_parked (service, self->uuid, self->domain);
  actions = bal_vf_reconcile (bal_vf_ledger_book (service->ledger), self->uuid, service->inventory,
                              domains, &self->clock);
  if (self->others == NULL && needs_others (actions))
    return FALSE;
  while (actions->len > 0)
    {
      BalVfAction *action = actions->pdata[0];

      if ((action->kind != BAL_VF_ATTACH || !g_hash_table_contains (service->parked, action->uuid))
          && take_up (service, action))
        g_ptr_array_add (self->actions, g_ptr_array_steal_index (actions, 0));
      else
        g_ptr_array_remove_index (actions, 0);
    }
  return TRUE;
}

/* --- doing it --- */

/* It was started, not long ago, to have the port. */
static gboolean
is_starting (const BalVfEntry *entry, const BalVfStanding *standing)
{
  return entry->request.required && entry->from_metadata && entry->state == BAL_VF_RESERVED
         && standing->is_active && !standing->is_busy && standing->has_booted;
}

/* One that was tried has a sentence why it did not come to it. */
static gboolean
must_end (const Round *self, const BalVfEntry *entry)
{
  return entry->why != NULL && self->clock.boottime_us >= entry->expires_us
         && self->clock.boottime_us < entry->expires_us + LATE_US;
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

static BalVfState
state_after_failure (const Round *self,
                     const BalVfAction *action,
                     const BalVfEntry *entry,
                     const BalVfStanding *standing)
{
  if (action->kind != BAL_VF_ATTACH)
    return entry->state;
  return is_starting (entry, standing) && self->clock.boottime_us < entry->expires_us
           ? BAL_VF_RESERVED
           : BAL_VF_FAILED;
}

/* The same failure again and again is told once. */
static void
note_failure (const Round *self,
              const BalVfAction *action,
              const BalVfStanding *standing,
              const GError *cause)
{
  BalVfService *service = self->service;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&service->lock);
  const BalVfEntry *entry = bal_vf_service_find (service, action->uuid, action->port);

  if (entry == NULL || (action->kind == BAL_VF_ATTACH && entry->state == BAL_VF_RELEASING))
    return;
  g_autofree char *before = g_strdup (entry->why);
  bal_vf_service_put_state (service, entry, state_after_failure (self, action, entry, standing),
                            cause->message, NULL);
  entry = bal_vf_service_find (service, action->uuid, action->port);
  if (entry == NULL || g_strcmp0 (before, entry->why) != 0)
    bal_daemon_log (G_LOG_LEVEL_WARNING, action->uuid, "Port %s: %s", action->port, cause->message);
}

static gboolean
attach (Round *self, const BalVfAction *action, const BalVfStanding *standing, GError **error)
{
  BalVfService *service = self->service;
  /* As it is before it is tried: trying forgets why it did not come to it. */
  g_autoptr (BalVfEntry) entry = bal_vf_service_copy (service, action->uuid, action->port);
  g_autoptr (GError) cause = NULL;

  if (!standing->is_active || standing->is_busy
      || bal_vf_service_attach (service, &self->libvirt, action->uuid, action->port, &cause))
    return TRUE;
  if (entry != NULL && is_starting (entry, standing) && must_end (self, entry))
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
  BalVfStanding standing = {0};
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
    note_failure (self, action, &standing, cause);
}

/* --- rounds --- */

static gboolean
look_and_decide (Round *self, GError **error)
{
  g_autoptr (GPtrArray) others = NULL;

  if (!describe (&self->libvirt, self->uuid, &self->domain, error)
      || !bal_vf_clock_read (self->service->root, &self->clock, error))
    return FALSE;
  if (decide (self))
    return TRUE;
  others = self->libvirt.list (self->libvirt.data, error);
  if (others == NULL)
    return FALSE;
  self->others = others;
  decide (self);
  self->others = NULL;
  return TRUE;
}

/* With the claim on the domain held. TRUE when it was busy. */
static gboolean
run (Round *self)
{
  g_autoptr (GError) error = NULL;

  if (!look_and_decide (self, &error))
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "VFs are not settled now: %s", error->message);
  for (guint i = 0; i < self->actions->len; i++)
    carry_out (self, self->actions->pdata[i]);
  return self->domain != NULL && self->domain->is_busy;
}

gboolean
bal_vf_service_settle_domain (BalVfService *service,
                              const BalVfLibvirt *libvirt,
                              const char *uuid,
                              const GPtrArray *others)
{
  Round round = {.service = service, .libvirt = *libvirt, .uuid = uuid, .others = others};
  gboolean is_busy;

  round.actions = g_ptr_array_new_with_free_func (bal_vf_action_free);
  is_busy = run (&round);
  g_ptr_array_unref (round.actions);
  g_clear_pointer (&round.domain, bal_vf_domain_free);
  return is_busy;
}
