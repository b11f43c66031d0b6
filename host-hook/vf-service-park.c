/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain without its VFs for the time of a migration. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"
#include "host-hook/vf-error.h"

/* Of an entry that is parked. It is `failed`, which is what settle() attaches, after a crash too.
 */
#define WHY_PARKED "It was detached for a migration of the domain"

static void
set_parked (BalVfService *self, const char *uuid, gboolean is_parked)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  gint64 *since_us;

  if (!is_parked)
    {
      g_hash_table_remove (self->parked, uuid);
      return;
    }
  since_us = g_new (gint64, 1);
  *since_us = g_get_monotonic_time ();
  g_hash_table_insert (self->parked, g_strdup (uuid), since_us);
}

/* Copies of the entries that are to be detached, or attached: not those that a standby stands in
 * for, which libvirt migrates. */
static GPtrArray *
list_own (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);
  GPtrArray *own = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      if (entry->request.standby == NULL && entry->state != BAL_VF_RELEASING)
        g_ptr_array_add (own, bal_vf_entry_copy (entry));
    }
  return own;
}

static gboolean
check_runs_free (const BalVfLibvirt *libvirt, const char *uuid, GError **error)
{
  BalVfStanding standing;

  if (!libvirt->look (libvirt->data, uuid, &standing, error))
    return FALSE;
  if (standing.is_active && !standing.is_busy)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR,
               standing.is_known ? BAL_VF_ERROR_CONFLICT : BAL_VF_ERROR_NOT_FOUND,
               "Domain %s %s; its VFs were left as they are", uuid,
               standing.is_active ? "is held by a migration or another job" : "does not run here");
  return FALSE;
}

/* --- parking --- */

/* In the ledger before it is done, so that a crash leaves what settle() attaches. */
static gboolean
park_port (BalVfService *self, const BalVfLibvirt *libvirt, const BalVfEntry *entry, GError **error)
{
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  const BalVfEntry *now = bal_vf_service_find (self, entry->request.uuid, entry->request.port);
  if (now != NULL && now->state != BAL_VF_RELEASING)
    ok = bal_vf_service_put_state (self, now, BAL_VF_FAILED, WHY_PARKED, error);
  g_mutex_unlock (&self->lock);
  if (!ok
      || !bal_vf_detach (libvirt, self->root, entry, self->detach_ms,
                         "the VF stays the domain's, and is attached again when it does", error))
    return FALSE;
  bal_vf_service_log (entry, "detached for a migration");
  return TRUE;
}

/* The guest may let go later: who looks at the port is to know why. */
static void
say_why (BalVfService *self, const BalVfEntry *parked, const char *why)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *now = bal_vf_service_find (self, parked->request.uuid, parked->request.port);

  if (now != NULL && now->state != BAL_VF_RELEASING)
    bal_vf_service_put_state (self, now, now->state, why, NULL);
}

static gboolean
attach_port (BalVfService *self,
             const BalVfLibvirt *libvirt,
             const BalVfEntry *entry,
             gconstpointer data,
             GError **error)
{
  return bal_vf_service_attach (self, libvirt, entry->request.uuid, entry->request.port, error);
}

static gboolean
attach_all (BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, GError **error)
{
  g_autoptr (GPtrArray) own = list_own (self, uuid);

  return bal_vf_service_do_each (self, libvirt, own, attach_port, NULL, error);
}

static void
give_up_parking (BalVfService *self,
                 const BalVfLibvirt *libvirt,
                 const BalVfEntry *entry,
                 const char *why)
{
  const char *uuid = entry->request.uuid;
  g_autoptr (GError) error = NULL;

  set_parked (self, uuid, FALSE);
  if (!attach_all (self, libvirt, uuid, &error))
    bal_daemon_log (G_LOG_LEVEL_WARNING, uuid, "%s", error->message);
  say_why (self, entry, why);
}

static gboolean
park (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error)
{
  g_autoptr (GPtrArray) own = list_own (self, uuid);
  g_autoptr (GError) cause = NULL;

  if (own->len == 0)
    return TRUE;
  if (!check_runs_free (libvirt, uuid, error))
    return FALSE;
  set_parked (self, uuid, TRUE);
  for (guint i = 0; i < own->len; i++)
    if (!park_port (self, libvirt, own->pdata[i], &cause))
      {
        give_up_parking (self, libvirt, own->pdata[i], cause->message);
        g_propagate_error (error, g_steal_pointer (&cause));
        return FALSE;
      }
  /* The time begins when the caller can begin. */
  set_parked (self, uuid, TRUE);
  return TRUE;
}

static gboolean
unpark (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error)
{
  set_parked (self, uuid, FALSE);
  return check_runs_free (libvirt, uuid, error) && attach_all (self, libvirt, uuid, error);
}

gboolean
bal_vf_service_park (BalVfService *self, const char *uuid, GError **error)
{
  return bal_vf_service_operate (self, uuid, park, NULL, error);
}

gboolean
bal_vf_service_unpark (BalVfService *self, const char *uuid, GError **error)
{
  return bal_vf_service_operate (self, uuid, unpark, NULL, error);
}
