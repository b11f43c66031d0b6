/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the ledger, before Ballast is removed. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0
#define LEDGER BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME
#define PORT "<vf:port id='net0' bandwidth='300Mbit' pf='eth3'/>"

/* What a call said. */
typedef struct
{
  gboolean ok;
  GPtrArray *handed_over;
  GPtrArray *left;
  GError *error;
} Retired;

static void
retired_clear (Retired *self)
{
  g_ptr_array_unref (self->handed_over);
  g_ptr_array_unref (self->left);
  g_clear_error (&self->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Retired, retired_clear)

static Retired
retire (VfServiceCase *self)
{
  Retired out = {
    .handed_over = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free),
    .left = g_ptr_array_new_with_free_func (g_free),
  };

  out.ok = bal_vf_service_retire (self->service, out.handed_over, out.left, &out.error);
  g_assert_true (out.ok == (out.error == NULL));
  return out;
}

static void
assert_retired (VfServiceCase *self, guint n_handed_over)
{
  g_auto (Retired) retired = retire (self);

  g_assert_no_error (retired.error);
  g_assert_cmpuint (retired.left->len, ==, 0);
  g_assert_cmpuint (retired.handed_over->len, ==, n_handed_over);
  g_assert_true (bal_vf_service_is_idle (self->service));
}

static void
assert_left (VfServiceCase *self, const char *said)
{
  g_auto (Retired) retired = retire (self);

  g_assert_no_error (retired.error);
  g_assert_cmpuint (retired.handed_over->len, ==, 0);
  g_assert_cmpuint (retired.left->len, ==, 1);
  g_assert_nonnull (strstr (retired.left->pdata[0], said));
}

static void
test_nothing (VfServiceCase *self, gconstpointer data)
{
  self->service->stand_in = NULL;
  assert_retired (self, 0);
}

/* Although its reservation lasts. */
static void
test_reserved (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  g_assert_false (vf_service_is_clean (self));
  assert_retired (self, 0);
  vf_service_assert_nothing (self);
}

static void
test_attached (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, TRUE);
  vf_service_restart (self);
  guint n_sets = self->nic.n_sets;
  g_auto (Retired) retired = retire (self);

  g_assert_no_error (retired.error);
  g_assert_cmpuint (retired.handed_over->len, ==, 1);
  const BalVfEntry *entry = retired.handed_over->pdata[0];
  g_assert_cmpstr (entry->vf_pci, ==, VF_0);
  g_assert_cmpuint (entry->set & BAL_VF_SET_MAX_RATE, !=, 0);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_domains_has (self->domain, VF_0));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
  g_assert_cmpuint (self->domains.n_asked, ==, 0);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
}

/* By a ballastd that did not live to say so. */
static void
test_attached_unnoted (VfServiceCase *self, gconstpointer data)
{
  g_auto (BalVfRequest) request = vf_service_request (1, 300);
  g_autoptr (GError) error = NULL;

  bal_vf_service_reserve (self->service, &request, FALSE, -1, &error);
  g_assert_no_error (error);
  vf_domains_give (&self->domains, self->domain, VF_0, request.mac);
  assert_retired (self, 1);
  g_assert_true (vf_domains_has (self->domain, VF_0));
}

static void
assert_kept_whenever_killed (VfServiceCase *self, const char *before, const char *after)
{
  g_assert_true (g_str_has_prefix (after, before));
  for (const char *end = after + strlen (before);; end = strchr (end, '\n') + 1)
    {
      g_free (self->ledger);
      self->ledger = g_strndup (after, (gsize)(end - after));
      vf_service_revive (self);
      vf_service_settle (self);
      g_assert_true (vf_domains_has (self->domain, VF_0));
      if (*end == '\0')
        return;
    }
}

/* Killed behind any line of the ledger, and followed by a ballastd: the guest keeps its VF. */
static void
test_killed_between_lines (void)
{
  static const BalVfState states[] = {BAL_VF_ATTACHED, BAL_VF_RESERVED, BAL_VF_FAILED};

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      VfServiceCase one = {0};
      g_auto (BalVfRequest) request = vf_service_request (1, 300);

      vf_service_set_up (&one, NULL);
      bal_vf_service_reserve (one.service, &request, FALSE, -1, NULL);
      vf_domains_give (&one.domains, one.domain, VF_0, request.mac);
      g_assert_true (
        bal_vf_service_put_state (one.service, vf_service_entry (&one, 1), states[i], NULL, NULL));
      g_autofree char *before = test_root_get (&one.root, LEDGER);
      guint64 generation = vf_ledger_generation (&one.root);
      assert_retired (&one, 1);
      g_autofree char *after = test_root_get (&one.root, LEDGER);
      g_assert_cmpuint (vf_ledger_generation (&one.root), ==, generation + (i == 0 ? 1 : 2));
      assert_kept_whenever_killed (&one, before, after);
      vf_service_tear_down (&one, NULL);
    }
}

/* It runs, and got it never. */
static void
test_failed (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  g_assert_true (bal_vf_service_park (self->service, vf_uuid (1), NULL));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  assert_retired (self, 0);
  vf_service_assert_nothing (self);
}

/* While nobody looked. */
static void
test_ended (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, TRUE);
  vf_domains_stop (&self->domains, self->domain);
  assert_retired (self, 0);
  vf_service_assert_nothing (self);
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_CONFIG, "net0"));
}

/* A release that its guest does not answer: it has the VF. */
static void
test_releasing (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  self->domain->keeps_vfs = TRUE;
  self->service->detach_ms = 0;
  g_assert_false (vf_service_release (self, "net0", FALSE, NULL));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RELEASING);
  assert_retired (self, 1);
  g_assert_true (vf_domains_has (self->domain, VF_0));
}

static void
test_busy (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  guint n_changes = self->domains.n_changes;
  self->domain->is_busy = TRUE;
  assert_left (self, "held by a migration");
  g_assert_cmpuint (self->domains.n_changes, ==, n_changes);
  vf_service_assert_attached (self);
  self->domain->is_busy = FALSE;
  assert_retired (self, 1);
}

/* A job that begins, or a domain that ends, when the live metadata has just been changed. */
static void
begin_job (gpointer data)
{
  VfServiceCase *self = data;

  self->domain->is_busy = !vf_domains_asks (self->domain, BAL_VF_LIVE, "net0");
}

static void
end_domain (gpointer data)
{
  VfServiceCase *self = data;

  if (self->domain->is_active && !vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"))
    vf_domains_stop (&self->domains, self->domain);
}

static void
test_busy_meanwhile (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  self->domains.on_look = begin_job;
  assert_left (self, "held by a migration");
  self->domains.on_look = NULL;
  self->domain->is_busy = FALSE;
  vf_service_assert_attached (self);
  assert_retired (self, 1);
}

static void
test_ended_meanwhile (VfServiceCase *self, gconstpointer data)
{
  vf_service_must_allocate (self, FALSE);
  self->domains.on_look = end_domain;
  assert_left (self, "has ended meanwhile");
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  assert_retired (self, 0);
  vf_service_assert_nothing (self);
}

/* The VF, of another domain by now: it is not touched. */
static void
test_taken (VfServiceCase *self, gconstpointer data)
{
  VfTestDomain *stranger = vf_domains_add (&self->domains, 2);

  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  vf_domains_give (&self->domains, stranger, VF_0, "52:54:00:00:00:99");
  guint n_sets = self->nic.n_sets;
  assert_retired (self, 0);
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
  g_assert_true (vf_domains_has (stranger, VF_0));
}

/* By somebody who is no domain. */
static void
test_used (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  vf_tree_set_vf (&self->root, 3, 0, "net/eth3v0/flags", "0x1003");
  assert_left (self, "still in use");
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RELEASING);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
  vf_tree_set_vf (&self->root, 3, 0, "net/eth3v0/flags", "0x1002");
  assert_retired (self, 0);
  vf_service_assert_nothing (self);
}

/* What is set is not Ballast's doing. */
static void
test_earlier_boot (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  test_root_put (&self->root, "/proc/sys/kernel/random/boot_id",
                 "11111111-2222-3333-4444-555555555555\n");
  vf_tree_set_vf (&self->root, 3, 0, "net/eth3v0/flags", "0x1003");
  guint n_sets = self->nic.n_sets;
  assert_retired (self, 0);
  g_assert_cmpuint (self->nic.n_sets, ==, n_sets);
}

static void
test_libvirt_away (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  vf_service_prepare (self, PORT);
  self->service->stand_in = NULL;
  g_auto (Retired) retired = retire (self);
  g_assert_nonnull (retired.error);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
}

static void
prepare_both (VfServiceCase *self)
{
  vf_service_must_allocate (self, TRUE);
  vf_service_must_prepare (self, 2, "<vf:port id='net0' bandwidth='100Mbit' pf='eth4'/>");
}

/* Cut off anywhere, and done again: as if nothing had happened. */
static void
test_cut_off (VfServiceCase *self, gconstpointer data)
{
  for (guint step = 1;; step++)
    {
      VfServiceCase one = {0};
      guint n_before;

      vf_service_set_up (&one, NULL);
      prepare_both (&one);
      n_before = one.domains.n_steps;
      one.domains.dies_at = n_before + step;
      g_auto (Retired) first = retire (&one);
      gboolean is_whole = one.domains.n_steps < one.domains.dies_at;
      if (is_whole)
        one.domains.dies_at = 0;
      else
        vf_service_revive (&one);
      g_auto (Retired) again = retire (&one);
      g_assert_no_error (again.error);
      g_assert_cmpuint (again.left->len, ==, 0);
      g_assert_true (bal_vf_service_is_idle (one.service));
      g_assert_true (vf_domains_has (one.domain, VF_0));
      g_assert_false (vf_domains_asks (one.domain, BAL_VF_LIVE, "net0"));
      g_assert_true (vf_domains_asks (one.domain, BAL_VF_CONFIG, "net0"));
      vf_service_tear_down (&one, NULL);
      if (is_whole)
        {
          g_assert_cmpuint (step, >, 3);
          return;
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-retire/nothing", test_nothing);
  VF_SERVICE_ADD ("/vf-service-retire/reserved", test_reserved);
  VF_SERVICE_ADD ("/vf-service-retire/attached", test_attached);
  VF_SERVICE_ADD ("/vf-service-retire/attached-unnoted", test_attached_unnoted);
  g_test_add_func ("/vf-service-retire/killed-between-lines", test_killed_between_lines);
  VF_SERVICE_ADD ("/vf-service-retire/failed", test_failed);
  VF_SERVICE_ADD ("/vf-service-retire/ended", test_ended);
  VF_SERVICE_ADD ("/vf-service-retire/releasing", test_releasing);
  VF_SERVICE_ADD ("/vf-service-retire/busy", test_busy);
  VF_SERVICE_ADD ("/vf-service-retire/busy-meanwhile", test_busy_meanwhile);
  VF_SERVICE_ADD ("/vf-service-retire/ended-meanwhile", test_ended_meanwhile);
  VF_SERVICE_ADD ("/vf-service-retire/taken", test_taken);
  VF_SERVICE_ADD ("/vf-service-retire/used", test_used);
  VF_SERVICE_ADD ("/vf-service-retire/earlier-boot", test_earlier_boot);
  VF_SERVICE_ADD ("/vf-service-retire/libvirt-away", test_libvirt_away);
  VF_SERVICE_ADD ("/vf-service-retire/cut-off", test_cut_off);
  return g_test_run ();
}
