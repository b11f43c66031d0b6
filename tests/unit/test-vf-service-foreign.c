/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service leaves alone: domains with a job, and VFs that are somebody else's. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0
#define PORT "<vf:port id='net0' bandwidth='300Mbit' pf='eth3'/>"

static void
test_busy (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, PORT);
  self->domain->is_busy = TRUE;
  vf_service_settle (self);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
}

/* Attached by a ballastd that did not live to say so, and then migrated. */
static void
test_busy_with_it (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_service_request (1, 300);
  g_autoptr (GError) error = NULL;

  bal_vf_service_reserve (self->service, &request, FALSE, -1, &error);
  g_assert_no_error (error);
  vf_domains_give (&self->domains, self->domain, VF_0, request.mac);
  self->domain->is_busy = TRUE;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  self->domain->is_busy = FALSE;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
}

/* Used by something that libvirt does not know, since the last look at all VFs. */
static void
test_used_since (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_let_expire (self);
  vf_service_prepare (self, PORT);
  vf_tree_pass_vf (&self->root, 3, 0, TRUE);
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
}

static void
test_libvirt_away (VfServiceCase *self, gconstpointer data)
{
  vf_service_let_expire (self);
  vf_service_prepare (self, PORT);
  self->service->stand_in = NULL;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
}

static void
test_foreign (VfServiceCase *self, gconstpointer data)
{
  VfTestDomain *stranger = vf_domains_add (&self->domains, 2);
  BalVfSettings before;
  g_autoptr (GError) error = NULL;

  vf_domains_give (&self->domains, stranger, "0000:03:10.1", "52:54:00:00:00:99");
  vf_nic_vf (&self->nic, 1)->max_rate_mbps = 77;
  before = *vf_nic_vf (&self->nic, 1);
  vf_service_restart (self);
  vf_service_let_expire (self);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *port =
        g_strdup_printf ("<vf:port id='net%u' bandwidth='100Mbit' pf='eth3'/>", i);
      vf_service_prepare (self, port);
    }
  vf_service_settle (self);
  g_assert_true (vf_domains_has (stranger, "0000:03:10.1"));
  bal_vf_service_release (self->service, vf_uuid (1), NULL, FALSE, &error);
  g_assert_no_error (error);
  g_assert_false (bal_vf_service_release (self->service, vf_uuid (2), NULL, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  bal_vf_service_end (self->service, vf_uuid (2));
  vf_service_settle (self);
  g_assert_true (vf_domains_has (stranger, "0000:03:10.1"));
  g_assert_cmpuint (bal_vf_settings_differ (vf_nic_vf (&self->nic, 1), &before, BAL_VF_SET_ALL), ==,
                    0);
}

/* A VF of the ledger's that another domain has got hold of. */
static void
test_taken (VfServiceCase *self, gconstpointer data)
{
  VfTestDomain *stranger = vf_domains_add (&self->domains, 2);

  vf_service_let_expire (self);
  vf_service_prepare (self, PORT);
  vf_domains_give (&self->domains, stranger, VF_0, "52:54:00:00:00:99");
  guint n_sets = self->nic.n_sets;
  vf_service_settle (self);
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_settle (self);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_domains_has (stranger, VF_0));
}

/* Whoever uses it, it is no domain. */
static void
test_taken_by_the_host (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  vf_tree_set_vf (&self->root, 3, 0, "net/eth3v0/flags", "0x1003");
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RELEASING);
  g_assert_nonnull (strstr (vf_service_entry (self, 1)->why, "in use (host)"));
  vf_tree_set_vf (&self->root, 3, 0, "net/eth3v0/flags", "0x1002");
  vf_service_settle (self);
  g_assert_true (bal_vf_service_is_idle (self->service));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-foreign/busy", test_busy);
  VF_SERVICE_ADD ("/vf-service-foreign/busy-with-it", test_busy_with_it);
  VF_SERVICE_ADD ("/vf-service-foreign/used-since", test_used_since);
  VF_SERVICE_ADD ("/vf-service-foreign/libvirt-away", test_libvirt_away);
  VF_SERVICE_ADD ("/vf-service-foreign/foreign", test_foreign);
  VF_SERVICE_ADD ("/vf-service-foreign/taken", test_taken);
  VF_SERVICE_ADD ("/vf-service-foreign/taken-by-the-host", test_taken_by_the_host);
  return g_test_run ();
}
