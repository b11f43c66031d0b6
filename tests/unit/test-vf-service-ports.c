/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocation and release. */
#include "vf-service-fixture.h"

#include "host-hook/failure.h"
#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0

/* --- allocation and release --- */

static void
test_life (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  vf_service_assert_attached (self);
  g_assert_cmpstr (vf_nic_vf (&self->nic, 0)->mac, ==, vf_service_entry (self, 1)->request.mac);
  g_assert_null (self->domain->metadata[BAL_VF_CONFIG]);

  /* The same once more is no change at all. */
  guint n_changes = self->domains.n_changes;
  guint n_sets = self->nic.n_sets;
  vf_service_must_allocate (self, FALSE);
  g_assert_cmpuint (self->domains.n_changes, ==, n_changes);
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
  g_assert_false (vf_service_allocate (self, 200, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  vf_service_assert_attached (self);

  g_clear_error (&error);
  g_assert_false (vf_service_release (self, "net1", FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  vf_service_assert_attached (self);
  g_clear_error (&error);
  vf_service_release (self, "net0", FALSE, &error);
  g_assert_no_error (error);
  vf_service_assert_nothing (self);
  g_assert_false (vf_service_release (self, "net0", FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

/* Attached, and cut off before the ledger said so. */
static void
test_attached_already (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (vf_service_entry (self, 1));
  entry->state = BAL_VF_RESERVED;
  g_assert_true (bal_vf_ledger_put (self->service->ledger, entry, NULL));
  vf_service_must_allocate (self, FALSE);
  vf_service_assert_attached (self);
}

/* Its own driver has the VF before there is an interface to be seen. */
static void
test_slow_driver (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  self->domains.is_slow = TRUE;
  vf_service_release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  vf_service_assert_nothing (self);
}

static void
test_definition (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, TRUE);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  vf_service_release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  vf_service_assert_nothing (self);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  vf_service_release (self, NULL, TRUE, &error);
  g_assert_no_error (error);
  g_assert_null (self->domain->metadata[BAL_VF_CONFIG]);
  g_assert_false (vf_service_release (self, NULL, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

static void
test_domain_that_is_off (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_domains_stop (&self->domains, self->domain);
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  vf_service_must_allocate (self, TRUE);
  vf_service_must_allocate (self, TRUE);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  g_clear_error (&error);
  g_assert_false (vf_service_allocate (self, 200, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);

  g_auto (BalVfRequest) same_mac = vf_service_request (1, 300);
  JsonObject *port = NULL;
  same_mac.port[3] = '1';
  g_clear_error (&error);
  g_assert_false (bal_vf_service_allocate (self->service, &same_mac, TRUE, &port, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net1"));
}

static void
test_refusals (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) stranger = vf_service_request (9, 300);
  g_autoptr (GError) error = NULL;
  JsonObject *port = NULL;

  g_assert_false (bal_vf_service_allocate (self->service, &stranger, FALSE, &port, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (vf_service_allocate (self, 1000, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_clear_error (&error);
  self->domain->is_persistent = FALSE;
  g_assert_false (vf_service_allocate (self, 300, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->domain->is_busy = TRUE;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->service->stand_in = NULL;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);
  vf_service_assert_nothing (self);
}

static void
test_attach_fails (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->domains.attach_fails = "no more PCI slots";
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "no more PCI slots"));
  vf_service_assert_nothing (self);

  g_clear_error (&error);
  self->domains.attach_fails = NULL;
  self->domains.forgets_to_write = TRUE;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  vf_service_assert_nothing (self);

  g_clear_error (&error);
  self->domains.forgets_to_write = FALSE;
  self->domains.mistakes_mac = TRUE;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  vf_service_assert_nothing (self);
}

static void
make_busy (gpointer user_data)
{
  ((VfServiceCase *)user_data)->domain->is_busy = TRUE;
}

/* Nothing is done to a domain that is being migrated, not even undone. */
static void
test_undone_later (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->domains.on_attach = make_busy;
  self->domains.mistakes_mac = TRUE;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RELEASING);
  bal_vf_service_settle (self->service, NULL);
  g_assert_true (vf_domains_has (self->domain, VF_0));
  self->domain->is_busy = FALSE;
  bal_vf_service_settle (self->service, NULL);
  vf_service_assert_nothing (self);
}

/* What was there before a failure is not undone by it. */
static void
test_attach_fails_again (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_service_request (1, 300);
  g_autoptr (GError) error = NULL;

  bal_vf_service_reserve (self->service, &request, TRUE, -1, &error);
  g_assert_no_error (error);
  self->domains.attach_fails = "no more PCI slots";
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_FAILED);
  g_assert_nonnull (strstr (vf_service_entry (self, 1)->why, "no more PCI slots"));
  self->domains.attach_fails = NULL;
  vf_service_must_allocate (self, FALSE);
  vf_service_assert_attached (self);
  g_assert_null (vf_service_entry (self, 1)->why);
}

static void
test_metadata_of_several (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) second = vf_service_request (1, 100);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) port = NULL;

  vf_service_must_allocate (self, FALSE);
  g_free (second.port);
  second.port = g_strdup ("net1");
  g_assert_false (bal_vf_service_allocate (self->service, &second, FALSE, &port, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  g_clear_pointer (&second.mac, g_free);
  g_assert_true (bal_vf_request_complete (&second, &error));
  g_assert_true (bal_vf_service_allocate (self->service, &second, FALSE, &port, &error));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net1"));
  g_assert_true (vf_service_release (self, "net0", FALSE, &error));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net1"));
  g_assert_true (vf_service_release (self, NULL, FALSE, &error));
  g_assert_null (self->domain->metadata[BAL_VF_LIVE]);
  g_assert_true (bal_vf_service_is_idle (self->service));
}

#define UNREADABLE "<ports xmlns='urn:x-ballast:vf:1'><port id='net0' bandwidth='much'/></ports>"

static void
spoil (VfServiceCase *self, BalVfWhere where)
{
  g_free (self->domain->metadata[where]);
  self->domain->metadata[where] = g_strdup (UNREADABLE);
}

/* It is in nobody's way who takes a port away, and nothing is attached before it is read. */
static void
test_unreadable_metadata (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  spoil (self, BAL_VF_LIVE);
  vf_service_release (self, "net0", FALSE, &error);
  g_assert_no_error (error);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_cmpstr (self->domain->metadata[BAL_VF_LIVE], ==, UNREADABLE);

  self->domains.n_changes = 0;
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
  g_clear_error (&error);
  g_clear_pointer (&self->domain->metadata[BAL_VF_LIVE], g_free);
  spoil (self, BAL_VF_CONFIG);
  g_assert_false (vf_service_allocate (self, 300, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);
  g_clear_error (&error);

  /* The definition asks for it still, and that is said. */
  vf_service_must_allocate (self, FALSE);
  g_assert_false (vf_service_release (self, "net0", TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "asks for its ports still"));
  vf_service_assert_nothing (self);
}

/* The domain ends while libvirt attaches. */
static void
end_domain (gpointer user_data)
{
  VfServiceCase *self = user_data;

  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  /* Its address is still on the way. */
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RELEASING);
}

static void
test_domain_ends_meanwhile (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_service_request (1, 300);
  g_autoptr (GError) error = NULL;
  JsonObject *port = NULL;

  self->domains.on_attach = end_domain;
  g_assert_false (bal_vf_service_allocate (self->service, &request, FALSE, &port, &error));
  g_assert_nonnull (error);
  vf_service_assert_nothing (self);
}

/* It is transient, and ends while its guest is waited for. */
static void
end_for_good (gpointer user_data)
{
  VfServiceCase *self = user_data;

  if (self->domains.n_asked == 0 || !self->domain->is_active)
    return;
  vf_domains_stop (&self->domains, self->domain);
  self->domain->is_persistent = FALSE;
}

static void
test_domain_ends_in_release (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  self->domain->keeps_vfs = TRUE;
  self->domains.on_read = end_for_good;
  vf_service_release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  vf_service_assert_nothing (self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-ports/life", test_life);
  VF_SERVICE_ADD ("/vf-service-ports/attached-already", test_attached_already);
  VF_SERVICE_ADD ("/vf-service-ports/slow-driver", test_slow_driver);
  VF_SERVICE_ADD ("/vf-service-ports/definition", test_definition);
  VF_SERVICE_ADD ("/vf-service-ports/domain-that-is-off", test_domain_that_is_off);
  VF_SERVICE_ADD ("/vf-service-ports/refusals", test_refusals);
  VF_SERVICE_ADD ("/vf-service-ports/attach-fails", test_attach_fails);
  VF_SERVICE_ADD ("/vf-service-ports/undone-later", test_undone_later);
  VF_SERVICE_ADD ("/vf-service-ports/attach-fails-again", test_attach_fails_again);
  VF_SERVICE_ADD ("/vf-service-ports/metadata-of-several", test_metadata_of_several);
  VF_SERVICE_ADD ("/vf-service-ports/unreadable-metadata", test_unreadable_metadata);
  VF_SERVICE_ADD ("/vf-service-ports/domain-ends-meanwhile", test_domain_ends_meanwhile);
  VF_SERVICE_ADD ("/vf-service-ports/domain-ends-in-release", test_domain_ends_in_release);
  return g_test_run ();
}
