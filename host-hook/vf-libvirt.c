/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-libvirt.h"

#include <libvirt/virterror.h>

#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/vf-interface.h"

static virDomainPtr
find (virConnectPtr connection, const char *uuid, GError **error)
{
  virDomainPtr domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain == NULL)
    bal_failure_libvirt (error, BAL_EXIT_NOT_FOUND, "There is no domain %s", uuid);
  return domain;
}

/* --- how domains stand --- */

/* Of the states that no job explains, those of a migration that is not over, or went wrong. */
static gboolean
is_paused_by_migration (int state, int reason)
{
  return state == VIR_DOMAIN_PAUSED
         && (reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_POSTCOPY
             || reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED
             || reason == VIR_DOMAIN_PAUSED_STARTING_UP);
}

/* Whatever cannot be told is busy. */
static void
look_at_active (virDomainPtr domain, BalVfStanding *out)
{
  BalDomainState by_job = bal_domain_state_of_active (domain);
  int state, reason;

  out->is_active = by_job != BAL_DOMAIN_GONE;
  out->is_busy = by_job != BAL_DOMAIN_RUNNING && by_job != BAL_DOMAIN_PAUSED;
  if (virDomainGetState (domain, &state, &reason, 0) < 0)
    {
      out->is_busy = TRUE;
      return;
    }
  out->is_busy |= is_paused_by_migration (state, reason);
  out->has_booted = state == VIR_DOMAIN_RUNNING && reason == VIR_DOMAIN_RUNNING_BOOTED;
}

static gboolean
look (gpointer data, const char *uuid, BalVfStanding *out, GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (data, uuid);
  int is_active;

  *out = (BalVfStanding){0};
  if (domain == NULL && virGetLastErrorCode () == VIR_ERR_NO_DOMAIN)
    return TRUE;
  is_active = domain == NULL ? -1 : virDomainIsActive (domain);
  if (is_active < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot tell how domain %s stands", uuid);
  out->is_known = TRUE;
  out->is_persistent = virDomainIsPersistent (domain) == 1;
  if (is_active == 1)
    look_at_active (domain, out);
  return TRUE;
}

static gboolean
add_held (virDomainPtr domain, BalVfDomain *out, GError **error)
{
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_autoptr (GArray) held = NULL;

  if (xml == NULL)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the XML of domain %s",
                                out->uuid);
  held = bal_vf_interface_list_held (xml, error);
  for (guint i = 0; held != NULL && i < held->len; i++)
    g_ptr_array_add (out->vf_pcis, g_strdup (g_array_index (held, BalVfHeld, i).pci));
  return held != NULL;
}

static gboolean
add_domain (virDomainPtr domain, GPtrArray *list, GError **error)
{
  char uuid[VIR_UUID_STRING_BUFLEN];
  BalVfStanding standing = {0};
  g_autoptr (BalVfDomain) item = NULL;
  g_autoptr (GError) cause = NULL;

  if (virDomainGetUUIDString (domain, uuid) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read a domain's UUID");
  item = bal_vf_domain_new (uuid);
  if (!add_held (domain, item, &cause))
    {
      /* It ended since it was listed. */
      if (virDomainIsActive (domain) != 1)
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  look_at_active (domain, &standing);
  item->is_busy = standing.is_busy;
  g_ptr_array_add (list, g_steal_pointer (&item));
  return TRUE;
}

static GPtrArray *
list (gpointer data, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_domain_free);
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (data, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  gboolean ok = TRUE;

  if (n < 0)
    {
      bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot list the domains");
      return NULL;
    }
  for (int i = 0; i < n; i++)
    {
      ok = ok && add_domain (domains[i], found, error);
      virDomainFree (domains[i]);
    }
  free (domains);
  return ok ? g_steal_pointer (&found) : NULL;
}

static char *
read_xml (gpointer data, const char *uuid, BalVfWhere where, GError **error)
{
  g_autoptr (virDomain) domain = find (data, uuid, error);
  char *xml;

  if (domain == NULL)
    return NULL;
  xml = virDomainGetXMLDesc (domain, where == BAL_VF_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0);
  if (xml == NULL)
    bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the XML of domain %s", uuid);
  return xml;
}

/* --- changes --- */

static gboolean
attach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  g_autoptr (virDomain) domain = find (data, uuid, error);

  if (domain == NULL)
    return FALSE;
  return virDomainAttachDeviceFlags (domain, interface, VIR_DOMAIN_AFFECT_LIVE) == 0
         || bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot attach a VF to domain \"%s\"",
                                 virDomainGetName (domain));
}

static gboolean
detach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  g_autoptr (virDomain) domain = find (data, uuid, error);

  if (domain == NULL)
    return FALSE;
  return virDomainDetachDeviceFlags (domain, interface, VIR_DOMAIN_AFFECT_LIVE) == 0
         || bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot detach a VF from domain \"%s\"",
                                 virDomainGetName (domain));
}

static gboolean
write_metadata (
  gpointer data, const char *uuid, BalVfWhere where, const char *element, GError **error)
{
  g_autoptr (virDomain) domain = find (data, uuid, error);

  if (domain == NULL)
    return FALSE;
  return virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, element, BAL_VF_METADATA_KEY,
                               BAL_VF_METADATA_URI,
                               where == BAL_VF_CONFIG ? VIR_DOMAIN_AFFECT_CONFIG
                                                      : VIR_DOMAIN_AFFECT_LIVE)
           == 0
         || bal_failure_libvirt (error, BAL_EXIT_FAILED,
                                 "Cannot write the metadata of domain \"%s\"",
                                 virDomainGetName (domain));
}

static gboolean
destroy (gpointer data, const char *uuid, GError **error)
{
  g_autoptr (virDomain) domain = find (data, uuid, error);

  if (domain == NULL)
    return FALSE;
  return virDomainDestroy (domain) == 0
         || bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot destroy domain \"%s\"",
                                 virDomainGetName (domain));
}

/* --- the object --- */

static void
release (gpointer data)
{
  virConnectClose (data);
}

BalVfLibvirt
bal_vf_libvirt_new (virConnectPtr connection)
{
  virConnectRef (connection);
  return (BalVfLibvirt){
    .data = connection,
    .release = release,
    .list = list,
    .look = look,
    .read_xml = read_xml,
    .attach = attach,
    .detach = detach,
    .write_metadata = write_metadata,
    .destroy = destroy,
  };
}

void
bal_vf_libvirt_clear (BalVfLibvirt *self)
{
  if (self->release != NULL)
    self->release (self->data);
  *self = (BalVfLibvirt){0};
}
