/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a hook asks: libvirt waits for the answer and cannot be asked itself. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"
#include "host-hook/vf-allocate.h"
#include "host-hook/vf-error.h"
#include "host-hook/vf-interface.h"

#include <string.h>

#define POLL_MS 50

static const BalVfEntry *
find (BalVfService *self, const BalVfRequest *request)
{
  return bal_vf_service_find (self, request->uuid, request->port);
}

/* --- prepare --- */

/* Nobody may have heard that it had stopped: whatever it was before, now it is to be attached. */
static gboolean
begin_anew (BalVfService *self, const BalVfRequest *request, GError **error)
{
  const BalVfEntry *before = find (self, request);

  if (before == NULL)
    return TRUE;
  if (before->state != BAL_VF_RELEASING)
    return bal_vf_service_put_state (self, before, BAL_VF_RESERVED, NULL, error);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Port %s of domain %s is still being released (%s): it was left as it is, try again",
               request->port, request->uuid,
               before->why == NULL ? "its VF is on its way" : before->why);
  return FALSE;
}

/* A host that boots has its links up after some seconds, and starts domains before that. */
static gboolean
reserve_with_link (
  BalVfService *self, const BalVfRequest *request, int home_node, gint64 end_us, GError **error)
{
  for (;;)
    {
      g_autoptr (GError) cause = NULL;

      if (bal_vf_service_reserve (self, request, TRUE, home_node, &cause) != NULL)
        return TRUE;
      if (!g_error_matches (cause, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED)
          || g_get_monotonic_time () >= end_us
          || !bal_vf_allocate_lacks_link (self->inventory, bal_vf_ledger_book (self->ledger),
                                          request))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      g_mutex_unlock (&self->lock);
      g_usleep (POLL_MS * 1000);
      g_mutex_lock (&self->lock);
    }
}

/* Unless it is the VF that the port had before. */
static void
log_reserved (const BalVfEntry *entry, const char *vf_pci_before)
{
  if (g_strcmp0 (entry->vf_pci, vf_pci_before) != 0)
    bal_vf_service_log (entry, "reserved");
}

static gboolean
prepare_port (
  BalVfService *self, const BalVfRequest *request, int home_node, gint64 end_us, GError **error)
{
  const BalVfEntry *before = find (self, request);
  g_autofree char *vf_pci_before = before == NULL ? NULL : g_strdup (before->vf_pci);

  if (!begin_anew (self, request, error)
      || !reserve_with_link (self, request, home_node, end_us, error))
    return FALSE;
  log_reserved (find (self, request), vf_pci_before);
  return bal_vf_service_set_up (self, request->uuid, request->port, error);
}

/* Those that were not there before. A failure to do so is settle()'s. */
static void
undo (BalVfService *self, const GArray *requests, const gboolean *was_there, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      const BalVfRequest *request = &g_array_index (requests, BalVfRequest, i);
      g_autoptr (GError) cause = NULL;

      if (!was_there[i] && find (self, request) != NULL
          && !bal_vf_service_tear_down (self, request->uuid, request->port, &cause))
        bal_daemon_log (G_LOG_LEVEL_WARNING, request->uuid, "%s", cause->message);
    }
}

static gboolean *
note_those_there (BalVfService *self, const GArray *requests)
{
  gboolean *was_there = g_new0 (gboolean, requests->len);

  for (guint i = 0; i < requests->len; i++)
    was_there[i] = find (self, &g_array_index (requests, BalVfRequest, i)) != NULL;
  return was_there;
}

/* With the lock held, but while it waits. */
static gboolean
prepare_all (BalVfService *self,
             const GArray *requests,
             const gboolean *was_there,
             int home_node,
             GError **error)
{
  const char *uuid = g_array_index (requests, BalVfRequest, 0).uuid;
  gint64 end_us = g_get_monotonic_time () + (gint64)self->link_ms * 1000;

  if (!bal_vf_service_release_others (self, uuid, requests, error))
    return FALSE;
  bal_vf_service_await_releases (self, uuid);
  for (guint i = 0; i < requests->len; i++)
    if (!prepare_port (self, &g_array_index (requests, BalVfRequest, i), home_node, end_us, error))
      {
        undo (self, requests, was_there, i + 1);
        return FALSE;
      }
  return TRUE;
}

/* --- what the hooks call --- */

/* NULL: none; also for a device without an address (@mac NULL). */
static const BalVfRequest *
find_by_mac (const GArray *requests, const char *mac)
{
  for (guint i = 0; mac != NULL && i < requests->len; i++)
    {
      const BalVfRequest *request = &g_array_index (requests, BalVfRequest, i);
      if (strcmp (request->mac, mac) == 0)
        return request;
    }
  return NULL;
}

static GArray *
read_requests (const char *xml, GError **error)
{
  gboolean is_unknown = FALSE;
  GArray *requests = bal_vf_request_from_domain_xml (xml, &is_unknown, error);

  if (is_unknown)
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL,
                    "A domain's metadata asks for VFs as another version of Ballast does: it gets "
                    "none");
  return requests;
}

/* With the lock held: an interface that comes with a VF's address has the one that its port has
 * here. It would be another's otherwise: the reservation that the address is from has ended, or the
 * domain was here, or elsewhere, before. */
static gboolean
check_addresses (BalVfService *self, const GArray *requests, const GArray *held, GError **error)
{
  for (guint i = 0; i < held->len; i++)
    {
      const BalVfHeld *interface = &g_array_index (held, BalVfHeld, i);
      const BalVfRequest *request = find_by_mac (requests, interface->mac);
      const BalVfEntry *entry = request == NULL ? NULL : find (self, request);

      if (entry == NULL || strcmp (entry->vf_pci, interface->pci) == 0)
        continue;
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "The domain's interface with the MAC address of port %s has VF %s, but the port "
                   "has VF %s here: start the domain without that interface, or migrate it once "
                   "more; nothing was reserved",
                   request->port, interface->pci, entry->vf_pci);
      return FALSE;
    }
  return TRUE;
}

static gboolean
prepare (BalVfService *self, const char *xml, const GArray *requests, GError **error)
{
  g_autoptr (GArray) held = bal_vf_interface_list_held (xml, error);
  int home_node = bal_vf_interface_home_node (xml);
  g_autoptr (GMutexLocker) locker = NULL;

  if (held == NULL)
    return FALSE;
  locker = g_mutex_locker_new (&self->lock);
  g_autofree gboolean *was_there = note_those_there (self, requests);
  if (!prepare_all (self, requests, was_there, home_node, error))
    return FALSE;
  if (check_addresses (self, requests, held, error))
    return TRUE;
  undo (self, requests, was_there, requests->len);
  return FALSE;
}

gboolean
bal_vf_service_prepare (BalVfService *self, const char *xml, GError **error)
{
  g_autoptr (GArray) requests = read_requests (xml, error);

  return requests != NULL && (requests->len == 0 || prepare (self, xml, requests, error));
}

/* --- arrival --- */

/* With the lock held. libvirt finds out that the domain is here already only behind the hook. */
static gboolean
check_is_elsewhere (BalVfService *self, const char *uuid, GError **error)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      BalVf *vf = bal_vf_inventory_find_vf (self->inventory, entry->vf_pci, NULL);

      if (vf == NULL)
        continue;
      bal_vf_refresh (self->root, vf);
      if (vf->use != BAL_VF_OPEN)
        continue;
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                   "Domain %s is running here already, with VF %s of port %s; nothing was changed",
                   uuid, entry->vf_pci, entry->request.port);
      return FALSE;
    }
  return TRUE;
}

static GPtrArray *
copy_entries (BalVfService *self, const GArray *requests)
{
  GPtrArray *copies = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);

  for (guint i = 0; i < requests->len; i++)
    {
      const BalVfEntry *entry = find (self, &g_array_index (requests, BalVfRequest, i));
      if (entry != NULL)
        g_ptr_array_add (copies, bal_vf_entry_copy (entry));
    }
  return copies;
}

/* Copies of the entries, reserved; NULL on failure. */
static GPtrArray *
reserve_to_arrive (BalVfService *self, const char *xml, const GArray *requests, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autofree gboolean *was_there = note_those_there (self, requests);
  int home_node = bal_vf_interface_home_node (xml);

  if (!check_is_elsewhere (self, g_array_index (requests, BalVfRequest, 0).uuid, error)
      || !prepare_all (self, requests, was_there, home_node, error))
    return NULL;
  return copy_entries (self, requests);
}

/* TRUE when one of the interfaces is a port's. */
static gboolean
has_interfaces (const GArray *requests, const GArray *held)
{
  for (guint i = 0; i < held->len; i++)
    if (find_by_mac (requests, g_array_index (held, BalVfHeld, i).mac) != NULL)
      return TRUE;
  return FALSE;
}

gboolean
bal_vf_service_arrive (BalVfService *self, const char *xml, char **new_xml, GError **error)
{
  g_autoptr (GArray) requests = read_requests (xml, error);
  g_autoptr (GArray) held = NULL;
  g_autoptr (GPtrArray) entries = NULL;

  *new_xml = NULL;
  if (requests == NULL)
    return FALSE;
  if (requests->len == 0)
    return TRUE;
  held = bal_vf_interface_list_held (xml, error);
  if (held == NULL)
    return FALSE;
  if (!has_interfaces (requests, held))
    return TRUE;
  entries = reserve_to_arrive (self, xml, requests, error);
  return entries != NULL && bal_vf_interface_rewrite (xml, entries, new_xml, error);
}
