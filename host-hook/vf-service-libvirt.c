/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port comes to with libvirt. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"
#include "host-hook/failure.h"
#include "host-hook/vf-error.h"

/* --- the connection --- */

void
bal_vf_service_set_connection (BalVfService *self, virConnectPtr connection)
{
  virConnectPtr before;

  if (connection != NULL)
    virConnectRef (connection);
  g_mutex_lock (&self->connection_lock);
  before = self->connection;
  self->connection = connection;
  g_mutex_unlock (&self->connection_lock);
  if (before != NULL)
    virConnectClose (before);
}

gboolean
bal_vf_service_reach (BalVfService *self, BalVfLibvirt *out, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->connection_lock);

  *out = (BalVfLibvirt){0};
  if (self->stand_in != NULL)
    *out = *self->stand_in;
  else if (self->connection != NULL)
    *out = bal_vf_libvirt_new (self->connection);
  else
    g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND,
                 "libvirt is away; nothing was changed, try again when it runs");
  return out->list != NULL;
}

/* --- attaching and releasing --- */

/* The port's entry, made ready, whose address nobody may free until it has been told to libvirt. */
static BalVfEntry *
begin_attach (
  BalVfService *self, const char *uuid, const char *port, gboolean is_done, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, uuid, port);

  if (entry == NULL || entry->state == BAL_VF_RELEASING)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "Port %s of domain %s is released meanwhile: its VF was not attached", port,
                   uuid);
      return NULL;
    }
  if (g_hash_table_contains (self->parked, uuid))
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "Port %s of domain %s is detached for a migration: its VF was not attached",
                   port, uuid);
      return NULL;
    }
  /* Settings may have been lost with a reset of the PF; a VF that a guest has is left alone. */
  if (!is_done && !bal_vf_service_set_up (self, uuid, port, error))
    return NULL;
  g_hash_table_add (self->attaching, g_strdup (uuid));
  return bal_vf_entry_copy (bal_vf_service_find (self, uuid, port));
}

static void
end_attach (BalVfService *self, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  g_hash_table_remove (self->attaching, uuid);
}

gboolean
bal_vf_service_note_attached (BalVfService *self,
                              const char *uuid,
                              const char *port,
                              GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, uuid, port);

  if (entry == NULL || entry->state == BAL_VF_RELEASING)
    {
      g_set_error (
        error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
        "Port %s of domain %s was released while its VF was attached: the VF is taken back", port,
        uuid);
      return FALSE;
    }
  if (entry->state == BAL_VF_ATTACHED && entry->from_metadata)
    return bal_vf_service_put_state (self, entry, BAL_VF_ATTACHED, NULL, error);
  gboolean is_new = entry->state != BAL_VF_ATTACHED;
  g_autoptr (BalVfEntry) copy = bal_vf_entry_copy (entry);
  copy->state = BAL_VF_ATTACHED;
  copy->from_metadata = TRUE;
  bal_vf_entry_set_why (copy, NULL);
  if (!bal_vf_ledger_put (self->ledger, copy, error))
    return FALSE;
  if (is_new)
    bal_vf_service_log (copy, "attached");
  return TRUE;
}

gboolean
bal_vf_service_attach (BalVfService *self,
                       const BalVfLibvirt *libvirt,
                       const char *uuid,
                       const char *port,
                       GError **error)
{
  g_autoptr (BalVfEntry) before = bal_vf_service_copy (self, uuid, port);
  gboolean is_done = FALSE;
  gboolean ok;

  if (before != NULL && !bal_vf_attach_is_done (libvirt, before, &is_done, error))
    return FALSE;
  g_autoptr (BalVfEntry) entry = begin_attach (self, uuid, port, is_done, error);
  if (entry == NULL)
    return FALSE;
  ok = bal_vf_attach (libvirt, self->root, entry, error)
       && bal_vf_metadata_add (libvirt, &entry->request, BAL_VF_LIVE, error);
  end_attach (self, uuid);
  return ok && bal_vf_service_note_attached (self, uuid, port, error);
}

gboolean
bal_vf_service_forget_live (const BalVfLibvirt *libvirt,
                            const BalVfRequest *request,
                            GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (bal_vf_metadata_remove (libvirt, request->uuid, request->port, BAL_VF_LIVE, NULL, &cause))
    return TRUE;
  if (g_error_matches (cause, BAL_VF_ERROR, BAL_VF_ERROR_INVALID))
    {
      bal_daemon_log (G_LOG_LEVEL_WARNING, request->uuid,
                      "Port %s stays in the domain's metadata, which cannot be read: %s",
                      request->port, cause->message);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
take_from_domain (BalVfService *self,
                  const BalVfLibvirt *libvirt,
                  const BalVfStanding *standing,
                  const BalVfEntry *entry,
                  guint wait_ms,
                  GError **error)
{
  const BalVfRequest *request = &entry->request;

  if (standing->is_busy)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "Port %s of domain %s cannot be taken away while a migration or another job "
                   "holds the domain; it is taken back behind that",
                   request->port, request->uuid);
      return FALSE;
    }
  return bal_vf_service_forget_live (libvirt, request, error)
         && bal_vf_detach (libvirt, self->root, entry, wait_ms,
                           "the VF is taken back as soon as it does, or when the domain ends",
                           error);
}

/* What frees a port's VF, with the lock held. */
typedef gboolean (*Free) (BalVfService *self, const char *uuid, const char *port, GError **error);

/* A hook may have freed it meanwhile, and the domain, started anew, have asked again. */
static gboolean
free_if_releasing (
  BalVfService *self, const char *uuid, const char *port, Free free_it, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *now = bal_vf_service_find (self, uuid, port);

  return now == NULL || now->state != BAL_VF_RELEASING || free_it (self, uuid, port, error);
}

gboolean
bal_vf_service_finish (BalVfService *self,
                       const BalVfLibvirt *libvirt,
                       const BalVfStanding *standing,
                       const char *uuid,
                       const char *port,
                       guint wait_ms,
                       GError **error)
{
  g_autoptr (BalVfEntry) entry = bal_vf_service_copy (self, uuid, port);

  if (entry == NULL || entry->state != BAL_VF_RELEASING)
    return TRUE;
  if (standing->is_active && !take_from_domain (self, libvirt, standing, entry, wait_ms, error))
    return FALSE;
  return free_if_releasing (self, uuid, port, bal_vf_service_tear_down, error);
}

gboolean
bal_vf_service_drop (BalVfService *self,
                     const BalVfLibvirt *libvirt,
                     const BalVfStanding *standing,
                     const char *uuid,
                     const char *port,
                     GError **error)
{
  g_autoptr (BalVfEntry) entry = bal_vf_service_copy (self, uuid, port);

  if (entry == NULL || entry->state != BAL_VF_RELEASING)
    return TRUE;
  if (standing->is_active && !bal_vf_service_forget_live (libvirt, &entry->request, error))
    return FALSE;
  return free_if_releasing (self, uuid, port, bal_vf_service_let_go, error);
}
