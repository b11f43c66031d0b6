/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-scale-host.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

/* --- the NIC, which many threads ask --- */

static BalVfNic
find_nic (VfScaleHost *self, const char *pf_netdev)
{
  guint pf;

  g_assert_cmpint (sscanf (pf_netdev, "eth%u", &pf), ==, 1);
  return vf_nic (&self->nics[pf]);
}

static GArray *
read_nic (gpointer data, const char *pf_netdev, GError **error)
{
  VfScaleHost *self = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->nic_lock);
  BalVfNic nic = find_nic (self, pf_netdev);

  return nic.read (nic.data, pf_netdev, error);
}

static gboolean
set_nic (gpointer data,
         const char *pf_netdev,
         guint index,
         BalVfSet which,
         const BalVfSettings *values,
         GError **error)
{
  VfScaleHost *self = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->nic_lock);
  BalVfNic nic = find_nic (self, pf_netdev);

  return nic.set (nic.data, pf_netdev, index, which, values, error);
}

/* --- the host --- */

static void
put_ledger (const VfScaleHost *self, const char *ledger)
{
  g_autofree char *folder = test_root_path (&self->root, BAL_VF_LEDGER_FOLDER);
  g_autofree char *parent = g_path_get_dirname (folder);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_cmpint (symlink (ledger, folder), ==, 0);
}

void
vf_scale_host_set_up (VfScaleHost *self, const char *ledger, guint speed_mbps)
{
  BalVfNic nic = {self, read_nic, set_nic};
  g_autoptr (GError) error = NULL;

  test_root_set_up (&self->root, NULL);
  test_root_put (&self->root, "/proc/sys/kernel/random/boot_id", VF_BOOT_ID "\n");
  g_mutex_init (&self->nic_lock);
  for (guint i = 0; i < VF_SCALE_PFS; i++)
    {
      vf_tree_add_pf (&self->root, i, VF_SCALE_VFS, speed_mbps, (int)(i % 2));
      vf_nic_init (&self->nics[i], VF_SCALE_VFS);
    }
  if (ledger != NULL)
    put_ledger (self, ledger);
  vf_domains_init (&self->domains, &self->root);
  self->libvirt = vf_domains_libvirt (&self->domains);
  self->service = bal_vf_service_new (self->root.path, NULL, &nic, &error);
  g_assert_no_error (error);
  self->service->stand_in = &self->libvirt;
}

void
vf_scale_host_tear_down (VfScaleHost *self)
{
  bal_vf_service_free (self->service);
  vf_domains_clear (&self->domains);
  for (guint i = 0; i < VF_SCALE_PFS; i++)
    vf_nic_clear (&self->nics[i]);
  g_mutex_clear (&self->nic_lock);
  test_root_tear_down (&self->root, NULL);
}

char *
vf_scale_uuid (guint domain)
{
  return g_strdup_printf ("6d1f0c2a-0f9e-4b0e-9c55-%012x", domain);
}

char *
vf_scale_xml (guint domain, guint bandwidth_mbps)
{
  g_autofree char *uuid = vf_scale_uuid (domain);

  return g_strdup_printf ("<domain><uuid>%s</uuid><metadata><vf:ports "
                          "xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' bandwidth='%uMbit'/>"
                          "</vf:ports></metadata></domain>",
                          uuid, bandwidth_mbps);
}

/* --- the threads --- */

typedef struct
{
  VfScaleHost *host;
  void (*ask) (gpointer data, guint domain);
  gpointer data;
  guint first; /* of its domains */
  guint step;
  gint *is_over;
} Worker;

static gpointer
ask_all (gpointer data)
{
  Worker *self = data;

  for (guint i = self->first; i <= VF_SCALE_REQUESTS; i += self->step)
    self->ask (self->data, i);
  return NULL;
}

static gpointer
list_all (gpointer data)
{
  Worker *self = data;

  while (!g_atomic_int_get (self->is_over))
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonObject) list = bal_vf_service_list (self->host->service, NULL, &error);
      g_assert_no_error (error);
    }
  return NULL;
}

static gpointer
settle_all (gpointer data)
{
  Worker *self = data;

  while (!g_atomic_int_get (self->is_over))
    bal_vf_service_settle (self->host->service, NULL);
  return NULL;
}

void
vf_scale_host_run (VfScaleHost *self,
                   guint n_threads,
                   void (*ask) (gpointer data, guint domain),
                   gpointer data)
{
  gint is_over = 0;
  Worker workers[VF_SCALE_THREADS];
  GThread *threads[VF_SCALE_THREADS];
  Worker other = {.host = self, .is_over = &is_over};
  GThread *lister = g_thread_new ("list", list_all, &other);
  GThread *settler = g_thread_new ("settle", settle_all, &other);

  for (guint i = 0; i < n_threads; i++)
    {
      workers[i] = (Worker){self, ask, data, i + 1, n_threads, &is_over};
      threads[i] = g_thread_new ("ask", ask_all, &workers[i]);
    }
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);
  g_atomic_int_set (&is_over, 1);
  g_thread_join (lister);
  g_thread_join (settler);
}
