/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-port.h"

#include "host-hook/vf-error.h"
#include "vf-fixture.h"
#include "vf-nic.h"

#include <string.h>

#define MAC "52:54:00:00:00:01"

/* eth3 with four VFs; domain 1 has reserved VF 0 and wants all settings. */
typedef struct
{
  TestRoot root;
  BalVfConfig config;
  BalVfInventory *inventory;
  BalVfLedger *ledger;
  BalVfHost host;
  BalVfClock clock;
  VfNic nic;
  BalVfNic reach;
  BalVfSettings clean;
} Case;

static void
reserve (Case *self)
{
  g_auto (BalVfRequest) request = vf_request (1, 500);
  g_autoptr (GError) error = NULL;

  request.mac = g_strdup (MAC);
  request.vlan = 100;
  request.trust = BAL_VF_ON;
  request.spoofchk = BAL_VF_OFF;
  bal_vf_reserve (&self->host, &self->clock, &request, FALSE, -1, &error);
  g_assert_no_error (error);
}

static void
set_up (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  test_root_set_up (&self->root, NULL);
  vf_tree_add_pf (&self->root, 3, 4, 1000, 0);
  bal_vf_config_init (&self->config);
  self->inventory = bal_vf_inventory_read (self->root.path, NULL, &error);
  g_assert_no_error (error);
  self->ledger = bal_vf_ledger_open (self->root.path, &error);
  g_assert_no_error (error);
  self->clock = vf_clock ();
  self->host = (BalVfHost){self->root.path, &self->config, self->inventory, self->ledger};
  vf_nic_init (&self->nic, 4);
  self->reach = vf_nic (&self->nic);
  self->clean = *vf_nic_vf (&self->nic, 0);
  reserve (self);
}

static void
tear_down (Case *self, gconstpointer data)
{
  vf_nic_clear (&self->nic);
  bal_vf_ledger_free (self->ledger);
  bal_vf_inventory_free (self->inventory);
  bal_vf_config_clear (&self->config);
  test_root_tear_down (&self->root, NULL);
}

/* As after a SIGKILL: what is in memory is gone. */
static void
restart (Case *self)
{
  g_autoptr (GError) error = NULL;

  bal_vf_ledger_free (self->ledger);
  self->host.ledger = self->ledger = bal_vf_ledger_open (self->root.path, &error);
  g_assert_no_error (error);
}

static const BalVfEntry *
make_settings (Case *self, GError **error)
{
  return bal_vf_port_set_up (&self->host, &self->reach, vf_uuid (1), "net0", error);
}

static gboolean
give_up (Case *self, GError **error)
{
  return bal_vf_port_tear_down (&self->host, &self->reach, &self->clock, vf_uuid (1), "net0",
                                error);
}

static const BalVfEntry *
entry_of (Case *self)
{
  return bal_vf_book_find (bal_vf_ledger_book (self->ledger), vf_uuid (1), "net0");
}

static gboolean
is_clean (Case *self)
{
  return bal_vf_settings_differ (vf_nic_vf (&self->nic, 0), &self->clean, BAL_VF_SET_ALL) == 0;
}

static void
assert_goes_away (Case *self)
{
  g_autoptr (GError) error = NULL;

  give_up (self, &error);
  g_assert_no_error (error);
  g_assert_true (is_clean (self));
  g_assert_null (entry_of (self));
}

static void
test_life (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  self->nic.not_supported = BAL_VF_SET_MIN_RATE;
  const BalVfEntry *entry = make_settings (self, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (entry->set, ==, BAL_VF_SET_ALL);
  g_assert_cmpuint (entry->refused, ==, BAL_VF_SET_MIN_RATE);
  g_assert_cmpstr (entry->before.mac, ==, BAL_VF_MAC_NONE);
  g_assert_cmpstr (vf_nic_vf (&self->nic, 0)->mac, ==, MAC);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 500);

  /* Once more, after a restart: what is gone back to stays. */
  restart (self);
  entry = make_settings (self, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (entry->before.mac, ==, BAL_VF_MAC_NONE);
  assert_goes_away (self);
  g_assert_false (give_up (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

/* Cut off behind each setting that is made, and behind each that is put back. */
static void
test_cut_off_anywhere (Case *self, gconstpointer data)
{
  for (guint n = 1; n <= 6; n++)
    {
      g_autoptr (GError) error = NULL;
      self->nic.n_sets = 0;
      self->nic.dies_after = n;
      g_assert_true ((make_settings (self, &error) != NULL) == (n == 6));
      restart (self);
      g_assert_false (is_clean (self));
      self->nic.dies_after = 0;
      assert_goes_away (self);
      reserve (self);
    }
  for (guint n = 1; n <= 5; n++)
    {
      g_autoptr (GError) error = NULL;
      make_settings (self, &error);
      g_assert_no_error (error);
      self->nic.n_sets = 0;
      self->nic.dies_after = n;
      g_assert_false (give_up (self, &error));
      restart (self);
      g_assert_cmpint (entry_of (self)->state, ==, BAL_VF_RELEASING);
      self->nic.dies_after = 0;
      assert_goes_away (self);
      reserve (self);
    }
}

static void
test_demand_that_is_refused (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  self->nic.not_supported = BAL_VF_SET_TRUST;
  g_assert_null (make_settings (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
  g_assert_true (is_clean (self));
  g_assert_cmpint (entry_of (self)->state, ==, BAL_VF_RESERVED);
  g_assert_nonnull (strstr (entry_of (self)->why, "trust"));

  g_clear_error (&error);
  self->nic.not_supported = 0;
  g_assert_nonnull (make_settings (self, &error));
  g_assert_null (entry_of (self)->why);
  assert_goes_away (self);
}

/* The NIC, but each setting that is made must be in the ledger. */
static gboolean
set_with_ledger (gpointer data,
                 const char *pf_netdev,
                 guint index,
                 BalVfSet which,
                 const BalVfSettings *values,
                 GError **error)
{
  Case *self = data;
  BalVfNic nic = vf_nic (&self->nic);

  restart (self);
  g_assert_cmpuint (entry_of (self)->set & which, ==, which);
  g_assert_cmpstr (entry_of (self)->before.mac, ==, BAL_VF_MAC_NONE);
  return nic.set (nic.data, pf_netdev, index, which, values, error);
}

static GArray *
read_with_ledger (gpointer data, const char *pf_netdev, GError **error)
{
  return g_array_copy (((Case *)data)->nic.vfs);
}

static void
test_ledger_goes_first (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  self->reach = (BalVfNic){self, read_with_ledger, set_with_ledger};
  make_settings (self, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self->nic.n_sets, ==, 6);
  assert_goes_away (self);
}

static void
test_not_while_releasing (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (entry_of (self));
  entry->state = BAL_VF_RELEASING;
  bal_vf_ledger_put (self->ledger, entry, &error);
  g_assert_no_error (error);
  g_assert_null (make_settings (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_true (is_clean (self));
  assert_goes_away (self);
}

static void
test_in_use (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  make_settings (self, &error);
  g_assert_no_error (error);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  g_assert_false (give_up (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_cmpint (entry_of (self)->state, ==, BAL_VF_RESERVED);
  g_assert_false (is_clean (self));
  vf_tree_pass_vf (&self->root, 3, 0, FALSE);
  assert_goes_away (self);
}

/* Somebody else's VF is left as it is. */
static void
test_taken (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  g_assert_null (make_settings (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_cmpuint (self->nic.n_sets, ==, 0);
  g_assert_cmpuint (entry_of (self)->set, ==, 0);
  vf_tree_pass_vf (&self->root, 3, 0, FALSE);
  g_clear_error (&error);
  g_assert_nonnull (make_settings (self, &error));
}

/* It is written down once. */
static void
test_why_it_stays (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (entry_of (self));
  entry->state = BAL_VF_RELEASING;
  bal_vf_ledger_put (self->ledger, entry, &error);
  g_assert_no_error (error);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  g_assert_false (give_up (self, NULL));
  g_assert_nonnull (strstr (entry_of (self)->why, "still in use (open)"));
  gint64 changed_us = entry_of (self)->changed_us;
  g_assert_false (give_up (self, NULL));
  g_assert_cmpint (entry_of (self)->changed_us, ==, changed_us);
}

static void
test_cannot_be_put_back (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  make_settings (self, &error);
  g_assert_no_error (error);
  self->nic.not_supported = BAL_VF_SET_VLAN;
  g_assert_false (give_up (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
  g_assert_cmpint (entry_of (self)->state, ==, BAL_VF_RELEASING);
  g_assert_nonnull (strstr (entry_of (self)->why, "vlan"));
  self->nic.not_supported = 0;
  assert_goes_away (self);
}

/* Of an earlier boot, or of a VF that is gone, nothing is put back. */
static void
test_nothing_to_put_back (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  make_settings (self, &error);
  g_assert_no_error (error);
  g_strlcpy (self->clock.boot_id, VF_OTHER_BOOT_ID, sizeof self->clock.boot_id);
  self->nic.n_sets = 0;
  g_assert_true (give_up (self, &error));
  g_assert_cmpuint (self->nic.n_sets, ==, 0);

  self->clock = vf_clock ();
  reserve (self);
  make_settings (self, &error);
  g_assert_no_error (error);
  g_array_set_size (self->nic.vfs, 0);
  g_assert_true (give_up (self, &error));
  g_assert_no_error (error);
  reserve (self);
  g_assert_null (make_settings (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  g_assert_cmpuint (entry_of (self)->set, ==, 0);
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-port/life", test_life);
  ADD ("/vf-port/cut-off-anywhere", test_cut_off_anywhere);
  ADD ("/vf-port/demand-that-is-refused", test_demand_that_is_refused);
  ADD ("/vf-port/ledger-goes-first", test_ledger_goes_first);
  ADD ("/vf-port/not-while-releasing", test_not_while_releasing);
  ADD ("/vf-port/in-use", test_in_use);
  ADD ("/vf-port/taken", test_taken);
  ADD ("/vf-port/why-it-stays", test_why_it_stays);
  ADD ("/vf-port/cannot-be-put-back", test_cannot_be_put_back);
  ADD ("/vf-port/nothing-to-put-back", test_nothing_to_put_back);
  return g_test_run ();
}
