/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-reserve.h"

#include "host-hook/vf-error.h"
#include "vf-fixture.h"

#include <string.h>

typedef struct
{
  TestRoot root;
  BalVfConfig config;
  BalVfInventory *inventory;
  BalVfLedger *ledger;
  BalVfHost host;
  BalVfClock clock;
} Case;

static void
read_again (Case *self)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (&self->inventory, bal_vf_inventory_free);
  self->inventory = bal_vf_inventory_read (self->root.path, &self->config, &error);
  g_assert_no_error (error);
  self->host.inventory = self->inventory;
}

/* eth3 with four VFs, 1000 Mbit/s. */
static void
set_up (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  test_root_set_up (&self->root, NULL);
  vf_tree_add_pf (&self->root, 3, 4, 1000, 0);
  bal_vf_config_init (&self->config);
  self->ledger = bal_vf_ledger_open (self->root.path, &error);
  g_assert_no_error (error);
  self->clock = vf_clock ();
  read_again (self);
  self->host = (BalVfHost){self->root.path, &self->config, self->inventory, self->ledger};
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_inventory_free (self->inventory);
  bal_vf_ledger_free (self->ledger);
  bal_vf_config_clear (&self->config);
  test_root_tear_down (&self->root, NULL);
}

static const BalVfEntry *
reserve (Case *self, guint domain, guint mbps, GError **error)
{
  g_auto (BalVfRequest) request = vf_request (domain, mbps);
  return bal_vf_reserve (&self->host, &self->clock, &request, FALSE, -1, error);
}

static const BalVfEntry *
reserve_well (Case *self, guint domain, guint mbps)
{
  g_autoptr (GError) error = NULL;
  const BalVfEntry *entry = reserve (self, domain, mbps, &error);
  g_assert_no_error (error);
  return entry;
}

static void
assert_refused (Case *self, guint domain, guint mbps, int code)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (reserve (self, domain, mbps, &error));
  g_assert_error (error, BAL_VF_ERROR, code);
}

static void
change (Case *self, guint domain, BalVfState state, guint set)
{
  const BalVfBook *book = bal_vf_ledger_book (self->ledger);
  g_autoptr (BalVfEntry) entry =
    bal_vf_entry_copy (bal_vf_book_find (book, vf_uuid (domain), "net0"));
  g_autoptr (GError) error = NULL;
  entry->state = state;
  entry->set |= set;
  g_strlcpy (entry->before.mac, BAL_VF_MAC_NONE, sizeof entry->before.mac);
  bal_vf_ledger_put (self->ledger, entry, &error);
  g_assert_no_error (error);
}

static void
test_reserve (Case *self, gconstpointer data)
{
  const BalVfEntry *entry = reserve_well (self, 1, 400);
  g_assert_cmpstr (entry->pf_netdev, ==, "eth3");
  g_assert_cmpstr (entry->vf_pci, ==, "0000:03:10.0");
  g_assert_cmpuint (entry->capacity_mbps, ==, 1000);
  g_assert_cmpint (entry->state, ==, BAL_VF_RESERVED);
  g_assert_cmpint (entry->expires_us, ==, 1000000 + 300 * G_USEC_PER_SEC);
  g_assert_cmpstr (entry->boot_id, ==, VF_BOOT_ID);
  g_assert_cmpuint (entry->set, ==, 0);
  g_assert_cmpuint (reserve_well (self, 2, 599)->vf_index, ==, 1);
  assert_refused (self, 3, 1, BAL_VF_ERROR_REFUSED);
}

static void
test_idempotent (Case *self, gconstpointer data)
{
  reserve_well (self, 1, 900);
  guint64 generation = vf_ledger_generation (&self->root);
  change (self, 1, BAL_VF_ATTACHED, BAL_VF_SET_MAX_RATE);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  self->clock.boottime_us += 5;
  const BalVfEntry *entry = reserve_well (self, 1, 900);
  g_assert_cmpuint (entry->vf_index, ==, 0);
  g_assert_cmpint (entry->state, ==, BAL_VF_ATTACHED);
  g_assert_cmpuint (entry->set, ==, BAL_VF_SET_MAX_RATE);
  g_assert_cmpint (entry->expires_us, ==, 1000005 + 300 * G_USEC_PER_SEC);
  g_assert_cmpuint (vf_ledger_generation (&self->root), ==, generation + 2);

  assert_refused (self, 1, 800, BAL_VF_ERROR_CONFLICT);
  change (self, 1, BAL_VF_RELEASING, 0);
  assert_refused (self, 1, 900, BAL_VF_ERROR_CONFLICT);
}

/* A VF that was not attached yet, and that somebody else has by now. */
static void
test_taken (Case *self, gconstpointer data)
{
  reserve_well (self, 1, 300);
  change (self, 1, BAL_VF_FAILED, BAL_VF_SET_ALL);
  vf_tree_pass_vf (&self->root, 3, 0, FALSE);
  g_assert_cmpuint (reserve_well (self, 1, 300)->vf_index, ==, 0);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  assert_refused (self, 1, 400, BAL_VF_ERROR_CONFLICT);
  const BalVfEntry *entry = reserve_well (self, 1, 300);
  g_assert_cmpuint (entry->vf_index, ==, 1);
  g_assert_cmpint (entry->state, ==, BAL_VF_RESERVED);
  g_assert_cmpuint (entry->set, ==, 0);
}

/* The inventory is old: what is chosen is looked at once more. */
static void
test_second_look (Case *self, gconstpointer data)
{
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  vf_tree_remove_vf_netdev (&self->root, 3, 1);
  vf_tree_remove_vf (&self->root, 3, 2);
  g_assert_cmpuint (reserve_well (self, 1, 100)->vf_index, ==, 3);
  assert_refused (self, 2, 100, BAL_VF_ERROR_REFUSED);
}

static void
test_link_is_looked_at (Case *self, gconstpointer data)
{
  vf_tree_add_pf (&self->root, 4, 1, 2000, 0);
  read_again (self);
  vf_tree_set_pf (&self->root, 3, "net/eth3/speed", "100");
  g_assert_cmpstr (reserve_well (self, 2, 500)->pf_netdev, ==, "eth4");
  assert_refused (self, 1, 500, BAL_VF_ERROR_REFUSED);
  vf_tree_set_pf (&self->root, 3, "net/eth3/speed", "1000");
  read_again (self);
  vf_tree_set_pf (&self->root, 3, "net/eth3/operstate", "down");
  assert_refused (self, 1, 500, BAL_VF_ERROR_REFUSED);
  vf_tree_set_pf (&self->root, 3, "net/eth3/operstate", "up");
  read_again (self);
  g_assert_cmpuint (reserve_well (self, 1, 500)->capacity_mbps, ==, 1000);
}

static void
reboot (Case *self)
{
  g_strlcpy (self->clock.boot_id, VF_OTHER_BOOT_ID, sizeof self->clock.boot_id);
  self->clock.boottime_us = 10;
  read_again (self);
}

/* After a boot a domain gets what it had, if that is free. */
static void
test_boot (Case *self, gconstpointer data)
{
  reserve_well (self, 1, 300);
  reserve_well (self, 2, 300);
  change (self, 1, BAL_VF_ATTACHED, BAL_VF_SET_ALL);
  change (self, 2, BAL_VF_ATTACHED, BAL_VF_SET_ALL);
  reboot (self);
  const BalVfEntry *second = reserve_well (self, 2, 300);
  g_assert_cmpuint (second->vf_index, ==, 1);
  g_assert_cmpint (second->state, ==, BAL_VF_RESERVED);
  g_assert_cmpuint (second->set, ==, 0);
  g_assert_cmpstr (second->boot_id, ==, VF_OTHER_BOOT_ID);

  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  const BalVfEntry *first = reserve_well (self, 1, 300);
  g_assert_cmpuint (first->vf_index, ==, 2);
  g_assert_cmpint (first->state, ==, BAL_VF_RESERVED);
  g_assert_cmpuint (bal_vf_book_size (bal_vf_ledger_book (self->ledger)), ==, 2);
}

/* With a MAC of its own, a port that has to move is not in its own way. */
static void
test_boot_with_mac (Case *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_request (1, 300);
  g_autoptr (GError) error = NULL;
  request.mac = g_strdup ("52:54:00:00:00:01");
  bal_vf_reserve (&self->host, &self->clock, &request, TRUE, -1, &error);
  g_assert_no_error (error);
  vf_tree_remove_vf (&self->root, 3, 0);
  reboot (self);
  const BalVfEntry *entry = bal_vf_reserve (&self->host, &self->clock, &request, TRUE, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (entry->vf_index, ==, 1);
  g_assert_true (entry->from_metadata);
}

static void
test_clock (TestRoot *root, gconstpointer data)
{
  BalVfClock clock;
  BalVfClock later;
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_vf_clock_read (root->path, &clock, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  test_root_put (root, "/proc/sys/kernel/random/boot_id", VF_BOOT_ID "\n");
  bal_vf_clock_read (root->path, &clock, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clock.boot_id, ==, VF_BOOT_ID);
  bal_vf_clock_read (root->path, &later, NULL);
  g_assert_cmpint (clock.boottime_us, >, 0);
  g_assert_cmpint (later.boottime_us, >=, clock.boottime_us);
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-reserve/reserve", test_reserve);
  ADD ("/vf-reserve/idempotent", test_idempotent);
  ADD ("/vf-reserve/taken", test_taken);
  ADD ("/vf-reserve/second-look", test_second_look);
  ADD ("/vf-reserve/link-is-looked-at", test_link_is_looked_at);
  ADD ("/vf-reserve/boot", test_boot);
  ADD ("/vf-reserve/boot-with-mac", test_boot_with_mac);
  TEST_ROOT_ADD ("/vf-reserve/clock", test_clock);
  return g_test_run ();
}
