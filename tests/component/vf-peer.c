/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vf-peer ROOT PFS VFS MBPS DOMAINS: the daemon server and the VF service as ballastd has them, on
 * a made-up host below ROOT: PFS physical functions of MBPS Mbit/s with VFS VFs each (the first PF
 * is 0000:01:00.0, eth1), whose NICs are made of memory and refuse a minimum rate and a link state,
 * and DOMAINS running domains, numbers as vf-fixture.h has them, of which the last is off.
 * <root>/etc/ballast/vf.conf is the configuration; SIGHUP reads it again. Without DOMAINS the sysfs
 * is made, and nothing served.
 *
 * Prints "ready" when it listens.
 */
#include "../unit/vf-domains.h"
#include "../unit/vf-fixture.h"
#include "../unit/vf-nic.h"
#include "host-hook/daemon-vf.h"
#include "host-hook/vf-service-core.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct
{
  TestRoot root;
  GHashTable *nics; /* PF's netdev -> VfNic */
  GMutex mutex;     /* of the domains */
  VfDomains domains;
  BalVfLibvirt plain;
  BalVfLibvirt libvirt;
  BalDaemonVf *vf;
} host;

/* --- NICs, one a PF; the service uses them in one thread at a time --- */

static GArray *
nic_read (gpointer data, const char *pf_netdev, GError **error)
{
  BalVfNic nic = vf_nic (g_hash_table_lookup (host.nics, pf_netdev));
  return nic.read (nic.data, pf_netdev, error);
}

static gboolean
nic_set (gpointer data,
         const char *pf_netdev,
         guint index,
         BalVfSet which,
         const BalVfSettings *values,
         GError **error)
{
  BalVfNic nic = vf_nic (g_hash_table_lookup (host.nics, pf_netdev));
  return nic.set (nic.data, pf_netdev, index, which, values, error);
}

static void
make_nics (guint n_pfs, guint n_vfs)
{
  host.nics = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint pf = 1; pf <= n_pfs; pf++)
    {
      VfNic *nic = g_new (VfNic, 1);
      vf_nic_init (nic, n_vfs);
      nic->not_supported = BAL_VF_SET_MIN_RATE | BAL_VF_SET_LINK_STATE;
      g_hash_table_insert (host.nics, g_strdup_printf ("eth%u", pf), nic);
    }
}

/* --- libvirt: many threads ask it --- */

static GPtrArray *
list (gpointer data, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.list (host.plain.data, error);
}

static gboolean
look (gpointer data, const char *uuid, BalVfStanding *out, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.look (host.plain.data, uuid, out, error);
}

static char *
read_xml (gpointer data, const char *uuid, BalVfWhere where, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.read_xml (host.plain.data, uuid, where, error);
}

static gboolean
attach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.attach (host.plain.data, uuid, interface, error);
}

static gboolean
detach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.detach (host.plain.data, uuid, interface, error);
}

static gboolean
write_metadata (
  gpointer data, const char *uuid, BalVfWhere where, const char *element, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.write_metadata (host.plain.data, uuid, where, element, error);
}

static gboolean
destroy (gpointer data, const char *uuid, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&host.mutex);
  return host.plain.destroy (host.plain.data, uuid, error);
}

static void
make_domains (guint n)
{
  vf_domains_init (&host.domains, &host.root);
  host.plain = vf_domains_libvirt (&host.domains);
  host.libvirt = (BalVfLibvirt){.list = list,
                                .look = look,
                                .read_xml = read_xml,
                                .attach = attach,
                                .detach = detach,
                                .write_metadata = write_metadata,
                                .destroy = destroy};
  for (guint i = 1; i <= n; i++)
    vf_domains_add (&host.domains, i)->is_active = i < n;
}

/* The linker puts this in the place of bal_vf_service_new() (--wrap). */
BalVfService *__real_bal_vf_service_new (const char *root,
                                         const char *config_path,
                                         const BalVfNic *nic,
                                         GError **error);
BalVfService *__wrap_bal_vf_service_new (const char *root,
                                         const char *config_path,
                                         const BalVfNic *nic,
                                         GError **error);

BalVfService *
__wrap_bal_vf_service_new (const char *root,
                           const char *config_path,
                           const BalVfNic *nic,
                           GError **error)
{
  BalVfService *service = __real_bal_vf_service_new (root, config_path, nic, error);

  if (service != NULL)
    service->stand_in = &host.libvirt;
  return service;
}

/* --- requests --- */

static void
on_hook (BalDaemonRequest *request, const BalHookCall *call, gpointer data)
{
  g_assert_cmpstr (call->hook, ==, "vf");
  bal_daemon_vf_hook (host.vf, request, call);
}

static void
on_vf (BalDaemonRequest *request, BalVfCall *call, gpointer data)
{
  bal_daemon_vf_call (host.vf, request, call);
}

static void
on_status (BalDaemonRequest *request, const char *domain, gpointer data)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, json_object_new ());
  bal_daemon_request_return (request, node);
}

static gboolean
on_end (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer data)
{
  bal_daemon_vf_reload (host.vf);
  return G_SOURCE_CONTINUE;
}

static int
serve (const char *config_path)
{
  static const BalDaemonHandlers handlers = {.hook = on_hook, .status = on_status, .vf = on_vf};
  static const BalVfNic nic = {.read = nic_read, .set = nic_set};
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  BalDaemonServer *server = bal_daemon_server_new (host.root.path, &handlers, NULL, &error);
  /* Some libvirt, so that there is a connection at all. */
  virConnectPtr connection = virConnectOpen ("test:///default");

  g_assert_no_error (error);
  g_assert_nonnull (connection);
  host.vf = bal_daemon_vf_new (host.root.path, config_path, &nic);
  bal_daemon_vf_set_connection (host.vf, connection);
  g_unix_signal_add (SIGTERM, on_end, loop);
  g_unix_signal_add (SIGHUP, on_reload, NULL);
  puts ("ready");
  fflush (stdout);
  g_main_loop_run (loop);
  bal_daemon_vf_free (host.vf);
  bal_daemon_server_free (server);
  virConnectClose (connection);
  return 0;
}

int
main (int argc, char **argv)
{
  guint n_pfs = (guint)atoi (argv[2]);
  guint n_vfs = (guint)atoi (argv[3]);
  guint mbps = (guint)atoi (argv[4]);
  g_autofree char *devices = NULL;
  g_autofree char *config_path = NULL;

  host.root.path = argv[1];
  devices = test_root_path (&host.root, "/sys/bus/pci/devices");
  config_path = test_root_path (&host.root, "/etc/ballast/vf.conf");
  if (!g_file_test (devices, G_FILE_TEST_EXISTS))
    {
      test_root_put (&host.root, "/proc/sys/kernel/random/boot_id", VF_BOOT_ID "\n");
      for (guint pf = 1; pf <= n_pfs; pf++)
        vf_tree_add_pf (&host.root, pf, n_vfs, mbps, (int)(pf % 2));
    }
  if (argc == 5)
    return 0;
  make_nics (n_pfs, n_vfs);
  make_domains ((guint)atoi (argv[5]));
  return serve (config_path);
}
