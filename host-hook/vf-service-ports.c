/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocation and release, asked by a person or a management system. */
#include "host-hook/vf-service-core.h"

#include "host-hook/daemon-log.h"
#include "host-hook/vf-error.h"
#include "host-hook/vf-interface.h"

#include <string.h>

static gboolean
fail (GError **error, BalVfError code, const char *uuid, const char *what)
{
  g_set_error (error, BAL_VF_ERROR, (int)code, "Domain %s %s", uuid, what);
  return FALSE;
}

static gboolean
check_can_change (const BalVfStanding *standing,
                  const char *uuid,
                  gboolean in_config,
                  GError **error)
{
  if (!standing->is_known)
    return fail (error, BAL_VF_ERROR_NOT_FOUND, uuid,
                 "is not known to libvirt here; nothing was changed");
  if (standing->is_busy)
    return fail (
      error, BAL_VF_ERROR_CONFLICT, uuid,
      "is held by a migration or another job; nothing was changed, try again behind that");
  if (in_config && !standing->is_persistent)
    return fail (error, BAL_VF_ERROR_CONFLICT, uuid,
                 "has no definition that could be changed (it is transient); nothing was changed");
  if (!standing->is_active && !in_config)
    return fail (error, BAL_VF_ERROR_NOT_FOUND, uuid,
                 "is off: only its definition can ask for a port (--config); nothing was changed");
  return TRUE;
}

/* --- allocation --- */

static int
find_home_node (const BalVfLibvirt *libvirt, const char *uuid)
{
  g_autofree char *xml = libvirt->read_xml (libvirt->data, uuid, BAL_VF_LIVE, NULL);
  return xml == NULL ? -1 : bal_vf_interface_home_node (xml);
}

/* *@is_new: it was not there before. */
static gboolean
reserve (
  BalVfService *self, const BalVfRequest *request, int home_node, gboolean *is_new, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *before = bal_vf_service_find (self, request->uuid, request->port);
  gboolean from_metadata = before != NULL && before->from_metadata;
  g_auto (BalVfRequest) wanted;

  *is_new = before == NULL;
  bal_vf_request_copy (request, &wanted);
  wanted.required = before != NULL && before->request.required;
  return bal_vf_service_reserve (self, &wanted, from_metadata, home_node, error) != NULL;
}

/* What was begun by this call ends with it; what was there is tried again later. */
static void
undo (BalVfService *self,
      const BalVfLibvirt *libvirt,
      const BalVfRequest *request,
      gboolean is_new,
      const GError *cause)
{
  BalVfStanding standing;
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, request->uuid, request->port);
  if (is_new && entry != NULL)
    bal_vf_service_mark_releasing (self, request->uuid, request->port, &error);
  else if (entry != NULL && entry->state == BAL_VF_RESERVED)
    bal_vf_service_put_state (self, entry, BAL_VF_FAILED, cause->message, &error);
  g_mutex_unlock (&self->lock);
  if (!is_new)
    return;
  if (error == NULL && libvirt->look (libvirt->data, request->uuid, &standing, &error))
    bal_vf_service_finish (self, libvirt, &standing, request->uuid, request->port, self->detach_ms,
                           &error);
  if (error != NULL)
    bal_daemon_log (G_LOG_LEVEL_WARNING, request->uuid, "%s", error->message);
}

static JsonObject *
describe (BalVfService *self, const BalVfRequest *request)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  const BalVfEntry *entry = bal_vf_service_find (self, request->uuid, request->port);
  g_auto (BalVfPortInfo) info = {0};

  if (entry == NULL)
    return NULL;
  bal_vf_port_info_from_entry (entry, &info);
  return bal_vf_port_info_build (&info);
}

/* A ballastd that attached it may not have lived to say so: then its VF is in use by the domain
 * itself. */
static gboolean
note_if_attached (BalVfService *self,
                  const BalVfLibvirt *libvirt,
                  const BalVfRequest *request,
                  GError **error)
{
  g_autoptr (BalVfEntry) entry = bal_vf_service_copy (self, request->uuid, request->port);
  gboolean has_it = FALSE;

  if (entry == NULL || entry->state == BAL_VF_RELEASING || entry->state == BAL_VF_ATTACHED)
    return TRUE;
  return bal_vf_attach_is_done (libvirt, entry, &has_it, error)
         && (!has_it || bal_vf_service_note_attached (self, request->uuid, request->port, error));
}

static gboolean
allocate_live (BalVfService *self,
               const BalVfLibvirt *libvirt,
               const BalVfRequest *request,
               gboolean in_config,
               JsonObject **port,
               GError **error)
{
  gboolean is_new = FALSE;
  GError *cause = NULL;

  if (!bal_vf_metadata_check (libvirt, request, BAL_VF_LIVE, error)
      || (in_config && !bal_vf_metadata_check (libvirt, request, BAL_VF_CONFIG, error))
      || !note_if_attached (self, libvirt, request, error)
      || !reserve (self, request, find_home_node (libvirt, request->uuid), &is_new, error))
    return FALSE;
  if (bal_vf_service_attach (self, libvirt, request->uuid, request->port, &cause)
      && (*port = describe (self, request)) != NULL
      && (!in_config || bal_vf_metadata_add (libvirt, request, BAL_VF_CONFIG, &cause)))
    return TRUE;
  g_clear_pointer (port, json_object_unref);
  if (cause == NULL)
    g_set_error (&cause, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                 "Domain %s ended while port %s was attached: what was begun is undone",
                 request->uuid, request->port);
  undo (self, libvirt, request, is_new, cause);
  g_propagate_error (error, cause);
  return FALSE;
}

/* In the definition alone, where another request for the same port is not replaced. */
static gboolean
allocate_off (const BalVfLibvirt *libvirt, const BalVfRequest *request, GError **error)
{
  g_autofree char *xml = libvirt->read_xml (libvirt->data, request->uuid, BAL_VF_CONFIG, error);
  g_autoptr (GArray) ports = xml == NULL ? NULL : bal_vf_request_from_domain_xml (xml, NULL, error);

  if (ports == NULL)
    return FALSE;
  for (guint i = 0; i < ports->len; i++)
    {
      const BalVfRequest *other = &g_array_index (ports, BalVfRequest, i);

      if (strcmp (other->port, request->port) == 0 && !bal_vf_request_equal (other, request))
        return fail (error, BAL_VF_ERROR_CONFLICT, request->uuid,
                     "has that port with other values in its definition; nothing was changed");
    }
  if (!bal_vf_metadata_add (libvirt, request, BAL_VF_CONFIG, error))
    return FALSE;
  bal_daemon_log (G_LOG_LEVEL_MESSAGE, request->uuid, "port %s is asked for by its definition",
                  request->port);
  return TRUE;
}

typedef struct
{
  const BalVfRequest *request;
  gboolean in_config;
  JsonObject **port;
} Allocation;

static gboolean
allocate (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error)
{
  const Allocation *wanted = data;
  BalVfStanding standing;

  return libvirt->look (libvirt->data, uuid, &standing, error)
         && check_can_change (&standing, uuid, wanted->in_config, error)
         && (standing.is_active ? allocate_live (self, libvirt, wanted->request, wanted->in_config,
                                                 wanted->port, error)
                                : allocate_off (libvirt, wanted->request, error));
}

gboolean
bal_vf_service_allocate (BalVfService *self,
                         const BalVfRequest *request,
                         gboolean in_config,
                         JsonObject **port,
                         GError **error)
{
  Allocation wanted = {request, in_config, port};

  *port = NULL;
  return bal_vf_service_operate (self, request->uuid, allocate, &wanted, error);
}

/* --- release --- */

/* Copies of the entries of the ports that are now being released. */
static GPtrArray *
begin_release (BalVfService *self, const char *uuid, const char *port, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (self->ledger), uuid);
  g_autoptr (GPtrArray) ports = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      if (port == NULL || strcmp (entry->request.port, port) == 0)
        g_ptr_array_add (ports, bal_vf_entry_copy (entry));
    }
  return bal_vf_service_mark_releasing (self, uuid, port, error) ? g_steal_pointer (&ports) : NULL;
}

/* @data: how the domain stands. */
static gboolean
finish_port (BalVfService *self,
             const BalVfLibvirt *libvirt,
             const BalVfEntry *entry,
             gconstpointer data,
             GError **error)
{
  return bal_vf_service_finish (self, libvirt, data, entry->request.uuid, entry->request.port,
                                self->detach_ms, error);
}

typedef struct
{
  const char *port; /* NULL: all */
  gboolean in_config;
} Removal;

static gboolean
release (
  BalVfService *self, const BalVfLibvirt *libvirt, const char *uuid, gpointer data, GError **error)
{
  const Removal *unwanted = data;
  const char *port = unwanted->port;
  BalVfStanding standing;
  gboolean was_in_config = FALSE;
  gboolean forgot = TRUE;

  if (!libvirt->look (libvirt->data, uuid, &standing, error))
    return FALSE;
  if (standing.is_busy)
    return fail (
      error, BAL_VF_ERROR_CONFLICT, uuid,
      "is held by a migration or another job; nothing was changed, try again behind that");
  g_autoptr (GPtrArray) ports = begin_release (self, uuid, port, error);
  if (ports == NULL)
    return FALSE;
  if (unwanted->in_config && standing.is_persistent)
    forgot = bal_vf_metadata_remove (libvirt, uuid, port, BAL_VF_CONFIG, &was_in_config, error);
  if (!forgot)
    {
      bal_vf_service_do_each (self, libvirt, ports, finish_port, &standing, NULL);
      g_prefix_error (
        error,
        "The ports of domain %s are being released, but its definition asks for its ports "
        "still, try again: ",
        uuid);
      return FALSE;
    }
  if (was_in_config)
    bal_daemon_log (G_LOG_LEVEL_MESSAGE, uuid, "%s%s %s not asked for by its definition any more",
                    port == NULL ? "ports" : "port ", port == NULL ? "" : port,
                    port == NULL ? "are" : "is");
  if (ports->len == 0 && !was_in_config)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
                   "Domain %s has no port%s%s here; nothing was changed", uuid,
                   port == NULL ? "" : " ", port == NULL ? "" : port);
      return FALSE;
    }
  return bal_vf_service_do_each (self, libvirt, ports, finish_port, &standing, error);
}

gboolean
bal_vf_service_release (
  BalVfService *self, const char *uuid, const char *port, gboolean in_config, GError **error)
{
  Removal unwanted = {port, in_config};

  return bal_vf_service_operate (self, uuid, release, &unwanted, error);
}
