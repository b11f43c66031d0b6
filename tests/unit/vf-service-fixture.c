/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"

#define N_VFS 4

#define LEDGER BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME

/* --- the NIC, which can be cut off as libvirt can --- */

static gboolean
fail (GError **error)
{
  g_set_error_literal (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK, "it is dead");
  return FALSE;
}

static GArray *
read_nic (gpointer data, const char *pf_netdev, GError **error)
{
  VfServiceCase *self = data;
  BalVfNic nic = vf_nic (&self->nic);

  if (self->domains.dies_at == 0 || self->domains.n_steps < self->domains.dies_at)
    return nic.read (nic.data, pf_netdev, error);
  fail (error);
  return NULL;
}

static gboolean
set_nic (gpointer data,
         const char *pf_netdev,
         guint index,
         BalVfSet which,
         const BalVfSettings *values,
         GError **error)
{
  VfServiceCase *self = data;
  BalVfNic nic = vf_nic (&self->nic);

  if (vf_domains_is_dead (&self->domains))
    return fail (error);
  return nic.set (nic.data, pf_netdev, index, which, values, error);
}

static void
on_death (gpointer user_data)
{
  VfServiceCase *self = user_data;

  g_free (self->ledger);
  self->ledger = test_root_get (&self->root, LEDGER);
}

static void
on_destroy (gpointer user_data, const char *uuid)
{
  bal_vf_service_end (((VfServiceCase *)user_data)->service, uuid);
}

/* --- the service --- */

static void
start (VfServiceCase *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *config = test_root_path (&self->root, "/etc/ballast/vf.conf");

  self->service = bal_vf_service_new (self->root.path, config, &self->reach, &error);
  g_assert_no_error (error);
  self->service->stand_in = &self->libvirt;
}

void
vf_service_set_up (VfServiceCase *self, gconstpointer data)
{
  test_root_set_up (&self->root, NULL);
  test_root_put (&self->root, "/proc/sys/kernel/random/boot_id", VF_BOOT_ID "\n");
  test_root_put (&self->root, "/etc/ballast/vf.conf", "");
  vf_tree_add_pf (&self->root, 3, N_VFS, 1000, 0);
  vf_tree_add_pf (&self->root, 4, N_VFS, 1000, 1);
  vf_nic_init (&self->nic, N_VFS);
  self->reach = (BalVfNic){self, read_nic, set_nic};
  vf_domains_init (&self->domains, &self->root);
  self->domains.on_death = on_death;
  self->domains.on_destroy = on_destroy;
  self->domains.user_data = self;
  self->libvirt = vf_domains_libvirt (&self->domains);
  self->domain = vf_domains_add (&self->domains, 1);
  self->ledger = NULL;
  start (self);
}

void
vf_service_tear_down (VfServiceCase *self, gconstpointer data)
{
  bal_vf_service_free (self->service);
  vf_domains_clear (&self->domains);
  vf_nic_clear (&self->nic);
  g_free (self->ledger);
  test_root_tear_down (&self->root, NULL);
}

void
vf_service_restart (VfServiceCase *self)
{
  bal_vf_service_free (self->service);
  start (self);
}

void
vf_service_revive (VfServiceCase *self)
{
  bal_vf_service_free (self->service);
  test_root_put (&self->root, LEDGER, self->ledger);
  self->domains.dies_at = 0;
  start (self);
}

void
vf_service_let_expire (VfServiceCase *self)
{
  self->service->config.expiry_s = 0;
}

BalVfRequest
vf_service_request (guint domain, guint bandwidth_mbps)
{
  BalVfRequest request = vf_request (domain, bandwidth_mbps);
  g_autoptr (GError) error = NULL;

  request.pf = g_strdup ("eth3");
  bal_vf_request_complete (&request, &error);
  g_assert_no_error (error);
  return request;
}

char *
vf_service_xml (guint domain, const char *ports, const char *devices)
{
  return g_strdup_printf ("<domain type='kvm'><name>d%u</name><uuid>%s</uuid><metadata>"
                          "<vf:ports xmlns:vf='urn:x-ballast:vf:1'>%s</vf:ports></metadata>"
                          "<devices>%s</devices></domain>",
                          domain, vf_uuid (domain), ports, devices);
}

const BalVfEntry *
vf_service_entry (VfServiceCase *self, guint domain)
{
  return bal_vf_book_find (bal_vf_ledger_book (self->service->ledger), vf_uuid (domain), "net0");
}

gboolean
vf_service_is_clean (VfServiceCase *self)
{
  VfNic fresh;
  gboolean is_clean = TRUE;

  vf_nic_init (&fresh, N_VFS);
  for (guint i = 0; i < N_VFS; i++)
    is_clean &=
      bal_vf_settings_differ (vf_nic_vf (&self->nic, i), vf_nic_vf (&fresh, i), BAL_VF_SET_ALL)
      == 0;
  vf_nic_clear (&fresh);
  return is_clean;
}

/* --- ports --- */

gboolean
vf_service_allocate (VfServiceCase *self, guint mbps, gboolean in_config, GError **error)
{
  g_auto (BalVfRequest) request = vf_service_request (1, mbps);
  g_autoptr (JsonObject) port = NULL;
  gboolean ok = bal_vf_service_allocate (self->service, &request, in_config, &port, error);

  g_assert_true ((port != NULL) == (ok && self->domain->is_active));
  if (port != NULL)
    g_assert_cmpstr (json_object_get_string_member (port, "state"), ==, "attached");
  return ok;
}

void
vf_service_must_allocate (VfServiceCase *self, gboolean in_config)
{
  g_autoptr (GError) error = NULL;

  vf_service_allocate (self, 300, in_config, &error);
  g_assert_no_error (error);
}

gboolean
vf_service_release (VfServiceCase *self, const char *port, gboolean in_config, GError **error)
{
  return bal_vf_service_release (self->service, vf_uuid (1), port, in_config, error);
}

void
vf_service_assert_nothing (VfServiceCase *self)
{
  g_assert_null (vf_service_entry (self, 1));
  g_assert_false (vf_domains_has (self->domain, VF_SERVICE_VF_0));
  g_assert_false (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_true (vf_service_is_clean (self));
}

void
vf_service_assert_attached (VfServiceCase *self)
{
  const BalVfEntry *entry = vf_service_entry (self, 1);

  g_assert_nonnull (entry);
  g_assert_cmpint (entry->state, ==, BAL_VF_ATTACHED);
  g_assert_true (entry->from_metadata);
  g_assert_true (vf_domains_has (self->domain, VF_SERVICE_VF_0));
  g_assert_true (vf_domains_asks (self->domain, BAL_VF_LIVE, "net0"));
  g_assert_cmpuint (vf_nic_vf (&self->nic, 0)->max_rate_mbps, ==, 300);
}

gboolean
vf_service_prepare_domain (VfServiceCase *self, guint domain, const char *ports, GError **error)
{
  g_autofree char *xml = vf_service_xml (domain, ports, "");

  return bal_vf_service_prepare (self->service, xml, error);
}

void
vf_service_must_prepare (VfServiceCase *self, guint domain, const char *ports)
{
  g_autoptr (GError) error = NULL;

  vf_service_prepare_domain (self, domain, ports, &error);
  g_assert_no_error (error);
}

void
vf_service_prepare (VfServiceCase *self, const char *ports)
{
  vf_service_must_prepare (self, 1, ports);
}

void
vf_service_settle (VfServiceCase *self)
{
  bal_vf_service_settle (self->service, NULL);
}

BalVfState
vf_service_state (VfServiceCase *self)
{
  g_assert_nonnull (vf_service_entry (self, 1));
  return vf_service_entry (self, 1)->state;
}
