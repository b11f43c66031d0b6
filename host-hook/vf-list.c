/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-list.h"

#include "host-hook/vf-allocate.h"
#include "host-hook/vf-error.h"
#include "host-hook/vf-json.h"
#include "host-hook/vf-port-info.h"
#include "protocol/codec.h"

#include <string.h>

typedef struct
{
  const BalVfBook *book;
  guint n_vfs;
  guint n_ports;
  gint64 left_out;
} Count;

/* --- VFs --- */

static void
add_settings (JsonObject *object, const BalVf *vf)
{
  if (!vf->has_settings)
    return;
  if (strcmp (vf->settings.mac, BAL_VF_MAC_NONE) != 0)
    bal_vf_set_string (object, "mac", vf->settings.mac);
  if (vf->settings.vlan != 0)
    json_object_set_int_member (object, "vlan", vf->settings.vlan);
  if (vf->settings.max_rate_mbps != 0)
    json_object_set_int_member (object, "max-rate-mbps", vf->settings.max_rate_mbps);
  if (vf->settings.min_rate_mbps != 0)
    json_object_set_int_member (object, "min-rate-mbps", vf->settings.min_rate_mbps);
  bal_vf_set_switch (object, "trust", vf->settings.trust);
  bal_vf_set_switch (object, "spoofchk", vf->settings.spoofchk);
}

static JsonObject *
build_vf (const BalVf *vf, const BalVfBook *book)
{
  const BalVfEntry *entry = bal_vf_book_find_vf (book, vf->pci);
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "vf", vf->index);
  bal_vf_set_string (object, "vf-pci", vf->pci);
  bal_vf_set_string (object, "use", bal_vf_use_name (vf->use));
  if (*vf->driver != '\0')
    bal_vf_set_string (object, "driver", vf->driver);
  if (*vf->netdev != '\0')
    bal_vf_set_string (object, "netdev", vf->netdev);
  if (vf->iommu_group >= 0)
    json_object_set_int_member (object, "iommu-group", vf->iommu_group);
  add_settings (object, vf);
  if (entry != NULL)
    {
      bal_vf_set_string (object, "domain", entry->request.uuid);
      bal_vf_set_string (object, "port", entry->request.port);
    }
  return object;
}

static JsonArray *
build_vfs (const BalVfPf *pf, Count *count)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < pf->vfs->len; i++)
    if (count->n_vfs++ < BAL_VF_LIST_VFS_MAX)
      json_array_add_object_element (array,
                                     build_vf (&g_array_index (pf->vfs, BalVf, i), count->book));
    else
      count->left_out++;
  return array;
}

/* --- PFs --- */

/* Also of those that the list has no room for. */
static guint
count_free (const BalVfPf *pf, const BalVfBook *book)
{
  guint n = 0;

  for (guint i = 0; i < pf->vfs->len; i++)
    {
      const BalVf *vf = &g_array_index (pf->vfs, BalVf, i);
      n += vf->use == BAL_VF_IDLE && bal_vf_book_find_vf (book, vf->pci) == NULL;
    }
  return n;
}

static JsonObject *
build_pf (const BalVfPf *pf, Count *count)
{
  JsonObject *object = json_object_new ();

  bal_vf_set_string (object, "pf", pf->netdev);
  bal_vf_set_string (object, "pf-pci", pf->pci);
  if (*pf->driver != '\0')
    bal_vf_set_string (object, "driver", pf->driver);
  json_object_set_boolean_member (object, "link", pf->has_link);
  if (pf->speed_mbps != 0)
    json_object_set_int_member (object, "speed-mbps", pf->speed_mbps);
  json_object_set_int_member (object, "capacity-mbps", pf->capacity_mbps);
  json_object_set_int_member (object, "allocated-mbps",
                              (gint64)bal_vf_book_allocated_mbps (count->book, pf->pci));
  json_object_set_int_member (object, "residual-mbps", bal_vf_residual_mbps (pf, count->book));
  if (pf->numa_node >= 0)
    json_object_set_int_member (object, "numa", pf->numa_node);
  bal_vf_set_string (object, "network", pf->network);
  json_object_set_boolean_member (object, "excluded", pf->excluded);
  json_object_set_int_member (object, "total-vfs", pf->total_vfs);
  json_object_set_int_member (object, "num-vfs", pf->num_vfs);
  json_object_set_int_member (object, "free-vfs", count_free (pf, count->book));
  json_object_set_array_member (object, "vfs", build_vfs (pf, count));
  return object;
}

/* --- ports --- */

static JsonArray *
build_ports (const BalVfPf *pf, Count *count)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (count->book, NULL);
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      g_auto (BalVfPortInfo) info = {0};

      if (pf != NULL && strcmp (entry->pf_pci, pf->pci) != 0)
        continue;
      if (count->n_ports++ >= BAL_VF_LIST_PORTS_MAX)
        {
          count->left_out++;
          continue;
        }
      bal_vf_port_info_from_entry (entry, &info);
      json_array_add_object_element (array, bal_vf_port_info_build (&info));
    }
  return array;
}

JsonObject *
bal_vf_list_build (const BalVfInventory *inventory,
                   const BalVfBook *book,
                   const char *pf,
                   GError **error)
{
  const BalVfPf *only = pf == NULL ? NULL : bal_vf_inventory_find_pf (inventory, pf);
  Count count = {.book = book};

  if (pf != NULL && only == NULL)
    {
      g_autofree char *shown = bal_escape_for_display (pf);
      g_set_error (
        error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
        "There is no physical function %s with VFs here; `ballast vf list` tells which there are",
        shown);
      return NULL;
    }
  JsonObject *list = json_object_new ();
  JsonArray *pfs = json_array_new ();
  for (guint i = 0; i < inventory->pfs->len; i++)
    if (only == NULL || inventory->pfs->pdata[i] == only)
      json_array_add_object_element (pfs, build_pf (inventory->pfs->pdata[i], &count));
  json_object_set_array_member (list, "pfs", pfs);
  json_object_set_array_member (list, "ports", build_ports (only, &count));
  json_object_set_int_member (list, "left-out", count.left_out);
  return list;
}
