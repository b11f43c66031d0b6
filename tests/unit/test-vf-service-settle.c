/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a round makes of ledger, sysfs and libvirt. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0
#define PORT "<vf:port id='net0' bandwidth='300Mbit' pf='eth3'/>"
#define REQUIRED "<vf:port id='net0' bandwidth='300Mbit' pf='eth3' required='yes'/>"

/* --- a start --- */

static void
test_start (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  self->domain->is_active = TRUE;
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  g_assert_true (vf_domains_has (self->domain, VF_0));

  guint n_changes = self->domains.n_changes;
  vf_service_settle (self);
  g_assert_cmpuint (self->domains.n_changes, ==, n_changes);

  vf_domains_stop (&self->domains, self->domain);
  vf_service_restart (self);
  vf_service_let_expire (self);
  vf_service_prepare (self, PORT);
  vf_service_settle (self);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

/* It ends, and no hook says so; nor is its VF waited for when that stays with vfio. */
static void
test_end (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  vf_domains_stop (&self->domains, self->domain);
  vf_tree_pass_vf (&self->root, 3, 0, FALSE);
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  vf_tree_take_back_vf (&self->root, 3, 0);
  vf_service_restart (self);
  vf_service_settle (self);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

static void
prepare_again (gpointer user_data)
{
  VfServiceCase *self = user_data;

  self->domains.on_look = NULL;
  vf_service_prepare (self, PORT);
}

static void
prepare_again_later (gpointer user_data)
{
  VfServiceCase *self = user_data;

  self->domains.on_look = prepare_again;
}

/* It ends, and starts anew while a round finds out that it has ended, or is about to free its VF.
 */
static void
test_end_and_start (VfServiceCase *self, gconstpointer data)
{
  void (*const whens[]) (gpointer user_data) = {prepare_again, prepare_again_later};

  for (guint i = 0; i < G_N_ELEMENTS (whens); i++)
    {
      self->domain->is_active = TRUE;
      vf_service_prepare (self, PORT);
      vf_service_settle (self);
      g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
      vf_domains_stop (&self->domains, self->domain);
      self->domains.on_look = whens[i];
      vf_service_settle (self);
      g_assert_null (self->domains.on_look);
      g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
      g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
    }
}

static void
test_start_without_it (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, PORT);
  self->domains.attach_fails = "no more PCI slots";
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_FAILED);
  g_assert_nonnull (strstr (vf_service_entry (self, 1)->why, "no more PCI slots"));
  guint64 generation = vf_ledger_generation (&self->root);
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
  self->domains.attach_fails = NULL;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  g_assert_null (vf_service_entry (self, 1)->why);
  g_assert_cmpuint (generation, <, vf_ledger_generation (&self->root));
}

/* The reservation of its port ended so long ago. */
static void
end_reservation (VfServiceCase *self, gint64 ago_us)
{
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (vf_service_entry (self, 1));
  BalVfClock clock;

  g_assert_true (bal_vf_clock_read (self->root.path, &clock, NULL));
  entry->expires_us = clock.boottime_us - ago_us;
  g_assert_true (bal_vf_ledger_put (self->service->ledger, entry, NULL));
}

static void
test_required (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, REQUIRED);
  self->domains.attach_fails = "no more PCI slots";
  vf_service_settle (self);
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  g_assert_nonnull (strstr (vf_service_entry (self, 1)->why, "no more PCI slots"));
  end_reservation (self, 0);
  vf_service_settle (self);
  g_assert_false (self->domain->is_active);
  vf_service_settle (self);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

/* Nobody was there to try it when its time ended. */
static void
test_required_too_late (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, REQUIRED);
  self->domains.attach_fails = "no more PCI slots";
  vf_service_settle (self);
  end_reservation (self, 61 * G_USEC_PER_SEC);
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_FAILED);
}

/* Only a domain that has just been started ends for want of its port. */
static void
test_required_and_running (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, REQUIRED);
  self->domain->has_booted = FALSE;
  self->domains.attach_fails = "no more PCI slots";
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_FAILED);
  self->domain->has_booted = TRUE;
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
  self->domains.attach_fails = NULL;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);

  /* Its reservation is long over. */
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_settle (self);
  vf_service_let_expire (self);
  vf_service_prepare (self, REQUIRED);
  self->domain->is_active = TRUE;
  self->domains.attach_fails = "no more PCI slots";
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
  self->domains.attach_fails = NULL;
  vf_service_settle (self);

  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), NULL));
  self->domains.attach_fails = "no more PCI slots";
  g_assert_false (bal_vf_service_unpark (self->service, vf_uuid (1), NULL));
  vf_service_settle (self);
  g_assert_true (self->domain->is_active);
}

static void
prepare_once (gpointer user_data)
{
  VfServiceCase *self = user_data;

  self->domains.on_look = NULL;
  self->service->config.expiry_s = 300;
  vf_service_prepare (self, PORT);
  self->domain->is_active = TRUE;
  self->domain->metadata[BAL_VF_LIVE] =
    g_strdup ("<ports xmlns='urn:x-ballast:vf:1'><port id='net0' bandwidth='1Mbit'/></ports>");
}

/* Behind the look at what is to be done comes the one before it is done. */
static void
prepare_at_second_look (gpointer user_data)
{
  ((VfServiceCase *)user_data)->domains.on_look = prepare_once;
}

/* It starts while what its last run left is about to be freed. */
static void
test_start_meanwhile (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_let_expire (self);
  vf_service_prepare (self, PORT);
  self->domains.on_look = prepare_at_second_look;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
}

static void
start_anew_once (gpointer user_data)
{
  VfServiceCase *self = user_data;

  self->domains.on_look = NULL;
  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_prepare (self, PORT);
  self->domain->is_active = TRUE;
}

/* Behind the look at what is to be done. */
static void
start_anew_at_second_look (gpointer user_data)
{
  ((VfServiceCase *)user_data)->domains.on_look = start_anew_once;
}

/* What libvirt said of its last run is not so of this one. */
static void
test_started_anew_meanwhile (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, PORT);
  vf_domains_give (&self->domains, self->domain, VF_0, vf_service_entry (self, 1)->request.mac);
  self->domains.on_look = start_anew_at_second_look;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  g_assert_true (vf_domains_has (self->domain, VF_0));
}

/* A round about one domain leaves the others to theirs. */
static void
test_one_domain (VfServiceCase *self, gconstpointer data)
{
  VfTestDomain *other = vf_domains_add (&self->domains, 2);
  g_autofree char *xml = vf_service_xml (2, PORT, "");

  vf_service_prepare (self, PORT);
  g_assert_true (bal_vf_service_prepare (self->service, xml, NULL));
  bal_vf_service_settle (self->service, vf_uuid (2));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  g_assert_cmpuint (other->devices->len, >, 0);
  g_assert_cmpuint (self->domain->devices->len, ==, 0);
}

/* The others are asked about when a VF is freed, and not otherwise. */
static void
test_others_are_left_in_peace (VfServiceCase *self, gconstpointer data)
{
  vf_service_prepare (self, PORT);
  bal_vf_service_settle (self->service, vf_uuid (2));
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpuint (self->domains.n_lists, ==, 0);
  vf_domains_stop (&self->domains, self->domain);
  end_reservation (self, 0);
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpuint (self->domains.n_lists, ==, 1);
  g_assert_true (bal_vf_service_is_idle (self->service));
}

/* --- somebody else is at work --- */

/* Nobody waits for long, and what had to wait is done by him. */
static void
test_claimed (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_prepare (self, PORT);
  self->service->claim_ms = 20;
  g_assert_true (bal_vf_service_try_claim (self->service, vf_uuid (1)));
  g_assert_false (vf_service_release (self, NULL, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  vf_service_settle (self);
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  bal_vf_service_unclaim (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  g_assert_cmpuint (g_hash_table_size (self->service->claims), ==, 0);
  g_assert_cmpuint (g_hash_table_size (self->service->again), ==, 0);
}

/* --- the guest does not let go --- */

static void
test_slow_guest (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (BalVfEntry) entry = NULL;
  g_autoptr (GError) error = NULL;

  vf_service_prepare (self, PORT);
  vf_service_settle (self);
  self->domain->keeps_vfs = TRUE;
  entry = bal_vf_entry_copy (vf_service_entry (self, 1));
  g_assert_false (bal_vf_detach (&self->libvirt, self->root.path, entry, 50, "it waits", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  g_assert_false (bal_vf_detach (&self->libvirt, self->root.path, entry, 50, "it waits", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);

  g_mutex_lock (&self->service->lock);
  g_assert_true (bal_vf_service_mark_releasing (self->service, vf_uuid (1), NULL, NULL));
  g_mutex_unlock (&self->service->lock);
  self->domain->keeps_vfs = FALSE;
  vf_service_settle (self);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_service_is_clean (self));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-settle/start", test_start);
  VF_SERVICE_ADD ("/vf-service-settle/end", test_end);
  VF_SERVICE_ADD ("/vf-service-settle/end-and-start", test_end_and_start);
  VF_SERVICE_ADD ("/vf-service-settle/start-without-it", test_start_without_it);
  VF_SERVICE_ADD ("/vf-service-settle/required", test_required);
  VF_SERVICE_ADD ("/vf-service-settle/required-too-late", test_required_too_late);
  VF_SERVICE_ADD ("/vf-service-settle/required-and-running", test_required_and_running);
  VF_SERVICE_ADD ("/vf-service-settle/start-meanwhile", test_start_meanwhile);
  VF_SERVICE_ADD ("/vf-service-settle/started-anew-meanwhile", test_started_anew_meanwhile);
  VF_SERVICE_ADD ("/vf-service-settle/others-are-left-in-peace", test_others_are_left_in_peace);
  VF_SERVICE_ADD ("/vf-service-settle/claimed", test_claimed);
  VF_SERVICE_ADD ("/vf-service-settle/one-domain", test_one_domain);
  VF_SERVICE_ADD ("/vf-service-settle/slow-guest", test_slow_guest);
  return g_test_run ();
}
