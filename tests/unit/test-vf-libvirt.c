/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real libvirt, with its test driver, which has neither jobs nor hot-plug. */
#include "vf-service-fixture.h"

#include "host-hook/failure.h"
#include "host-hook/vf-interface.h"

#include <libvirt/virterror.h>
#include <string.h>

#define VF_0 "0000:03:10.0"
#define NODE                                                                                       \
  "<node><domain type='test'><name>guest</name><uuid>%s</uuid><memory>8192</memory><os>"           \
  "<type>hvm</type></os><devices><interface type='hostdev' managed='yes'>"                         \
  "<mac address='52:54:00:00:00:01'/><source><address type='pci' domain='0' bus='3' slot='16' "    \
  "function='0'/></source></interface></devices></domain></node>"

typedef struct
{
  VfServiceCase service;
  virConnectPtr connection;
  BalVfLibvirt libvirt;
} Case;

static void
ignore (void *user_data, virErrorPtr error)
{
}

static void
set_up (Case *self, gconstpointer data)
{
  vf_service_set_up (&self->service, data);
  g_autofree char *node = g_strdup_printf (NODE, vf_uuid (1));
  g_autofree char *path = test_root_path (&self->service.root, "/node.xml");
  g_autofree char *uri = g_strconcat ("test://", path, NULL);
  test_root_put (&self->service.root, "/node.xml", node);
  virSetErrorFunc (NULL, ignore);
  self->connection = virConnectOpen (uri);
  g_assert_nonnull (self->connection);
  self->libvirt = bal_vf_libvirt_new (self->connection);
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_libvirt_clear (&self->libvirt);
  vf_service_tear_down (&self->service, data);
  /* The last reference. */
  g_assert_cmpint (virConnectClose (self->connection), ==, 0);
}

static void
test_list (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) domains = self->libvirt.list (self->libvirt.data, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (domains->len, ==, 1);
  const BalVfDomain *domain = domains->pdata[0];
  g_assert_cmpstr (domain->uuid, ==, vf_uuid (1));
  g_assert_cmpuint (domain->vf_pcis->len, ==, 1);
  g_assert_cmpstr (domain->vf_pcis->pdata[0], ==, VF_0);
  /* What libvirt cannot tell counts as a job. */
  g_assert_true (domain->is_busy);
}

static void
test_look (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BalVfStanding standing;

  g_assert_true (self->libvirt.look (self->libvirt.data, vf_uuid (1), &standing, &error));
  g_assert_true (standing.is_known && standing.is_active && standing.is_persistent);
  g_assert_true (self->libvirt.look (self->libvirt.data, vf_uuid (2), &standing, &error));
  g_assert_false (standing.is_known || standing.is_active);
  g_assert_true (self->libvirt.destroy (self->libvirt.data, vf_uuid (1), &error));
  g_assert_true (self->libvirt.look (self->libvirt.data, vf_uuid (1), &standing, &error));
  g_assert_true (standing.is_known && !standing.is_active && !standing.is_busy);
}

/* libvirt puts the namespace on the port elements too. */
static void
test_metadata (Case *self, gconstpointer data)
{
  g_auto (BalVfRequest) first = vf_service_request (1, 300);
  g_auto (BalVfRequest) second = vf_service_request (1, 100);
  g_autoptr (GError) error = NULL;
  gboolean was_there = FALSE;

  g_free (second.port);
  second.port = g_strdup ("net1");
  g_clear_pointer (&second.mac, g_free);
  g_assert_true (bal_vf_request_complete (&second, &error));
  for (BalVfWhere where = BAL_VF_LIVE; where <= BAL_VF_CONFIG; where++)
    {
      g_assert_true (bal_vf_metadata_add (&self->libvirt, &first, where, &error));
      g_assert_true (bal_vf_metadata_add (&self->libvirt, &second, where, &error));
      g_autofree char *xml =
        self->libvirt.read_xml (self->libvirt.data, vf_uuid (1), where, &error);
      g_autoptr (GArray) ports = bal_vf_request_from_domain_xml (xml, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (ports->len, ==, 2);
      g_assert_true (bal_vf_request_equal (&g_array_index (ports, BalVfRequest, 1), &second));
      g_assert_true (
        bal_vf_metadata_remove (&self->libvirt, vf_uuid (1), "net0", where, &was_there, &error));
      g_assert_true (was_there);
      g_assert_true (
        bal_vf_metadata_remove (&self->libvirt, vf_uuid (1), "net0", where, &was_there, &error));
      g_assert_false (was_there);
    }
  g_assert_true (
    bal_vf_metadata_remove (&self->libvirt, vf_uuid (1), NULL, BAL_VF_LIVE, &was_there, &error));
  g_autofree char *live =
    self->libvirt.read_xml (self->libvirt.data, vf_uuid (1), BAL_VF_LIVE, &error);
  g_autofree char *config =
    self->libvirt.read_xml (self->libvirt.data, vf_uuid (1), BAL_VF_CONFIG, &error);
  g_assert_null (strstr (live, BAL_VF_METADATA_URI));
  g_assert_nonnull (strstr (config, BAL_VF_METADATA_URI));
}

static void
test_failures (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (self->libvirt.attach (self->libvirt.data, vf_uuid (1), "<interface/>", &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_FAILED);
  g_clear_error (&error);
  g_assert_false (self->libvirt.detach (self->libvirt.data, vf_uuid (1), "<interface/>", &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_FAILED);
  g_clear_error (&error);
  g_assert_null (self->libvirt.read_xml (self->libvirt.data, vf_uuid (2), BAL_VF_LIVE, &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND);
}

/* A service on a connection that comes and goes. */
static void
test_service (Case *self, gconstpointer data)
{
  VfServiceCase *test = &self->service;
  g_autofree char *xml = vf_service_xml (1, "<vf:port id='net0' bandwidth='1Mbit'/>", "");
  g_autoptr (GError) error = NULL;

  g_assert_true (self->libvirt.destroy (self->libvirt.data, vf_uuid (1), &error));
  test->service->stand_in = NULL;
  vf_service_let_expire (test);
  bal_vf_service_prepare (test->service, xml, &error);
  g_assert_no_error (error);
  bal_vf_service_settle (test->service, NULL);
  g_assert_false (bal_vf_service_is_idle (test->service));
  g_assert_false (bal_vf_service_release (test->service, vf_uuid (1), NULL, FALSE, &error));
  g_assert_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND);
  bal_vf_service_set_connection (test->service, self->connection);
  bal_vf_service_settle (test->service, NULL);
  g_assert_true (bal_vf_service_is_idle (test->service));
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-libvirt/list", test_list);
  ADD ("/vf-libvirt/look", test_look);
  ADD ("/vf-libvirt/metadata", test_metadata);
  ADD ("/vf-libvirt/failures", test_failures);
  ADD ("/vf-libvirt/service", test_service);
  return g_test_run ();
}
