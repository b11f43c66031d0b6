/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-tree.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define BUS_FOLDER "/sys/bus/pci/devices"
#define VFIO "../../../bus/pci/drivers/vfio-pci"
#define VF_DRIVER "../../../bus/pci/drivers/igbvf"

char *
vf_tree_pf_pci (guint pf)
{
  return g_strdup_printf ("0000:%02x:00.0", pf);
}

char *
vf_tree_vf_pci (guint pf, guint vf)
{
  /* Behind the PF's own function: the first is 10.0. */
  return g_strdup_printf ("0000:%02x:%02x.%u", pf, 0x10 + vf / 8, vf % 8);
}

/* The devices' real folder, flat: "devices/pci0000:00/<address>". */
static char *
device_path (const char *pci)
{
  return g_strdup_printf ("/sys/devices/pci0000:00/%s", pci);
}

static void
link_to (const TestRoot *root, const char *path, const char *target)
{
  g_autofree char *full = test_root_path (root, path);
  g_autofree char *folder = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (unlink (full) == 0 || errno == ENOENT);
  if (target != NULL)
    g_assert_cmpint (symlink (target, full), ==, 0);
}

static void
put (const TestRoot *root, const char *pci, const char *attribute, const char *value)
{
  g_autofree char *device = device_path (pci);
  g_autofree char *path = g_build_filename (device, attribute, NULL);
  g_autofree char *line = g_strdup_printf ("%s\n", value);
  test_root_put (root, path, line);
}

static void
put_netdev (const TestRoot *root, const char *pci, const char *name, const char *flags)
{
  g_autofree char *attribute = g_strdup_printf ("net/%s/flags", name);
  put (root, pci, attribute, flags);
}

static void
add_device (const TestRoot *root, const char *pci)
{
  g_autofree char *path = g_build_filename (BUS_FOLDER, pci, NULL);
  g_autofree char *target = g_strdup_printf ("../../../devices/pci0000:00/%s", pci);

  link_to (root, path, target);
  put (root, pci, "enable", "1");
}

static void
link_device (const TestRoot *root, const char *pci, const char *name, const char *target)
{
  g_autofree char *device = device_path (pci);
  g_autofree char *path = g_build_filename (device, name, NULL);
  link_to (root, path, target);
}

static void
add_vf (const TestRoot *root, guint pf, guint vf)
{
  g_autofree char *pf_pci = vf_tree_pf_pci (pf);
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  g_autofree char *name = g_strdup_printf ("virtfn%u", vf);
  g_autofree char *target = g_strdup_printf ("../%s", pci);
  g_autofree char *group = g_strdup_printf ("../../../kernel/iommu_groups/%u", 100 + pf * 256 + vf);

  add_device (root, pci);
  link_device (root, pf_pci, name, target);
  link_device (root, pci, "iommu_group", group);
  vf_tree_take_back_vf (root, pf, vf);
}

void
vf_tree_add_pf (const TestRoot *root, guint pf, guint n_vfs, guint speed_mbps, int numa_node)
{
  g_autofree char *pci = vf_tree_pf_pci (pf);
  g_autofree char *netdev = g_strdup_printf ("eth%u", pf);
  g_autofree char *speed_name = g_strdup_printf ("net/%s/speed", netdev);
  g_autofree char *state_name = g_strdup_printf ("net/%s/operstate", netdev);
  g_autofree char *speed = g_strdup_printf ("%u", speed_mbps);
  g_autofree char *count = g_strdup_printf ("%u", n_vfs);
  g_autofree char *node = g_strdup_printf ("%d", numa_node);

  add_device (root, pci);
  link_device (root, pci, "driver", "../../../bus/pci/drivers/igb");
  put (root, pci, "sriov_totalvfs", n_vfs > 0 ? count : "7");
  put (root, pci, "sriov_numvfs", count);
  put (root, pci, "numa_node", node);
  put_netdev (root, pci, netdev, "0x1003");
  put (root, pci, speed_name, speed);
  put (root, pci, state_name, "up");
  for (guint i = 0; i < n_vfs; i++)
    add_vf (root, pf, i);
}

void
vf_tree_set_pf (const TestRoot *root, guint pf, const char *attribute, const char *value)
{
  g_autofree char *pci = vf_tree_pf_pci (pf);
  put (root, pci, attribute, value);
}

void
vf_tree_set_vf (const TestRoot *root, guint pf, guint vf, const char *attribute, const char *value)
{
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  put (root, pci, attribute, value);
}

void
vf_tree_link_vf (const TestRoot *root, guint pf, guint vf, const char *name, const char *target)
{
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  link_device (root, pci, name, target);
}

void
vf_tree_remove_vf_netdev (const TestRoot *root, guint pf, guint vf)
{
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  g_autofree char *device = device_path (pci);
  g_autofree char *flags = g_strdup_printf ("%s/net/eth%uv%u/flags", device, pf, vf);
  g_autofree char *full = test_root_path (root, flags);
  g_autofree char *netdev = g_path_get_dirname (full);
  g_autofree char *net = g_path_get_dirname (netdev);

  g_unlink (full);
  g_rmdir (netdev);
  g_rmdir (net);
}

void
vf_tree_pass_vf (const TestRoot *root, guint pf, guint vf, gboolean is_open)
{
  vf_tree_remove_vf_netdev (root, pf, vf);
  vf_tree_link_vf (root, pf, vf, "driver", VFIO);
  vf_tree_set_vf (root, pf, vf, "enable", is_open ? "1" : "0");
}

void
vf_tree_take_back_vf (const TestRoot *root, guint pf, guint vf)
{
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  g_autofree char *netdev = g_strdup_printf ("eth%uv%u", pf, vf);

  vf_tree_link_vf (root, pf, vf, "driver", VF_DRIVER);
  vf_tree_set_vf (root, pf, vf, "enable", "1");
  put_netdev (root, pci, netdev, "0x1002");
}

void
vf_tree_remove_vf (const TestRoot *root, guint pf, guint vf)
{
  g_autofree char *pf_pci = vf_tree_pf_pci (pf);
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  g_autofree char *name = g_strdup_printf ("virtfn%u", vf);
  g_autofree char *path = g_build_filename (BUS_FOLDER, pci, NULL);

  link_device (root, pf_pci, name, NULL);
  link_to (root, path, NULL);
}
