/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the ledger, before Ballast is removed. */
#include "host-hook/vf-service-core.h"

#include "host-hook/failure.h"
#include "host-hook/vf-error.h"

#include <string.h>

typedef struct
{
  const GPtrArray *domains; /* all active ones, of BalVfDomain */
  const char *boot_id;
  GPtrArray *handed_over; /* of BalVfEntry */
  GPtrArray *left;        /* of char * */
} Retirement;

static gboolean
others_have (const GPtrArray *domains, const BalVfEntry *entry)
{
  for (guint i = 0; i < domains->len; i++)
    {
      const BalVfDomain *domain = domains->pdata[i];

      for (guint j = 0; strcmp (domain->uuid, entry->request.uuid) != 0 && j < domain->vf_pcis->len;
           j++)
        if (strcmp (domain->vf_pcis->pdata[j], entry->vf_pci) == 0)
          return TRUE;
    }
  return FALSE;
}

static gboolean
look_for_job (const BalVfLibvirt *libvirt, const char *uuid, BalVfStanding *out, GError **error)
{
  if (!libvirt->look (libvirt->data, uuid, out, error))
    return FALSE;
  if (!out->is_busy)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Domain %s is held by a migration or another job; its ports were left as they are",
               uuid);
  return FALSE;
}

/* Whether it stands as it did when its port was taken out of the live metadata. */
static gboolean
look_again (const BalVfLibvirt *libvirt, const char *uuid, GError **error)
{
  BalVfStanding standing;

  if (!look_for_job (libvirt, uuid, &standing, error))
    return FALSE;
  if (standing.is_active)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Domain %s has ended meanwhile; its ports were left as they are", uuid);
  return FALSE;
}

/* A releasing port's VF would be taken from the guest by a ballastd that came back: so what is not
 * being released already is removed as an attached one, by one line of the ledger. */
static gboolean
forget_attached (BalVfService *self, const BalVfRequest *request, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, request->uuid, request->port);

  return (entry == NULL || entry->state == BAL_VF_RELEASING
          || bal_vf_service_put_state (self, entry, BAL_VF_ATTACHED, NULL, error))
         && bal_vf_ledger_remove (self->ledger, request->uuid, request->port, error);
}

/* The ledger's end of it comes last: cut off before that, all of it is done once more. A migration
 * that has begun meanwhile took metadata along that does not ask for the port: what another job
 * lets be mended is, and the VF stays Ballast's. */
static gboolean
hand_over (BalVfService *self, const BalVfLibvirt *libvirt, const BalVfEntry *entry, GError **error)
{
  const BalVfRequest *request = &entry->request;

  if (!bal_vf_service_forget_live (libvirt, request, error))
    return FALSE;
  if (look_again (libvirt, request->uuid, error))
    return forget_attached (self, request, error);
  bal_vf_metadata_add (libvirt, request, BAL_VF_LIVE, NULL);
  return FALSE;
}

static gboolean
mark (BalVfService *self, const BalVfRequest *request, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return bal_vf_service_mark_releasing (self, request->uuid, request->port, error);
}

/* Where nothing is left to put back, or the VF is another's, it is not touched (see
 * vf-reconcile.h).
 */
static gboolean
give_back (BalVfService *self,
           const BalVfLibvirt *libvirt,
           const BalVfStanding *standing,
           const BalVfEntry *entry,
           const Retirement *work,
           GError **error)
{
  const BalVfRequest *request = &entry->request;

  if (!mark (self, request, error))
    return FALSE;
  if (others_have (work->domains, entry) || strcmp (entry->boot_id, work->boot_id) != 0)
    return bal_vf_service_drop (self, libvirt, standing, request->uuid, request->port, error);
  return bal_vf_service_finish (self, libvirt, standing, request->uuid, request->port,
                                self->detach_ms, error);
}

static void
retire_port (BalVfService *self,
             const BalVfLibvirt *libvirt,
             const BalVfStanding *standing,
             const BalVfEntry *entry,
             Retirement *work)
{
  gboolean has_it = FALSE;
  g_autoptr (GError) cause = NULL;

  gboolean ok = !standing->is_active || bal_vf_attach_is_done (libvirt, entry, &has_it, &cause);

  if (ok && has_it)
    ok = hand_over (self, libvirt, entry, &cause);
  else if (ok)
    ok = give_back (self, libvirt, standing, entry, work, &cause);
  if (!ok)
    g_ptr_array_add (work->left, g_strdup (cause->message));
  else if (has_it)
    g_ptr_array_add (work->handed_over, bal_vf_entry_copy (entry));
}

static gboolean
retire_domain (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error)
{
  Retirement *work = data;
  BalVfStanding standing;
  g_autoptr (GPtrArray) entries = NULL;

  if (!look_for_job (libvirt, uuid, &standing, error))
    return FALSE;
  entries = bal_vf_service_copy_all (self, uuid);
  for (guint i = 0; i < entries->len; i++)
    retire_port (self, libvirt, &standing, entries->pdata[i], work);
  return TRUE;
}

gboolean
bal_vf_service_retire (BalVfService *self, GPtrArray *handed_over, GPtrArray *left, GError **error)
{
  g_auto (BalVfLibvirt) libvirt = {0};
  g_autoptr (GPtrArray) domains = NULL;
  g_autoptr (GPtrArray) entries = bal_vf_service_copy_all (self, NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  Retirement work = {.handed_over = handed_over, .left = left};
  BalVfClock clock;

  if (entries->len == 0)
    return TRUE;
  if (!bal_vf_service_reach (self, &libvirt, error)
      || !bal_vf_clock_read (self->root, &clock, error))
    return FALSE;
  domains = libvirt.list (libvirt.data, error);
  if (domains == NULL)
    return FALSE;
  work.domains = domains;
  work.boot_id = clock.boot_id;
  for (guint i = 0; i < entries->len; i++)
    {
      BalVfEntry *entry = entries->pdata[i];
      g_autoptr (GError) cause = NULL;

      if (g_hash_table_add (seen, entry->request.uuid)
          && !bal_vf_service_operate (self, entry->request.uuid, retire_domain, &work, &cause))
        g_ptr_array_add (left, g_strdup (cause->message));
    }
  return TRUE;
}
