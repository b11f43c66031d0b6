/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service sees of the host, when it looks again, and what it lists. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"
#include "host-hook/vf-list.h"
#include "json-literal.h"

#include <glib/gstdio.h>
#include <string.h>

#define PORT(bandwidth) "<vf:port id='net0' bandwidth='" bandwidth "'/>"

/* --- the inventory grows old --- */

static void
test_fresh_look (VfServiceCase *self, gconstpointer data)
{
  vf_tree_set_pf (&self->root, 3, "net/eth3/operstate", "down");
  vf_tree_set_pf (&self->root, 4, "net/eth4/operstate", "down");
  vf_service_restart (self);
  vf_tree_set_pf (&self->root, 4, "net/eth4/operstate", "up");
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_cmpstr (vf_service_entry (self, 1)->pf_netdev, ==, "eth4");

  /* All VFs are in somebody's hands, and then not. */
  for (guint i = 1; i < 4; i++)
    vf_tree_pass_vf (&self->root, 4, i, TRUE);
  vf_service_restart (self);
  vf_tree_take_back_vf (&self->root, 4, 2);
  vf_service_must_prepare (self, 2, PORT ("300Mbit"));
  g_assert_cmpuint (vf_service_entry (self, 2)->vf_index, ==, 2);

  /* A PF that came later is seen by a look that is not too new. */
  g_autoptr (GError) error = NULL;
  vf_tree_add_pf (&self->root, 5, 1, 1000, 0);
  g_assert_false (vf_service_prepare_domain (self, 3, PORT ("800Mbit"), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  self->service->looked_us -= 11 * G_USEC_PER_SEC;
  vf_service_must_prepare (self, 3, PORT ("800Mbit"));
  g_assert_cmpstr (vf_service_entry (self, 3)->pf_netdev, ==, "eth5");
}

static gpointer
bring_link_up (gpointer data)
{
  VfServiceCase *self = data;

  /* Whoever waits for it must not keep the others out. */
  g_mutex_lock (&self->service->lock);
  vf_tree_set_pf (&self->root, 4, "net/eth4/operstate", "up");
  g_mutex_unlock (&self->service->lock);
  return NULL;
}

/* The host has just booted. */
static void
test_link_comes_up (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_tree_set_pf (&self->root, 3, "net/eth3/operstate", "down");
  vf_tree_set_pf (&self->root, 4, "net/eth4/operstate", "down");
  self->service->link_ms = 60;
  g_assert_false (vf_service_prepare_domain (self, 1, PORT ("300Mbit"), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  self->service->link_ms = 60000;
  GThread *thread = g_thread_new ("link", bring_link_up, self);
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_thread_join (thread);
  g_assert_cmpstr (vf_service_entry (self, 1)->pf_netdev, ==, "eth4");

  /* No link would help here. */
  gint64 began_us = g_get_monotonic_time ();
  g_clear_error (&error);
  g_assert_false (vf_service_prepare_domain (self, 2, PORT ("800Mbit"), &error));
  g_assert_cmpint (g_get_monotonic_time () - began_us, <, 30 * G_USEC_PER_SEC);
}

/* A NIC that is read while somebody else goes on. */
static GArray *
read_unlocked (gpointer data, const char *pf_netdev, GError **error)
{
  VfServiceCase *self = data;
  BalVfNic nic = vf_nic (&self->nic);

  g_assert_true (g_mutex_trylock (&self->service->lock));
  g_mutex_unlock (&self->service->lock);
  return nic.read (nic.data, pf_netdev, error);
}

static void
test_looks_without_the_lock (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  self->service->look_nic.read = read_unlocked;
  g_autoptr (JsonObject) list = bal_vf_service_list (self->service, NULL, &error);
  g_assert_nonnull (list);
  g_assert_true (bal_vf_service_reload (self->service, &error));
  bal_vf_service_settle (self->service, NULL);
  self->service->looked_us -= 11 * G_USEC_PER_SEC;
  g_assert_false (vf_service_prepare_domain (self, 2, PORT ("2Gbit"), &error));
}

/* A PF whose driver comes late gets its VFs, too. */
static void
test_makes_vfs_late (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *pci = vf_tree_pf_pci (5);
  g_autofree char *path = g_strdup_printf ("/sys/devices/pci0000:00/%s/sriov_numvfs", pci);
  g_autoptr (JsonObject) list = NULL;

  test_root_put (&self->root, "/etc/ballast/vf.conf", "[pf eth5]\nnumvfs = 3\n");
  g_assert_true (bal_vf_service_reload (self->service, NULL));
  vf_tree_add_pf (&self->root, 5, 0, 1000, 0);
  list = bal_vf_service_list (self->service, NULL, NULL);
  g_autofree char *made = test_root_get (&self->root, path);
  g_assert_true (g_str_has_prefix (made, "3"));
}

/* The MAC address that a VF had with its last domain is not that of its next one. */
static void
test_mac_comes_back (VfServiceCase *self, gconstpointer data)
{
  static const char port[] = "<vf:port id='net0' bandwidth='1Mbit' mac='52:54:00:00:00:01'/>";
  g_autoptr (JsonObject) list = NULL;

  vf_service_must_prepare (self, 1, port);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  list = bal_vf_service_list (self->service, NULL, NULL);
  vf_tree_take_back_vf (&self->root, 3, 0);
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_must_prepare (self, 2, PORT ("1Mbit"));
  g_assert_cmpuint (vf_service_entry (self, 2)->vf_index, ==, 0);
  bal_vf_inventory_find_vf (self->service->inventory, "0000:03:10.0", NULL)->use = BAL_VF_OPEN;
  vf_service_must_prepare (self, 1, port);
}

static void
test_reload (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_root_put (&self->root, "/etc/ballast/vf.conf", "[pf eth3]\nexcluded = yes\n");
  g_assert_true (bal_vf_service_reload (self->service, &error));
  g_assert_no_error (error);
  test_root_put (&self->root, "/etc/ballast/vf.conf", "[pf eth3]\nexcluded = perhaps\n");
  g_assert_false (bal_vf_service_reload (self->service, &error));
  g_assert_nonnull (error);
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_cmpstr (vf_service_entry (self, 1)->pf_netdev, ==, "eth4");

  /* What would be good cannot be looked at. */
  g_autofree char *devices = test_root_path (&self->root, "/sys/bus/pci/devices");
  g_autofree char *away = test_root_path (&self->root, "/sys/bus/pci/away");
  test_root_put (&self->root, "/etc/ballast/vf.conf", "");
  g_assert_cmpint (g_rename (devices, away), ==, 0);
  g_clear_error (&error);
  g_assert_false (bal_vf_service_reload (self->service, &error));
  g_assert_nonnull (error);
  g_assert_cmpint (g_rename (away, devices), ==, 0);
  vf_service_must_prepare (self, 2, PORT ("300Mbit"));
  g_assert_cmpstr (vf_service_entry (self, 2)->pf_netdev, ==, "eth4");
}

static void
test_makes_vfs (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *pci = vf_tree_pf_pci (5);
  g_autofree char *path = g_strdup_printf ("/sys/devices/pci0000:00/%s/sriov_numvfs", pci);

  vf_tree_add_pf (&self->root, 5, 0, 1000, 0);
  test_root_put (&self->root, "/etc/ballast/vf.conf",
                 "[pf eth5]\nnumvfs = 3\n[pf eth4]\nnumvfs = 2\n");
  vf_service_restart (self);
  g_autofree char *made = test_root_get (&self->root, path);
  g_assert_true (g_str_has_prefix (made, "3"));
  g_assert_cmpuint (bal_vf_inventory_find_pf (self->service->inventory, "eth4")->num_vfs, ==, 4);
}

/* --- the list --- */

static void
test_list (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  vf_tree_pass_vf (&self->root, 3, 3, TRUE);
  g_autoptr (JsonObject) list = bal_vf_service_list (self->service, "eth3", &error);
  g_assert_no_error (error);
  JsonArray *pfs = json_object_get_array_member (list, "pfs");
  JsonArray *ports = json_object_get_array_member (list, "ports");
  g_assert_cmpuint (json_array_get_length (pfs), ==, 1);
  g_assert_cmpuint (json_array_get_length (ports), ==, 1);
  JsonObject *pf = json_array_get_object_element (pfs, 0);
  g_assert_cmpint (json_object_get_int_member (pf, "residual-mbps"), ==, 700);
  JsonArray *vfs = json_object_get_array_member (pf, "vfs");
  g_assert_cmpuint (json_array_get_length (vfs), ==, 4);
  assert_json (json_array_get_object_element (vfs, 3),
               "{'vf':3,'vf-pci':'0000:03:10.3','use':'open','driver':'vfio-pci',"
               "'iommu-group':871,'trust':false,'spoofchk':true}");
  JsonObject *ours = json_array_get_object_element (vfs, 0);
  g_assert_cmpstr (json_object_get_string_member (ours, "domain"), ==, vf_uuid (1));
  g_assert_cmpint (json_object_get_int_member (ours, "max-rate-mbps"), ==, 300);

  g_autoptr (JsonObject) other = bal_vf_service_list (self->service, "eth4", &error);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (other, "ports")), ==, 0);
  g_assert_null (bal_vf_service_list (self->service, "eth9", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

static void
test_list_has_a_limit (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BalVf vf = {.pci = "0000:ff:1f.7", .use = BAL_VF_IDLE, .iommu_group = -1};
  g_autoptr (BalVfBook) book = bal_vf_book_new ();
  BalVfInventory *inventory = self->service->inventory;
  BalVfPf *pf = bal_vf_inventory_find_pf (inventory, "eth3");

  while (pf->vfs->len < BAL_VF_LIST_VFS_MAX)
    g_array_append_val (pf->vfs, vf);
  for (guint i = 0; i < BAL_VF_LIST_PORTS_MAX + 3; i++)
    bal_vf_book_put (book, vf_entry (i, 1, i / 256, i % 256));
  g_autoptr (JsonObject) list = bal_vf_list_build (inventory, book, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (list, "left-out"), ==, 4 + 3);
  gsize length;
  g_autofree char *line = bal_json_to_line (list, FALSE, &length);
  g_assert_cmpuint (length, <, 1024 * 1024);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-look/fresh-look", test_fresh_look);
  VF_SERVICE_ADD ("/vf-service-look/link-comes-up", test_link_comes_up);
  VF_SERVICE_ADD ("/vf-service-look/looks-without-the-lock", test_looks_without_the_lock);
  VF_SERVICE_ADD ("/vf-service-look/makes-vfs-late", test_makes_vfs_late);
  VF_SERVICE_ADD ("/vf-service-look/mac-comes-back", test_mac_comes_back);
  VF_SERVICE_ADD ("/vf-service-look/reload", test_reload);
  VF_SERVICE_ADD ("/vf-service-look/makes-vfs", test_makes_vfs);
  VF_SERVICE_ADD ("/vf-service-look/list", test_list);
  VF_SERVICE_ADD ("/vf-service-look/list-has-a-limit", test_list_has_a_limit);
  return g_test_run ();
}
