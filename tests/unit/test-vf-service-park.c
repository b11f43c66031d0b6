/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parking; and allocation, release and parking cut off anywhere. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0

/* --- cut off --- */

/* With what is left of each place where @operation can be cut off, settling makes it good; how
 * often the port is attached then. */
static guint
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
        vf_service_assert_attached (self);
      else
        vf_service_assert_nothing (self);
      bal_vf_service_settle (self->service, NULL);
      if (vf_service_entry (self, 1) != NULL)
        g_assert_true (vf_service_release (self, NULL, FALSE, NULL));
      vf_service_assert_nothing (self);
    }
  return n_attached;
}

static void
prepare_nothing (VfServiceCase *self)
{
}

static gboolean
try_allocate (VfServiceCase *self)
{
  return vf_service_allocate (self, 300, TRUE, NULL);
}

static void
test_allocate_cut_off (VfServiceCase *self, gconstpointer data)
{
  g_assert_cmpuint (cut_off_everywhere (self, prepare_nothing, try_allocate), >, 0);
}

static void
prepare_attached (VfServiceCase *self)
{
  vf_service_must_allocate (self, TRUE);
}

static gboolean
try_release (VfServiceCase *self)
{
  return vf_service_release (self, "net0", TRUE, NULL);
}

static void
test_release_cut_off (VfServiceCase *self, gconstpointer data)
{
  g_assert_cmpuint (cut_off_everywhere (self, prepare_attached, try_release), ==, 0);
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
  g_assert_cmpuint (cut_off_everywhere (self, prepare_attached, try_park), >, 0);
}

/* --- parking --- */

static void
test_park (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_no_error (error);
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_cmpstr (vf_service_entry (self, 1)->vf_pci, ==, VF_0);
  guint64 generation = vf_ledger_generation (&self->root);
  bal_vf_service_settle (self->service, NULL);
  g_assert_false (vf_domains_has (self->domain, VF_0));
  g_assert_cmpuint (vf_ledger_generation (&self->root), ==, generation);
  g_assert_false (vf_service_allocate (self, 300, FALSE, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  g_assert_true (bal_vf_service_unpark (self->service, vf_uuid (1), &error));
  g_assert_no_error (error);
  vf_service_assert_attached (self);
}

static void
test_park_ends (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gint64 *since_us;

  vf_service_must_allocate (self, FALSE);
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
  vf_service_assert_attached (self);

  /* It has left. */
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), &error));
  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  vf_service_assert_nothing (self);
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
  vf_service_assert_attached (self);
}

static void
test_park_refusals (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_vf_service_park (self->service, vf_uuid (7), &error));
  vf_service_must_allocate (self, FALSE);
  self->domain->is_busy = TRUE;
  g_assert_false (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  self->domain->is_busy = FALSE;
  vf_service_assert_attached (self);

  self->domains.detach_fails = "its guest says no";
  g_assert_false (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_nonnull (strstr (error->message, "its guest says no"));
  vf_service_assert_attached (self);
}

/* The guest lets go of it when nobody waits any more. */
static void
test_park_answered_late (VfServiceCase *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  vf_service_must_allocate (self, FALSE);
  vf_service_let_expire (self);
  self->service->detach_ms = 50;
  self->domain->keeps_vfs = TRUE;
  g_assert_false (bal_vf_service_park (self->service, vf_uuid (1), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_nonnull (strstr (error->message, "attached again"));
  g_assert_cmpstr (vf_service_entry (self, 1)->why, ==, error->message);
  vf_service_assert_attached (self);

  self->domain->keeps_vfs = FALSE;
  g_string_truncate (self->domain->devices, 0);
  vf_tree_take_back_vf (&self->root, 3, 0);
  vf_service_settle (self);
  vf_service_assert_attached (self);
  g_assert_null (vf_service_entry (self, 1)->why);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-park/allocate-cut-off", test_allocate_cut_off);
  VF_SERVICE_ADD ("/vf-service-park/release-cut-off", test_release_cut_off);
  VF_SERVICE_ADD ("/vf-service-park/park-cut-off", test_park_cut_off);
  VF_SERVICE_ADD ("/vf-service-park/park", test_park);
  VF_SERVICE_ADD ("/vf-service-park/park-ends", test_park_ends);
  VF_SERVICE_ADD ("/vf-service-park/park-leaves-teams", test_park_leaves_teams);
  VF_SERVICE_ADD ("/vf-service-park/park-refusals", test_park_refusals);
  VF_SERVICE_ADD ("/vf-service-park/park-answered-late", test_park_answered_late);
  return g_test_run ();
}
