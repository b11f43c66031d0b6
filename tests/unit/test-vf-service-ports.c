/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocation, release and parking, also cut off anywhere. */
#include "vf-service-fixture.h"

#include "host-hook/failure.h"
#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 "0000:03:10.0"

static gboolean
allocate (VfServiceCase *self, guint mbps, gboolean in_config, GError **error)
{
  g_auto (BalVfRequest) request = vf_service_request (1, mbps);
  g_autoptr (JsonObject) port = NULL;
  gboolean ok = bal_vf_service_allocate (self->service, &request, in_config, &port, error);

  g_assert_true ((port != NULL) == (ok && self->domain->is_active));
  if (port != NULL)
    g_assert_cmpstr (json_object_get_string_member (port, "state"), ==, "attached");
  return ok;
}

static void
must_allocate (VfServiceCase *self, gboolean in_config)
{
  g_autoptr (GError) error = NULL;

  allocate (self, 300, in_config, &error);
  g_assert_no_error (error);
}

static gboolean
release (VfServiceCase *self, const char *port, gboolean in_config, GError **error)
{
  return bal_vf_service_release (self->service, vf_uuid (1), port, in_config, error);
}

/* Nothing is left of it anywhere. */
static void
assert_nothing (VfServiceCase *self)
{
  g_assert_null (vf_service_entry (self, 1));
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_service_is_clean (self));
}

static void
assert_attached (VfServiceCase *self)
{
  const BalVfEntry *entry = vf_service_entry (self, 1);

  g_assert_nonnull (entry);
  g_assert_cmpint (entry->state, ==, BAL_VF_ATTACHED);
  g_assert_true (entry->from_metadata);
  g_assert_true (vf_domains_has (self->domain, VF_0));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
}

/* --- allocation and release --- */

static void
test_life (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  must_allocate (self, FALSE);
  assert_attached (self);
  g_assert_cmpstr (vf_nic_vf (&self->nic, 0)->mac, ==, vf_service_entry (self, 1)->request.mac);
  g_assert_null (self->domain->metadata[BAL_VF_CONFIG]);

  /* The same once more is no change at all. */
  guint n_changes = self->domains.n_changes;
  guint n_sets = self->nic.n_sets;
  must_allocate (self, FALSE);
  g_assert_cmpuint (self->domains.n_changes, ==, n_changes);
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
  g_assert_false (allocate (self, 200, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  assert_attached (self);

  g_clear_error (&error);
  g_assert_false (release (self, "net1", FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  assert_attached (self);
  g_clear_error (&error);
  release (self, "net0", FALSE, &error);
  g_assert_no_error (error);
  assert_nothing (self);
  g_assert_false (release (self, "net0", FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

/* Its own driver has the VF before there is an interface to be seen. */
static void
test_slow_driver (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  must_allocate (self, FALSE);
  self->domains.is_slow = TRUE;
  release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  assert_nothing (self);
}

static void
test_definition (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  must_allocate (self, TRUE);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  assert_nothing (self);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  release (self, NULL, TRUE, &error);
  g_assert_no_error (error);
  g_assert_null (self->domain->metadata[BAL_VF_CONFIG]);
  g_assert_false (release (self, NULL, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

static void
test_domain_that_is_off (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_domains_stop (&self->domains, self->domain);
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  must_allocate (self, TRUE);
  must_allocate (self, TRUE);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  g_clear_error (&error);
  g_assert_false (allocate (self, 200, TRUE, &error));
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
  g_assert_false (allocate (self, 1000, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_clear_error (&error);
  self->domain->is_persistent = FALSE;
  g_assert_false (allocate (self, 300, TRUE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->domain->is_busy = TRUE;
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->service->stand_in = NULL;
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);
  assert_nothing (self);
}

static void
test_attach_fails (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->domains.attach_fails = "no more PCI slots";
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_nonnull (strstr (error->message, "no more PCI slots"));
  assert_nothing (self);

  g_clear_error (&error);
  self->domains.attach_fails = NULL;
  self->domains.forgets_to_write = TRUE;
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  assert_nothing (self);

  g_clear_error (&error);
  self->domains.forgets_to_write = FALSE;
  self->domains.mistakes_mac = TRUE;
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  assert_nothing (self);
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
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_RELEASING);
  bal_vf_service_settle (self->service, NULL);
  g_assert_true (vf_domains_has (self->domain, VF_0));
  self->domain->is_busy = FALSE;
  bal_vf_service_settle (self->service, NULL);
  assert_nothing (self);
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
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_cmpint (vf_service_entry (self, 1)->state, ==, BAL_VF_FAILED);
  g_assert_nonnull (strstr (vf_service_entry (self, 1)->why, "no more PCI slots"));
  self->domains.attach_fails = NULL;
  must_allocate (self, FALSE);
  assert_attached (self);
  g_assert_null (vf_service_entry (self, 1)->why);
}

static void
test_metadata_of_several (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) second = vf_service_request (1, 100);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) port = NULL;

  must_allocate (self, FALSE);
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
  g_assert_true (release (self, "net0", FALSE, &error));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net1"));
  g_assert_true (release (self, NULL, FALSE, &error));
  g_assert_null (self->domain->metadata[BAL_VF_LIVE]);
  g_assert_true (bal_vf_service_is_idle (self->service));
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
  assert_nothing (self);
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

  must_allocate (self, FALSE);
  self->domain->keeps_vfs = TRUE;
  self->domains.on_read = end_for_good;
  release (self, NULL, FALSE, &error);
  g_assert_no_error (error);
  assert_nothing (self);
}

/* --- cut off --- */

/* With what is left of each place where @operation can be cut off, settling makes it good. */
static void
cut_off_everywhere (VfServiceCase *self,
                    void (*prepare) (VfServiceCase *),
                    gboolean (*operation) (VfServiceCase *))
{
  gboolean is_done = FALSE;
  guint n_attached = 0;

  for (guint n = 1; !is_done; n++)
    {
      g_test_message ("cut off at %u", n);
      vf_service_let_expire (self);
      prepare (self);
      self->domains.n_steps = 0;
      self->domains.dies_at = n;
      is_done = operation (self);
      if (is_done)
        g_assert_cmpuint (self->domains.n_steps, <, n);
      else
        vf_service_revive (self);
      self->domains.dies_at = 0;
      bal_vf_service_settle (self->service, NULL);
      n_attached += vf_service_entry (self, 1) != NULL ? 1 : 0;
      if (vf_service_entry (self, 1) != NULL)
        assert_attached (self);
      else
        assert_nothing (self);
      bal_vf_service_settle (self->service, NULL);
      if (vf_service_entry (self, 1) != NULL)
        g_assert_true (release (self, NULL, FALSE, NULL));
      assert_nothing (self);
    }
  g_assert_cmpuint (n_attached, >, 0);
}

static void
prepare_nothing (VfServiceCase *self)
{
}

static gboolean
try_allocate (VfServiceCase *self)
{
  return allocate (self, 300, TRUE, NULL);
}

static void
test_allocate_cut_off (VfServiceCase *self, gconstpointer data)
{
  cut_off_everywhere (self, prepare_nothing, try_allocate);
}

static void
prepare_attached (VfServiceCase *self)
{
  must_allocate (self, TRUE);
}

static gboolean
try_release (VfServiceCase *self)
{
  return release (self, "net0", TRUE, NULL);
}

static void
test_release_cut_off (VfServiceCase *self, gconstpointer data)
{
  cut_off_everywhere (self, prepare_attached, try_release);
}

static gboolean
try_park (VfServiceCase *self)
{
  return bal_vf_service_park (self->service, vf_uuid (1), NULL)
         && bal_vf_service_unpark (self->service, vf_uuid (1), NULL);
}

static void
test_park_cut_off (VfServiceCase *self, gconstpointer data)
{
  cut_off_everywhere (self, prepare_attached, try_park);
}

/* --- parking --- */

static void
test_park (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  must_allocate (self, FALSE);
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_no_error (error);
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_cmpstr (vf_service_entry (self, 1)->vf_pci, ==, VF_0);
  guint64 generation = bal_vf_ledger_generation (self->service->ledger);
  bal_vf_service_settle (self->service, NULL);
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_cmpuint (bal_vf_ledger_generation (self->service->ledger), ==, generation);
  g_assert_false (allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  g_assert_true (bal_vf_service_unpark (self->service, vf_uuid (1), &error));
  g_assert_no_error (error);
  assert_attached (self);
}

static void
test_park_ends (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gint64 *since_us;

  must_allocate (self, FALSE);
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  since_us = g_hash_table_lookup (self->service->parked, vf_uuid (1));
  *since_us -= 121 * G_USEC_PER_SEC;
  self->domain->is_busy = TRUE;
  bal_vf_service_settle (self->service, NULL);
  self->domain->is_busy = FALSE;
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_false (vf_domains_has (self->domain, VF_0));
  *since_us -= 121 * G_USEC_PER_SEC;
  bal_vf_service_settle (self->service, vf_uuid (1));
  assert_attached (self);

  /* It has left. */
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  assert_nothing (self);
  g_assert_cmpuint (g_hash_table_size (self->service->parked), ==, 0);
}

/* libvirt migrates it with its standby. */
static void
test_park_leaves_teams (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_service_request (1, 300);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) port = NULL;

  request.standby = g_strdup ("ua-net0");
  g_assert_true (bal_vf_service_allocate (self->service, &request, FALSE, &port, &error));
  g_assert_nonnull (strstr (self->domain->devices->str, "persistent='ua-net0'"));
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  assert_attached (self);
}

static void
test_park_refusals (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_vf_service_park (self->service, vf_uuid (7), &error));
  must_allocate (self, FALSE);
  self->domain->is_busy = TRUE;
  g_assert_false (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->domain->is_busy = FALSE;
  assert_attached (self);

  self->domains.detach_fails = "its guest says no";
  g_assert_false (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_nonnull (strstr (error->message, "its guest says no"));
  assert_attached (self);
}

#define ADD(name, function)                                                                        \
  g_test_add (name, VfServiceCase, NULL, vf_service_set_up, function, vf_service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-service-ports/life", test_life);
  ADD ("/vf-service-ports/slow-driver", test_slow_driver);
  ADD ("/vf-service-ports/definition", test_definition);
  ADD ("/vf-service-ports/domain-that-is-off", test_domain_that_is_off);
  ADD ("/vf-service-ports/refusals", test_refusals);
  ADD ("/vf-service-ports/attach-fails", test_attach_fails);
  ADD ("/vf-service-ports/undone-later", test_undone_later);
  ADD ("/vf-service-ports/attach-fails-again", test_attach_fails_again);
  ADD ("/vf-service-ports/metadata-of-several", test_metadata_of_several);
  ADD ("/vf-service-ports/domain-ends-meanwhile", test_domain_ends_meanwhile);
  ADD ("/vf-service-ports/domain-ends-in-release", test_domain_ends_in_release);
  ADD ("/vf-service-ports/allocate-cut-off", test_allocate_cut_off);
  ADD ("/vf-service-ports/release-cut-off", test_release_cut_off);
  ADD ("/vf-service-ports/park-cut-off", test_park_cut_off);
  ADD ("/vf-service-ports/park", test_park);
  ADD ("/vf-service-ports/park-ends", test_park_ends);
  ADD ("/vf-service-ports/park-leaves-teams", test_park_leaves_teams);
  ADD ("/vf-service-ports/park-refusals", test_park_refusals);
  return g_test_run ();
}
