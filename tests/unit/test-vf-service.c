/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service does for hooks: without libvirt. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define PORT(bandwidth) "<vf:port id='net0' bandwidth='" bandwidth "'/>"

static void
test_life (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  const BalVfEntry *entry = vf_service_entry (self, 1);
  g_assert_cmpint (entry->state, ==, BAL_VF_RESERVED);
  g_assert_true (entry->from_metadata);
  g_assert_cmpstr (entry->pf_netdev, ==, "eth3");
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
  g_assert_false (bal_vf_service_is_idle (self->service));

  /* Asked twice, and by a ballastd that was started in between. */
  vf_service_restart (self);
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_cmpuint (vf_service_entry (self, 1)->vf_index, ==, 0);

  bal_vf_service_end (self->service, vf_uuid (1));
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

static void
test_nothing_is_asked (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_vf_service_prepare (self->service, "<domain type='kvm'/>", &error));
  g_assert_no_error (error);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_false (vf_service_prepare_domain (self, 1, "<vf:port id='net0'/>", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
  bal_vf_service_end (self->service, vf_uuid (1));
}

static void
test_refused (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 2, PORT ("500Mbit"));
  /* The first of the two fits. */
  g_assert_false (vf_service_prepare_domain (
    self, 1, PORT ("600Mbit") "<vf:port id='net1' bandwidth='1Gbit' pf='eth3'/>", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_assert_null (vf_service_entry (self, 1));
  g_assert_nonnull (vf_service_entry (self, 2));
  bal_vf_service_end (self->service, vf_uuid (2));
  g_assert_true (vf_service_is_clean (self));
}

/* What was there before a refusal stays. */
static void
test_refused_in_addition (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_false (
    vf_service_prepare_domain (self, 1, PORT ("300Mbit") "<vf:port id='net1' bandwidth='1Gbit'/>",
                               &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_assert_nonnull (vf_service_entry (self, 1));
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
}

static void
test_demand_of_the_nic (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->nic.not_supported = BAL_VF_SET_MIN_RATE;
  g_assert_false (vf_service_prepare_domain (self, 1,
                                             "<vf:port id='net0' bandwidth='1Mbit' minimum='yes'/>",
                                             &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

/* A VF that somebody still has open when its domain has ended. */
static void
test_end_of_what_is_in_use (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  bal_vf_service_end (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RELEASING);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
  g_assert_false (vf_service_prepare_domain (self, 1, PORT ("300Mbit"), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);

  vf_tree_take_back_vf (&self->root, 3, 0);
  vf_service_must_prepare (self, 1, PORT ("200Mbit"));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RESERVED);
  g_assert_cmpuint (vf_service_entry (self, 1)->request.bandwidth_mbps, ==, 200);
}

/* A VF that a stranger took since is not set for the port, which gets another. */
static void
test_taken_by_a_stranger (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  BalVfSettings before = *vf_nic_vf (&self->nic, 0);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_cmpuint (vf_service_entry (self, 1)->vf_index, ==, 1);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 1)->max_rate_mbps, ==, 300);
  g_assert_cmpuint (bal_vf_settings_differ (vf_nic_vf (&self->nic, 0), &before, BAL_VF_SET_ALL), ==,
                    0);
}

/* What cannot be put back is not tried again and again, and is told. */
static void
test_cannot_be_put_back (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  self->nic.broken = BAL_VF_SET_MAX_RATE;
  bal_vf_service_end (self->service, vf_uuid (1));
  guint n_sets = self->nic.n_sets;
  g_assert_false (vf_service_prepare_domain (self, 1, PORT ("300Mbit"), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_nonnull (strstr (error->message, vf_service_entry (self, 1)->why));
  g_assert_cmpuint (self->nic.n_sets, <, n_sets + 10);
}

/* While its address is on the way to libvirt a VF becomes nobody else's. */
static void
test_end_of_what_is_attaching (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_hash_table_add (self->service->attaching, g_strdup (vf_uuid (1)));
  bal_vf_service_end (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RELEASING);
  g_hash_table_remove (self->service->attaching, vf_uuid (1));
  bal_vf_service_end (self->service, vf_uuid (1));
  g_assert_null (vf_service_entry (self, 1));
}

/* Nobody heard that it had ended. */
static void
test_started_anew (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (vf_service_entry (self, 1));
  entry->state = BAL_VF_ATTACHED;
  bal_vf_ledger_put (self->service->ledger, entry, &error);
  g_assert_no_error (error);
  vf_service_must_prepare (self, 1, PORT ("300Mbit"));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RESERVED);

  /* With other values, and another name for the same address. */
  vf_service_must_prepare (self, 1, PORT ("400Mbit"));
  g_assert_cmpuint (vf_service_entry (self, 1)->request.bandwidth_mbps, ==, 400);
  g_autofree char *renamed = g_strdup_printf ("<vf:port id='net1' bandwidth='400Mbit' mac='%s'/>",
                                              vf_service_entry (self, 1)->request.mac);
  vf_service_must_prepare (self, 1, renamed);
  g_assert_null (vf_service_entry (self, 1));
  g_assert_cmpuint (bal_vf_book_size (bal_vf_ledger_book (self->service->ledger)), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service/life", test_life);
  VF_SERVICE_ADD ("/vf-service/nothing-is-asked", test_nothing_is_asked);
  VF_SERVICE_ADD ("/vf-service/refused", test_refused);
  VF_SERVICE_ADD ("/vf-service/refused-in-addition", test_refused_in_addition);
  VF_SERVICE_ADD ("/vf-service/demand-of-the-nic", test_demand_of_the_nic);
  VF_SERVICE_ADD ("/vf-service/end-of-what-is-in-use", test_end_of_what_is_in_use);
  VF_SERVICE_ADD ("/vf-service/taken-by-a-stranger", test_taken_by_a_stranger);
  VF_SERVICE_ADD ("/vf-service/cannot-be-put-back", test_cannot_be_put_back);
  VF_SERVICE_ADD ("/vf-service/end-of-what-is-attaching", test_end_of_what_is_attaching);
  VF_SERVICE_ADD ("/vf-service/started-anew", test_started_anew);
  return g_test_run ();
}
