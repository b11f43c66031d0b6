/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-inventory.h"

#include "host-hook/vf-error.h"
#include "vf-tree.h"

#include <glib/gstdio.h>
#include <string.h>

static BalVfInventory *
read_inventory (const TestRoot *root, const char *config_text)
{
  g_auto (BalVfConfig) config = {0};
  g_autoptr (GError) error = NULL;

  bal_vf_config_parse (config_text, strlen (config_text), "vf.conf", &config, &error);
  g_assert_no_error (error);
  BalVfInventory *inventory = bal_vf_inventory_read (root->path, &config, &error);
  g_assert_no_error (error);
  return inventory;
}

static BalVf *
vf_of (const BalVfInventory *inventory, guint pf, guint vf)
{
  g_autofree char *pci = vf_tree_vf_pci (pf, vf);
  BalVf *found = bal_vf_inventory_find_vf (inventory, pci, NULL);
  g_assert_nonnull (found);
  return found;
}

static void
test_read (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 4, 0, 10000, -1);
  vf_tree_add_pf (root, 3, 12, 1000, 1);
  g_autoptr (BalVfInventory) inventory =
    read_inventory (root, "[pf eth4]\ncapacity=4Gbit\nnetwork=physnet1\nexcluded=yes\nnumvfs=3\n");

  g_assert_cmpuint (inventory->pfs->len, ==, 2);
  const BalVfPf *first = inventory->pfs->pdata[0];
  g_assert_cmpstr (first->netdev, ==, "eth3");
  g_assert_cmpstr (first->pci, ==, "0000:03:00.0");
  g_assert_cmpstr (first->driver, ==, "igb");
  g_assert_cmpuint (first->total_vfs, ==, 12);
  g_assert_cmpuint (first->num_vfs, ==, 12);
  g_assert_cmpint (first->numa_node, ==, 1);
  g_assert_cmpuint (first->speed_mbps, ==, 1000);
  g_assert_cmpuint (first->capacity_mbps, ==, 1000);
  g_assert_true (first->has_link);
  g_assert_null (first->network);
  g_assert_false (first->excluded);
  g_assert_cmpuint (first->vfs->len, ==, 12);
  const BalVf *last = &g_array_index (first->vfs, BalVf, 11);
  g_assert_cmpuint (last->index, ==, 11);
  g_assert_cmpstr (last->pci, ==, "0000:03:11.3");
  g_assert_cmpstr (last->driver, ==, "igbvf");
  g_assert_cmpstr (last->netdev, ==, "eth3v11");
  g_assert_cmpint (last->iommu_group, ==, 100 + 3 * 256 + 11);
  g_assert_cmpint (last->use, ==, BAL_VF_IDLE);

  const BalVfPf *second = inventory->pfs->pdata[1];
  g_assert_cmpuint (second->speed_mbps, ==, 10000);
  g_assert_cmpuint (second->capacity_mbps, ==, 4000);
  g_assert_cmpstr (second->network, ==, "physnet1");
  g_assert_true (second->excluded);
  g_assert_cmpuint (second->wanted_vfs, ==, 3);
  g_assert_cmpint (second->numa_node, ==, -1);
  g_assert_cmpuint (second->vfs->len, ==, 0);
  g_assert_true (bal_vf_inventory_find_pf (inventory, "0000:04:00.0") == second);
  g_assert_true (bal_vf_inventory_find_pf (inventory, "eth4") == second);
  g_assert_null (bal_vf_inventory_find_pf (inventory, "eth4v0"));
}

static void
test_use (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 8, 1000, 0);
  vf_tree_set_vf (root, 3, 1, "net/eth3v1/flags", "0x1003");
  vf_tree_link_vf (root, 3, 2, "net/eth3v2/master", "../../../../virtual/net/br0");
  vf_tree_remove_vf_netdev (root, 3, 3);
  vf_tree_pass_vf (root, 3, 4, TRUE);
  vf_tree_pass_vf (root, 3, 5, FALSE);
  vf_tree_remove_vf_netdev (root, 3, 6);
  vf_tree_link_vf (root, 3, 6, "driver", NULL);
  vf_tree_pass_vf (root, 3, 7, TRUE);
  vf_tree_link_vf (root, 3, 7, "driver", "../../../bus/pci/drivers/mlx5_vfio_pci");
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");

  static const BalVfUse expected[] = {BAL_VF_IDLE, BAL_VF_HOST,     BAL_VF_HOST, BAL_VF_ELSEWHERE,
                                      BAL_VF_OPEN, BAL_VF_PREPARED, BAL_VF_IDLE, BAL_VF_OPEN};
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpstr (bal_vf_use_name (vf_of (inventory, 3, i)->use), ==,
                     bal_vf_use_name (expected[i]));
}

/* What cannot be told counts as use. */
static void
test_use_in_doubt (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 2, 1000, 0);
  vf_tree_set_vf (root, 3, 0, "net/eth3v0/flags", "0x1002");
  vf_tree_pass_vf (root, 3, 1, FALSE);
  vf_tree_set_vf (root, 3, 1, "enable", "?");
  g_autofree char *flags =
    test_root_path (root, "/sys/devices/pci0000:00/0000:03:10.0/net/eth3v0/flags");
  g_assert_cmpint (g_unlink (flags), ==, 0);
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");
  g_assert_cmpint (vf_of (inventory, 3, 0)->use, ==, BAL_VF_HOST);
  g_assert_cmpint (vf_of (inventory, 3, 1)->use, ==, BAL_VF_OPEN);
}

static void
test_link_down (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 1, 1000, 0);
  vf_tree_set_pf (root, 3, "net/eth3/speed", "-1");
  vf_tree_set_pf (root, 3, "net/eth3/operstate", "down");
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");
  BalVfPf *pf = inventory->pfs->pdata[0];
  g_assert_false (pf->has_link);
  g_assert_cmpuint (pf->capacity_mbps, ==, 0);

  vf_tree_set_pf (root, 3, "net/eth3/speed", "2500");
  vf_tree_set_pf (root, 3, "net/eth3/operstate", "up");
  bal_vf_pf_refresh_link (root->path, NULL, pf);
  g_assert_true (pf->has_link);
  g_assert_cmpuint (pf->capacity_mbps, ==, 2500);
}

static void
test_refresh (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 2, 1000, 0);
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");
  BalVf *vf = vf_of (inventory, 3, 1);
  vf_tree_pass_vf (root, 3, 1, TRUE);
  bal_vf_refresh (root->path, vf);
  g_assert_cmpint (vf->use, ==, BAL_VF_OPEN);
  g_assert_cmpstr (vf->driver, ==, "vfio-pci");
  g_assert_cmpstr (vf->netdev, ==, "");
  vf_tree_take_back_vf (root, 3, 1);
  bal_vf_refresh (root->path, vf);
  g_assert_cmpint (vf->use, ==, BAL_VF_IDLE);
  g_assert_cmpstr (vf->netdev, ==, "eth3v1");
  vf_tree_remove_vf (root, 3, 1);
  bal_vf_refresh (root->path, vf);
  g_assert_cmpint (vf->use, ==, BAL_VF_ELSEWHERE);
}

/* Other devices with VFs, representors, garbage. */
static void
test_odd_devices (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 1, 1000, 0);
  vf_tree_set_pf (root, 3, "net/eth1/phys_port_name", "pf0vf0");
  vf_tree_set_pf (root, 3, "net/eth3/phys_port_name", "p0");
  vf_tree_set_pf (root, 3, "net/eth30/flags", "0x1003");
  vf_tree_set_pf (root, 3, "net/eth31/flags", "0x1003");
  vf_tree_set_pf (root, 5, "sriov_totalvfs", "16");
  vf_tree_add_pf (root, 6, 1, 1000, 0);
  vf_tree_set_pf (root, 6, "sriov_totalvfs", "many");
  vf_tree_add_pf (root, 7, 1, 1000, 0);
  vf_tree_set_pf (root, 7, "net/eth7/speed", "99999999999");
  vf_tree_set_pf (root, 7, "numa_node", "x");
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");
  g_assert_cmpuint (inventory->pfs->len, ==, 2);
  g_assert_cmpstr (((BalVfPf *)inventory->pfs->pdata[0])->netdev, ==, "eth3");
  const BalVfPf *seven = inventory->pfs->pdata[1];
  g_assert_cmpuint (seven->speed_mbps, ==, 0);
  g_assert_cmpint (seven->numa_node, ==, -1);
}

static void
test_no_pci (TestRoot *root, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (bal_vf_inventory_read (root->path, NULL, &error));
  g_assert_nonnull (error);
}

static void
assert_numvfs (TestRoot *root, const char *config, const char *expected)
{
  g_autoptr (BalVfInventory) inventory = read_inventory (root, config);
  g_autoptr (GError) error = NULL;
  bal_vf_pf_make_vfs (root->path, inventory->pfs->pdata[0], &error);
  g_assert_no_error (error);
  g_autofree char *text = test_root_get (root, "/sys/devices/pci0000:00/0000:03:00.0/sriov_numvfs");
  g_assert_true (g_str_has_prefix (text, expected));
}

static void
test_make_vfs (TestRoot *root, gconstpointer data)
{
  vf_tree_add_pf (root, 3, 0, 1000, 0);
  assert_numvfs (root, "", "0");
  assert_numvfs (root, "[pf eth3]\nnumvfs=4\n", "4");
  /* Never changed where there are some. */
  assert_numvfs (root, "[pf eth3]\nnumvfs=5\n", "4");
  vf_tree_set_pf (root, 3, "sriov_numvfs", "0");
  assert_numvfs (root, "[pf eth3]\nnumvfs=64\n", "7");
}

static GArray *
fake_read (gpointer data, const char *pf_netdev, GError **error)
{
  if (strcmp (pf_netdev, "eth4") == 0)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK, "no");
      return NULL;
    }
  BalVfSettings settings = {.mac = "52:54:00:00:00:01", .vlan = 5};
  GArray *all = g_array_new (FALSE, TRUE, sizeof settings);
  g_array_append_val (all, settings);
  return all;
}

static void
test_settings (TestRoot *root, gconstpointer data)
{
  BalVfNic nic = {.read = fake_read};
  g_autoptr (GError) error = NULL;
  vf_tree_add_pf (root, 3, 2, 1000, 0);
  vf_tree_add_pf (root, 4, 1, 1000, 0);
  g_autoptr (BalVfInventory) inventory = read_inventory (root, "");
  g_assert_false (bal_vf_inventory_read_settings (inventory, &nic, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK);
  g_assert_true (vf_of (inventory, 3, 0)->has_settings);
  g_assert_cmpuint (vf_of (inventory, 3, 0)->settings.vlan, ==, 5);
  g_assert_false (vf_of (inventory, 3, 1)->has_settings);
  g_assert_false (vf_of (inventory, 4, 0)->has_settings);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/vf-inventory/read", test_read);
  TEST_ROOT_ADD ("/vf-inventory/use", test_use);
  TEST_ROOT_ADD ("/vf-inventory/use-in-doubt", test_use_in_doubt);
  TEST_ROOT_ADD ("/vf-inventory/link-down", test_link_down);
  TEST_ROOT_ADD ("/vf-inventory/refresh", test_refresh);
  TEST_ROOT_ADD ("/vf-inventory/odd-devices", test_odd_devices);
  TEST_ROOT_ADD ("/vf-inventory/no-pci", test_no_pci);
  TEST_ROOT_ADD ("/vf-inventory/make-vfs", test_make_vfs);
  TEST_ROOT_ADD ("/vf-inventory/settings", test_settings);
  return g_test_run ();
}
