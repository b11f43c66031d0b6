/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-inventory.h"

#include "host-hook/file-io.h"
#include "host-hook/vf-value.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#define DEVICES_FOLDER "/sys/bus/pci/devices"

/* Larger than any attribute that is read here. */
#define ATTRIBUTE_MAX_BYTES 256

const char *
bal_vf_use_name (BalVfUse use)
{
  static const char *const names[] = {
    [BAL_VF_IDLE] = "idle",         [BAL_VF_HOST] = "host", [BAL_VF_ELSEWHERE] = "elsewhere",
    [BAL_VF_PREPARED] = "prepared", [BAL_VF_OPEN] = "open",
  };
  g_assert ((guint)use < G_N_ELEMENTS (names));
  return names[use];
}

/* --- sysfs: everything relative to a device's folder, which is open --- */

static int
open_device (const char *root, const char *pci)
{
  g_autofree char *folder = bal_root_path (root, DEVICES_FOLDER);
  g_autofree char *path = g_build_filename (folder, pci, NULL);
  return open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Into @out, without its newline; FALSE when it cannot be read, as many attributes of interfaces
 * that are down. */
static gboolean
read_attribute (int device, const char *name, char *out, gsize size)
{
  BAL_AUTO_FD fd = openat (device, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  gssize n = fd < 0 ? -1 : read (fd, out, size - 1);

  if (n < 0)
    return FALSE;
  out[n] = '\0';
  g_strchomp (out);
  return TRUE;
}

/* @otherwise when there is no such number: below @min, above @max, no number, no attribute. */
static gint64
read_number (int device, const char *name, gint64 min, gint64 max, gint64 otherwise)
{
  char text[ATTRIBUTE_MAX_BYTES];
  gint64 value;

  if (read_attribute (device, name, text, sizeof text)
      && g_ascii_string_to_signed (text, 10, min, max, &value, NULL))
    return value;
  return otherwise;
}

/* The last part of what a link points to; "" when there is none, or none of a sane name. */
static void
read_link_name (int device, const char *name, char *out, gsize size)
{
  char target[4096];
  gssize n = readlinkat (device, name, target, sizeof target - 1);

  *out = '\0';
  if (n <= 0)
    return;
  target[n] = '\0';
  const char *slash = strrchr (target, '/');
  const char *base = slash == NULL ? target : slash + 1;
  if (strlen (base) < size)
    g_strlcpy (out, base, size);
}

/* A representor, in switchdev mode, is below its PF too, and is named pf0vf1 (the kernel's
 * devlink_port names; the PF's own is p0, or not supported). */
static gboolean
is_representor (int device, const char *netdev)
{
  g_autofree char *attribute = g_strdup_printf ("net/%s/phys_port_name", netdev);
  char text[ATTRIBUTE_MAX_BYTES];

  return read_attribute (device, attribute, text, sizeof text) && g_str_has_prefix (text, "pf");
}

/* The device's network interface, of several the first by name; "" when there is none. */
static void
find_netdev (const char *root, const char *pci, int device, char *out, gsize size)
{
  g_autofree char *folder = bal_root_path (root, DEVICES_FOLDER);
  g_autofree char *path = g_build_filename (folder, pci, "net", NULL);
  g_autoptr (GDir) entries = g_dir_open (path, 0, NULL);

  *out = '\0';
  for (const char *name; entries != NULL && (name = g_dir_read_name (entries)) != NULL;)
    if (strlen (name) < size && (*out == '\0' || strcmp (name, out) < 0)
        && !is_representor (device, name))
      g_strlcpy (out, name, size);
}

/* --- VFs --- */

static gboolean
is_vfio (const char *driver)
{
  /* vfio-pci and its variants for one vendor, such as mlx5_vfio_pci. */
  return strcmp (driver, "vfio-pci") == 0 || g_str_has_suffix (driver, "_vfio_pci");
}

static gboolean
interface_is_used (int device, const char *netdev)
{
  g_autofree char *flags_name = g_strdup_printf ("net/%s/flags", netdev);
  g_autofree char *master_name = g_strdup_printf ("net/%s/master", netdev);
  char flags[ATTRIBUTE_MAX_BYTES];
  char target[8];

  /* Not known is used. */
  if (!read_attribute (device, flags_name, flags, sizeof flags)
      || (g_ascii_strtoull (flags, NULL, 16) & IFF_UP) != 0)
    return TRUE;
  return readlinkat (device, master_name, target, sizeof target) >= 0;
}

static BalVfUse
find_use (int device, const BalVf *vf)
{
  if (*vf->driver == '\0')
    return BAL_VF_IDLE;
  /* vfio enables the device when it is opened and disables it when it is closed
   * (vfio_pci_core_enable()); the attribute is the count of that. */
  if (is_vfio (vf->driver))
    return read_number (device, "enable", 0, G_MAXINT, 1) > 0 ? BAL_VF_OPEN : BAL_VF_PREPARED;
  if (*vf->netdev == '\0')
    return BAL_VF_ELSEWHERE;
  return interface_is_used (device, vf->netdev) ? BAL_VF_HOST : BAL_VF_IDLE;
}

void
bal_vf_refresh (const char *root, BalVf *vf)
{
  BAL_AUTO_FD device = open_device (root, vf->pci);
  char group[32];
  gint64 number = -1;

  vf->use = BAL_VF_ELSEWHERE;
  vf->iommu_group = -1;
  *vf->driver = *vf->netdev = '\0';
  if (device < 0)
    return;
  read_link_name (device, "driver", vf->driver, sizeof vf->driver);
  read_link_name (device, "iommu_group", group, sizeof group);
  if (g_ascii_string_to_signed (group, 10, 0, G_MAXINT, &number, NULL))
    vf->iommu_group = (int)number;
  if (!is_vfio (vf->driver))
    find_netdev (root, vf->pci, device, vf->netdev, sizeof vf->netdev);
  vf->use = find_use (device, vf);
}

static void
add_vfs (const char *root, int device, BalVfPf *pf)
{
  for (guint i = 0; i < pf->num_vfs; i++)
    {
      g_autofree char *name = g_strdup_printf ("virtfn%u", i);
      BalVf vf = {.index = i};

      read_link_name (device, name, vf.pci, sizeof vf.pci);
      if (*vf.pci == '\0')
        continue;
      bal_vf_refresh (root, &vf);
      g_array_append_val (pf->vfs, vf);
    }
}

/* --- PFs --- */

static void
pf_free (gpointer data)
{
  BalVfPf *self = data;
  g_free (self->network);
  g_array_unref (self->vfs);
  g_free (self);
}

static void
read_link_state (int device, guint configured_mbps, BalVfPf *pf)
{
  g_autofree char *speed_name = g_strdup_printf ("net/%s/speed", pf->netdev);
  g_autofree char *state_name = g_strdup_printf ("net/%s/operstate", pf->netdev);
  char state[ATTRIBUTE_MAX_BYTES] = "";

  /* EINVAL while the interface is down, -1 while the link is. */
  pf->speed_mbps = (guint)read_number (device, speed_name, 0, BAL_VF_BANDWIDTH_MAX_MBPS, 0);
  read_attribute (device, state_name, state, sizeof state);
  pf->has_link = strcmp (state, "up") == 0;
  pf->capacity_mbps = configured_mbps != 0 ? configured_mbps : pf->speed_mbps;
}

static const BalVfPfConfig *
config_of (const BalVfConfig *config, const BalVfPf *pf)
{
  return config == NULL ? NULL : bal_vf_config_find (config, pf->netdev, pf->pci);
}

void
bal_vf_pf_refresh_link (const char *root, const BalVfConfig *config, BalVfPf *pf)
{
  BAL_AUTO_FD device = open_device (root, pf->pci);
  const BalVfPfConfig *section = config_of (config, pf);

  read_link_state (device, section == NULL ? 0 : section->capacity_mbps, pf);
}

static BalVfPf *
read_pf (const char *root, const char *pci, const BalVfConfig *config)
{
  BAL_AUTO_FD device = open_device (root, pci);
  char netdev[32];
  gint64 total = device < 0 ? 0 : read_number (device, "sriov_totalvfs", 0, BAL_VF_COUNT_MAX, 0);

  if (total == 0)
    return NULL;
  find_netdev (root, pci, device, netdev, sizeof netdev);
  /* Something else with VFs (NVMe), or a PF in a guest's or a container's hands. */
  if (*netdev == '\0')
    return NULL;

  BalVfPf *pf = g_new0 (BalVfPf, 1);
  g_strlcpy (pf->pci, pci, sizeof pf->pci);
  g_strlcpy (pf->netdev, netdev, sizeof pf->netdev);
  read_link_name (device, "driver", pf->driver, sizeof pf->driver);
  pf->total_vfs = (guint)total;
  pf->num_vfs = (guint)read_number (device, "sriov_numvfs", 0, total, 0);
  pf->numa_node = (int)read_number (device, "numa_node", 0, BAL_VF_NUMA_NODE_MAX, -1);
  pf->vfs = g_array_new (FALSE, TRUE, sizeof (BalVf));

  const BalVfPfConfig *section = config_of (config, pf);
  if (section != NULL)
    {
      pf->network = g_strdup (section->network);
      pf->excluded = section->excluded;
      pf->wanted_vfs = section->num_vfs;
    }
  read_link_state (device, section == NULL ? 0 : section->capacity_mbps, pf);
  add_vfs (root, device, pf);
  return pf;
}

static int
compare_pfs (gconstpointer a, gconstpointer b)
{
  const BalVfPf *first = *(BalVfPf *const *)a;
  const BalVfPf *second = *(BalVfPf *const *)b;
  return strcmp (first->pci, second->pci);
}

static void
add_owner (BalVfInventory *self, BalVfPf *pf)
{
  for (guint i = 0; i < pf->vfs->len; i++)
    g_hash_table_insert (self->owners, g_strdup (g_array_index (pf->vfs, BalVf, i).pci), pf);
}

BalVfInventory *
bal_vf_inventory_read (const char *root, const BalVfConfig *config, GError **error)
{
  g_autofree char *path = bal_root_path (root, DEVICES_FOLDER);
  g_autoptr (GDir) folder = g_dir_open (path, 0, error);

  if (folder == NULL)
    return NULL;
  BalVfInventory *self = g_new0 (BalVfInventory, 1);
  self->pfs = g_ptr_array_new_with_free_func (pf_free);
  for (const char *pci; (pci = g_dir_read_name (folder)) != NULL;)
    {
      BalVfPf *pf = strlen (pci) < sizeof pf->pci ? read_pf (root, pci, config) : NULL;
      if (pf != NULL)
        g_ptr_array_add (self->pfs, pf);
    }
  g_ptr_array_sort (self->pfs, compare_pfs);
  self->owners = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < self->pfs->len; i++)
    add_owner (self, self->pfs->pdata[i]);
  return self;
}

void
bal_vf_inventory_free (BalVfInventory *self)
{
  g_hash_table_unref (self->owners);
  g_ptr_array_unref (self->pfs);
  g_free (self);
}

/* --- the rest --- */

gboolean
bal_vf_inventory_read_settings (BalVfInventory *self, const BalVfNic *nic, GError **error)
{
  for (guint i = 0; i < self->pfs->len; i++)
    {
      BalVfPf *pf = self->pfs->pdata[i];
      g_autoptr (GArray) settings = nic->read (nic->data, pf->netdev, error);

      if (settings == NULL)
        return FALSE;
      for (guint j = 0; j < pf->vfs->len; j++)
        {
          BalVf *vf = &g_array_index (pf->vfs, BalVf, j);
          vf->has_settings = vf->index < settings->len;
          if (vf->has_settings)
            vf->settings = g_array_index (settings, BalVfSettings, vf->index);
        }
    }
  return TRUE;
}

BalVfPf *
bal_vf_inventory_find_pf (const BalVfInventory *self, const char *name)
{
  for (guint i = 0; i < self->pfs->len; i++)
    {
      BalVfPf *pf = self->pfs->pdata[i];
      if (strcmp (pf->netdev, name) == 0 || strcmp (pf->pci, name) == 0)
        return pf;
    }
  return NULL;
}

BalVf *
bal_vf_inventory_find_vf (const BalVfInventory *self, const char *pci, BalVfPf **pf)
{
  BalVfPf *owner = g_hash_table_lookup (self->owners, pci);

  for (guint i = 0; owner != NULL && i < owner->vfs->len; i++)
    {
      BalVf *vf = &g_array_index (owner->vfs, BalVf, i);

      if (strcmp (vf->pci, pci) != 0)
        continue;
      if (pf != NULL)
        *pf = owner;
      return vf;
    }
  return NULL;
}

gboolean
bal_vf_pf_make_vfs (const char *root, const BalVfPf *pf, GError **error)
{
  g_autofree char *folder = bal_root_path (root, DEVICES_FOLDER);
  g_autofree char *path = g_build_filename (folder, pf->pci, "sriov_numvfs", NULL);
  BAL_AUTO_FD device = open_device (root, pf->pci);
  gint64 now = device < 0 ? -1 : read_number (device, "sriov_numvfs", 0, BAL_VF_COUNT_MAX, -1);

  if (pf->wanted_vfs == 0 || now != 0)
    return TRUE;
  g_autofree char *text = g_strdup_printf ("%u", MIN (pf->wanted_vfs, pf->total_vfs));
  BAL_AUTO_FD fd = bal_open (path, O_WRONLY, 0, error);
  return fd >= 0 && bal_write_all (fd, text, strlen (text), path, error);
}
