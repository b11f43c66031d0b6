/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-service-fixture.h"

#define N_VFS 4

static void
start (VfServiceCase *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *config = test_root_path (&self->root, "/etc/ballast/vf.conf");

  self->service = bal_vf_service_new (self->root.path, config, &self->reach, &error);
  g_assert_no_error (error);
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
  self->reach = vf_nic (&self->nic);
  start (self);
}

void
vf_service_tear_down (VfServiceCase *self, gconstpointer data)
{
  bal_vf_service_free (self->service);
  vf_nic_clear (&self->nic);
  test_root_tear_down (&self->root, NULL);
}

void
vf_service_restart (VfServiceCase *self)
{
  bal_vf_service_free (self->service);
  start (self);
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
