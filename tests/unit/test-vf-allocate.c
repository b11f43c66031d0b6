/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-allocate.h"

#include "host-hook/vf-error.h"
#include "vf-fixture.h"

#include <string.h>

/* PFs eth3 (node 0, 1000), eth4 (node 1, 10000) and eth5 (node 1, 2500), four VFs each. */
typedef struct
{
  BalVfInventory *inventory;
  BalVfBook *book;
  BalVfRequest request;
} Case;

static BalVfPf *
pf_of (Case *self, guint number)
{
  return self->inventory->pfs->pdata[number - 3];
}

static BalVf *
vf_of (Case *self, guint pf, guint vf)
{
  return &g_array_index (pf_of (self, pf)->vfs, BalVf, vf);
}

static void
set_up (Case *self, gconstpointer data)
{
  TestRoot root;
  g_autoptr (GError) error = NULL;

  test_root_set_up (&root, NULL);
  vf_tree_add_pf (&root, 3, 4, 1000, 0);
  vf_tree_add_pf (&root, 4, 4, 10000, 1);
  vf_tree_add_pf (&root, 5, 4, 2500, 1);
  self->inventory = bal_vf_inventory_read (root.path, NULL, &error);
  g_assert_no_error (error);
  test_root_tear_down (&root, NULL);
  self->book = bal_vf_book_new ();
  self->request = vf_request (99, 500);
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_inventory_free (self->inventory);
  bal_vf_book_free (self->book);
  bal_vf_request_clear (&self->request);
}

static void
take (Case *self, guint domain, guint mbps, guint pf, guint vf)
{
  bal_vf_book_put (self->book, vf_entry (domain, mbps, pf, vf));
}

static void
assert_gets (Case *self, int home_node, BalVfPolicy policy, guint pf, guint vf)
{
  g_autoptr (GError) error = NULL;
  BalVfChoice choice;
  bal_vf_allocate (self->inventory, self->book, &self->request, home_node, policy, &choice, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (choice.pf->netdev, ==, pf_of (self, pf)->netdev);
  g_assert_cmpuint (choice.vf->index, ==, vf);
}

static void
assert_refused (Case *self, int code, const char *const *named)
{
  g_autoptr (GError) error = NULL;
  BalVfChoice choice;
  g_assert_false (bal_vf_allocate (self->inventory, self->book, &self->request, -1,
                                   BAL_VF_POLICY_PACK, &choice, &error));
  g_assert_error (error, BAL_VF_ERROR, code);
  g_assert_null (choice.pf);
  for (; *named != NULL; named++)
    if (strstr (error->message, *named) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, *named);
}

#define REFUSED(self, code, ...)                                                                   \
  assert_refused (self, code, (const char *const[]){__VA_ARGS__, NULL})

static void
test_policies (Case *self, gconstpointer data)
{
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 0);
  assert_gets (self, -1, BAL_VF_POLICY_SPREAD, 4, 0);
  take (self, 1, 9400, 4, 0);
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 4, 1);
  assert_gets (self, -1, BAL_VF_POLICY_SPREAD, 5, 0);
  /* A draw goes to the lower address. */
  pf_of (self, 4)->capacity_mbps = 10400;
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 0);
  pf_of (self, 5)->capacity_mbps = 1000;
  assert_gets (self, -1, BAL_VF_POLICY_SPREAD, 3, 0);
}

static void
test_numa (Case *self, gconstpointer data)
{
  assert_gets (self, 1, BAL_VF_POLICY_PACK, 5, 0);
  assert_gets (self, 1, BAL_VF_POLICY_SPREAD, 4, 0);
  assert_gets (self, 7, BAL_VF_POLICY_PACK, 3, 0);
  self->request.numa_node = 1;
  assert_gets (self, 0, BAL_VF_POLICY_PACK, 5, 0);
  /* A preference, no demand. */
  self->request.numa_node = 0;
  self->request.bandwidth_mbps = 2000;
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 5, 0);
}

static void
test_residual_must_be_greater (Case *self, gconstpointer data)
{
  self->request.bandwidth_mbps = 999;
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 0);
  self->request.bandwidth_mbps = 1000;
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 5, 0);
  self->request.bandwidth_mbps = 9999;
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 4, 0);
  self->request.bandwidth_mbps = 10000;
  REFUSED (self, BAL_VF_ERROR_REFUSED, "10000 Mbit/s", "eth3 has 1000 of 1000 Mbit/s left",
           "eth4 has 10000 of 10000 Mbit/s left", "eth5 has 2500 of 2500 Mbit/s left",
           "nothing was reserved");
  /* Less capacity than is taken already is nothing left. */
  take (self, 1, 800, 3, 0);
  pf_of (self, 3)->capacity_mbps = 100;
  g_assert_cmpuint (bal_vf_residual_mbps (pf_of (self, 3), self->book), ==, 0);
}

static void
test_vfs_in_use_are_not_offered (Case *self, gconstpointer data)
{
  static const BalVfUse uses[] = {BAL_VF_HOST, BAL_VF_ELSEWHERE, BAL_VF_PREPARED, BAL_VF_OPEN};
  self->request.pf = g_strdup ("eth3");
  for (guint i = 0; i < G_N_ELEMENTS (uses); i++)
    {
      vf_of (self, 3, 0)->use = uses[i];
      assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 1);
    }
  /* One in the ledger is not either, though it is idle. */
  take (self, 1, 100, 3, 1);
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 2);
  vf_of (self, 3, 2)->use = BAL_VF_OPEN;
  take (self, 2, 100, 3, 3);
  REFUSED (
    self, BAL_VF_ERROR_REFUSED,
    "eth3 has 800 Mbit/s left but no VF (of 4, 2 are handed out and the others in use otherwise)");
}

static void
test_conditions (Case *self, gconstpointer data)
{
  pf_of (self, 3)->excluded = TRUE;
  pf_of (self, 4)->has_link = FALSE;
  pf_of (self, 5)->network = g_strdup ("physnet1");
  self->request.network = g_strdup ("physnet1");
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 5, 0);
  pf_of (self, 5)->capacity_mbps = 0;
  REFUSED (self, BAL_VF_ERROR_REFUSED, "eth3 is excluded", "eth4 is on network (none)",
           "eth5 has no known speed");
  pf_of (self, 4)->network = g_strdup ("physnet1");
  REFUSED (self, BAL_VF_ERROR_REFUSED, "eth4 has no link");
}

static void
test_fixed_pf (Case *self, gconstpointer data)
{
  self->request.pf = g_strdup ("0000:04:00.0");
  assert_gets (self, 0, BAL_VF_POLICY_PACK, 4, 0);
  g_free (self->request.pf);
  self->request.pf = g_strdup ("eth3");
  self->request.bandwidth_mbps = 5000;
  g_autoptr (GError) error = NULL;
  BalVfChoice choice;
  g_assert_false (bal_vf_allocate (self->inventory, self->book, &self->request, -1,
                                   BAL_VF_POLICY_PACK, &choice, &error));
  g_assert_nonnull (strstr (error->message, "eth3 has 1000 of 1000"));
  g_assert_null (strstr (error->message, "eth4"));
  g_free (self->request.pf);
  self->request.pf = g_strdup ("eth9");
  REFUSED (self, BAL_VF_ERROR_NOT_FOUND, "eth9");
}

static void
test_mac (Case *self, gconstpointer data)
{
  BalVfEntry *entry = vf_entry (1, 100, 3, 0);
  entry->request.mac = g_strdup ("52:54:00:00:00:01");
  bal_vf_book_put (self->book, entry);
  self->request.mac = g_strdup ("52:54:00:00:00:01");
  REFUSED (self, BAL_VF_ERROR_CONFLICT, "52:54:00:00:00:01", vf_uuid (1));

  self->request.mac[16] = '2';
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 1);
  BalVf *foreign = vf_of (self, 5, 3);
  foreign->has_settings = TRUE;
  g_strlcpy (foreign->settings.mac, self->request.mac, sizeof foreign->settings.mac);
  assert_gets (self, -1, BAL_VF_POLICY_PACK, 3, 1);
  foreign->use = BAL_VF_OPEN;
  REFUSED (self, BAL_VF_ERROR_CONFLICT, "VF 3 of eth5");
}

static void
test_many_pfs (Case *self, gconstpointer data)
{
  TestRoot root;
  test_root_set_up (&root, NULL);
  for (guint i = 1; i <= 20; i++)
    vf_tree_add_pf (&root, i, 1, 100, 0);
  bal_vf_inventory_free (self->inventory);
  self->inventory = bal_vf_inventory_read (root.path, NULL, NULL);
  test_root_tear_down (&root, NULL);
  REFUSED (self, BAL_VF_ERROR_REFUSED, "eth1 has", "eth8 has", ", and 12 more");
}

static void
test_no_pf (Case *self, gconstpointer data)
{
  g_ptr_array_set_size (self->inventory->pfs, 0);
  REFUSED (self, BAL_VF_ERROR_REFUSED, "this host has none");
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-allocate/policies", test_policies);
  ADD ("/vf-allocate/numa", test_numa);
  ADD ("/vf-allocate/residual-must-be-greater", test_residual_must_be_greater);
  ADD ("/vf-allocate/vfs-in-use", test_vfs_in_use_are_not_offered);
  ADD ("/vf-allocate/conditions", test_conditions);
  ADD ("/vf-allocate/fixed-pf", test_fixed_pf);
  ADD ("/vf-allocate/mac", test_mac);
  ADD ("/vf-allocate/many-pfs", test_many_pfs);
  ADD ("/vf-allocate/no-pf", test_no_pf);
  return g_test_run ();
}
