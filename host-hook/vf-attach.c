/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-attach.h"

#include "host-hook/breakpoint.h"
#include "host-hook/vf-error.h"
#include "host-hook/vf-interface.h"

#include <string.h>

#define POLL_MS 100

/* libvirt brings the VF back in a second or two (igbvf, seen), after it has left the XML. */
#define BACK_MS 5000

static GArray *
read_held (const BalVfLibvirt *libvirt, const char *uuid, GError **error)
{
  g_autofree char *xml = libvirt->read_xml (libvirt->data, uuid, BAL_VF_LIVE, error);
  return xml == NULL ? NULL : bal_vf_interface_list_held (xml, error);
}

gboolean
bal_vf_attach_is_done (const BalVfLibvirt *libvirt,
                       const BalVfEntry *entry,
                       gboolean *out,
                       GError **error)
{
  g_autoptr (GArray) held = read_held (libvirt, entry->request.uuid, error);

  if (held == NULL)
    return FALSE;
  *out = bal_vf_interface_has (held, entry->vf_pci, NULL);
  return TRUE;
}

/* --- attaching --- */

static BalVf
look_at_vf (const char *root, const BalVfEntry *entry)
{
  BalVf vf = {.index = entry->vf_index};

  g_strlcpy (vf.pci, entry->vf_pci, sizeof vf.pci);
  bal_vf_refresh (root, &vf);
  return vf;
}

static gboolean
verify (const BalVfLibvirt *libvirt, const char *root, const BalVfEntry *entry, GError **error)
{
  g_autoptr (GArray) held = read_held (libvirt, entry->request.uuid, error);
  BalVf vf;

  if (held == NULL)
    return FALSE;
  vf = look_at_vf (root, entry);
  if (bal_vf_interface_has (held, entry->vf_pci, entry->request.mac)
      && (vf.use == BAL_VF_OPEN || vf.use == BAL_VF_PREPARED))
    return TRUE;
  g_set_error (
    error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
    "Port %s of domain %s: libvirt attached VF %u of %s, but it is %s, with driver %s; the "
    "kernel's log may say why, and it is tried again or undone",
    entry->request.port, entry->request.uuid, entry->vf_index, entry->pf_netdev,
    bal_vf_interface_has (held, entry->vf_pci, NULL) ? "not as it was asked for"
                                                     : "not in the domain",
    *vf.driver == '\0' ? "none" : vf.driver);
  return FALSE;
}

gboolean
bal_vf_attach (const BalVfLibvirt *libvirt,
               const char *root,
               const BalVfEntry *entry,
               GError **error)
{
  g_autofree char *interface = bal_vf_interface_build (entry);
  gboolean is_done = FALSE;

  if (!bal_vf_attach_is_done (libvirt, entry, &is_done, error))
    return FALSE;
  BAL_BREAKPOINT ("vf-attach");
  if (!is_done && !libvirt->attach (libvirt->data, entry->request.uuid, interface, error))
    return FALSE;
  BAL_BREAKPOINT ("vf-attached");
  if (!verify (libvirt, root, entry, error))
    return FALSE;
  BAL_BREAKPOINT ("vf-verified");
  return TRUE;
}

/* --- detaching --- */

/* What QEMU (qdev_device_add's unplug, since 6.0) and libvirt's driver say of a device that was
 * asked to go and has not gone yet. */
static gboolean
is_under_way (const GError *cause)
{
  return strstr (cause->message, "process of unplug") != NULL;
}

/* *@is_gone may be TRUE already. */
static gboolean
ask (const BalVfLibvirt *libvirt, const BalVfEntry *entry, gboolean *is_gone, GError **error)
{
  const char *uuid = entry->request.uuid;
  g_autofree char *xml = libvirt->read_xml (libvirt->data, uuid, BAL_VF_LIVE, error);
  g_autofree char *interface = NULL;
  g_autoptr (GError) cause = NULL;

  if (xml == NULL || !bal_vf_interface_find (xml, entry->vf_pci, &interface, error))
    return FALSE;
  *is_gone = interface == NULL;
  BAL_BREAKPOINT ("vf-detach");
  if (*is_gone || libvirt->detach (libvirt->data, uuid, interface, &cause) || is_under_way (cause))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
is_off (const BalVfLibvirt *libvirt, const BalVfEntry *entry, gboolean *out, GError **error)
{
  BalVfStanding standing;

  if (!libvirt->look (libvirt->data, entry->request.uuid, &standing, error))
    return FALSE;
  *out = !standing.is_active;
  return TRUE;
}

/* A domain that is off has let go of everything; it may end, and be no more, at any time. */
static gboolean
has_let_go (const BalVfLibvirt *libvirt, const BalVfEntry *entry, gboolean *out, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gboolean has_it = TRUE;

  if (!is_off (libvirt, entry, out, error))
    return FALSE;
  if (*out)
    return TRUE;
  if (bal_vf_attach_is_done (libvirt, entry, &has_it, &cause))
    {
      *out = !has_it;
      return TRUE;
    }
  if (!is_off (libvirt, entry, out, error))
    return FALSE;
  if (!*out)
    g_propagate_error (error, g_steal_pointer (&cause));
  return *out;
}

static gboolean
await_guest (const BalVfLibvirt *libvirt,
             const BalVfEntry *entry,
             guint wait_ms,
             const char *then,
             GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)wait_ms * 1000;
  gboolean is_gone = FALSE;

  for (;;)
    {
      if (!has_let_go (libvirt, entry, &is_gone, error))
        return FALSE;
      if (is_gone)
        return TRUE;
      if (g_get_monotonic_time () >= end_us)
        break;
      g_usleep (POLL_MS * 1000);
    }
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Domain %s does not let go of port %s: its guest has not answered within %u s; %s",
               entry->request.uuid, entry->request.port, (wait_ms + 999) / 1000, then);
  return FALSE;
}

/* The driver is linked before it has made the interface (really_probe()): until then nobody can
 * tell whose the VF is. */
static gboolean
is_back (BalVfUse use)
{
  return use == BAL_VF_IDLE || use == BAL_VF_HOST;
}

static void
await_driver (const char *root, const BalVfEntry *entry)
{
  gint64 end_us = g_get_monotonic_time () + BACK_MS * 1000;

  for (;;)
    {
      BalVf vf = look_at_vf (root, entry);
      if (is_back (vf.use) || g_get_monotonic_time () >= end_us)
        return;
      g_usleep (POLL_MS * 1000);
    }
}

gboolean
bal_vf_detach (const BalVfLibvirt *libvirt,
               const char *root,
               const BalVfEntry *entry,
               guint wait_ms,
               const char *then,
               GError **error)
{
  gboolean is_gone = FALSE;

  if (!ask (libvirt, entry, &is_gone, error)
      || (!is_gone && !await_guest (libvirt, entry, wait_ms, then, error)))
    return FALSE;
  BAL_BREAKPOINT ("vf-detached");
  await_driver (root, entry);
  return TRUE;
}

/* --- metadata: one element holds all ports of a domain --- */

static GArray *
read_ports (const BalVfLibvirt *libvirt, const char *uuid, BalVfWhere where, GError **error)
{
  g_autofree char *xml = libvirt->read_xml (libvirt->data, uuid, where, error);
  return xml == NULL ? NULL : bal_vf_request_from_domain_xml (xml, NULL, error);
}

static gboolean
write_ports (const BalVfLibvirt *libvirt,
             const char *uuid,
             BalVfWhere where,
             const GArray *ports,
             GError **error)
{
  g_autofree char *element = bal_vf_metadata_build (ports);
  return libvirt->write_metadata (libvirt->data, uuid, where, element, error);
}

static gboolean
find_port (const GArray *ports, const char *port, guint *index)
{
  for (*index = 0; *index < ports->len; ++*index)
    if (strcmp (g_array_index (ports, BalVfRequest, *index).port, port) == 0)
      return TRUE;
  return FALSE;
}

/* Whether one more port may stand among the others. */
static gboolean
check_room (const GArray *ports, const BalVfRequest *request, GError **error)
{
  for (guint i = 0; i < ports->len; i++)
    if (g_strcmp0 (g_array_index (ports, BalVfRequest, i).mac, request->mac) == 0)
      {
        g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
                     "The MAC address %s is that of port %s of domain %s; nothing was changed",
                     request->mac, g_array_index (ports, BalVfRequest, i).port, request->uuid);
        return FALSE;
      }
  if (ports->len < BAL_VF_PORTS_MAX)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT,
               "Domain %s has %u ports, as many as a domain can have; nothing was changed",
               request->uuid, BAL_VF_PORTS_MAX);
  return FALSE;
}

gboolean
bal_vf_metadata_check (const BalVfLibvirt *libvirt,
                       const BalVfRequest *request,
                       BalVfWhere where,
                       GError **error)
{
  g_autoptr (GArray) ports = read_ports (libvirt, request->uuid, where, error);
  guint index;

  if (ports == NULL)
    return FALSE;
  if (find_port (ports, request->port, &index))
    g_array_remove_index (ports, index);
  return check_room (ports, request, error);
}

gboolean
bal_vf_metadata_add (const BalVfLibvirt *libvirt,
                     const BalVfRequest *request,
                     BalVfWhere where,
                     GError **error)
{
  g_autoptr (GArray) ports = read_ports (libvirt, request->uuid, where, error);
  BalVfRequest copy;
  guint index;

  if (ports == NULL)
    return FALSE;
  if (find_port (ports, request->port, &index))
    {
      if (bal_vf_request_equal (&g_array_index (ports, BalVfRequest, index), request))
        return TRUE;
      g_array_remove_index (ports, index);
    }
  if (!check_room (ports, request, error))
    return FALSE;
  bal_vf_request_copy (request, &copy);
  g_array_insert_val (ports, index, copy);
  return write_ports (libvirt, request->uuid, where, ports, error);
}

gboolean
bal_vf_metadata_remove (const BalVfLibvirt *libvirt,
                        const char *uuid,
                        const char *port,
                        BalVfWhere where,
                        gboolean *was_there,
                        GError **error)
{
  g_autoptr (GArray) ports = read_ports (libvirt, uuid, where, error);
  guint before, index;

  if (ports == NULL)
    return FALSE;
  before = ports->len;
  if (port == NULL)
    g_array_set_size (ports, 0);
  else if (find_port (ports, port, &index))
    g_array_remove_index (ports, index);
  if (was_there != NULL)
    *was_there = ports->len < before;
  return ports->len == before || write_ports (libvirt, uuid, where, ports, error);
}
