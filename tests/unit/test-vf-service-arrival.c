/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hooks and the service do of a domain that comes from another host. */
#include "vf-service-fixture.h"

#include "host-hook/vf-error.h"
#include "host-hook/vf-interface.h"

#include <string.h>

#define VF_0 VF_SERVICE_VF_0
#define PORT "<vf:port id='net0' bandwidth='300Mbit' pf='eth3'/>"

/* --- a migration --- */

static char *
arrive (VfServiceCase *self, const char *ports, const char *devices)
{
  g_autofree char *xml = vf_service_xml (1, ports, devices);
  g_autoptr (GError) error = NULL;
  char *changed = NULL;

  bal_vf_service_arrive (self->service, xml, &changed, &error);
  g_assert_no_error (error);
  return changed;
}

#define MAC "52:54:00:00:00:01"
#define TEAM "<vf:port id='net0' bandwidth='300Mbit' mac='" MAC "' standby='ua-net0'/>"
#define TEAM_INTERFACE                                                                             \
  "<interface type='hostdev'><mac address='" MAC "'/><source><address type='pci' domain='0' "      \
  "bus='0x81' slot='0x02' function='1'/></source></interface>"

static void
test_arrival_with_standby (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *changed = NULL;

  self->domain->is_active = FALSE;
  changed = arrive (self, TEAM, TEAM_INTERFACE);
  g_autoptr (GArray) held = bal_vf_interface_list_held (changed, NULL);
  g_assert_true (bal_vf_interface_has (held, VF_0, MAC));
  g_assert_false (bal_vf_interface_has (held, "0000:81:02.1", NULL));
  vf_service_prepare (self, TEAM);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);

  /* QEMU waits for memory with the VF already in its hands. */
  self->domain->is_active = self->domain->is_busy = TRUE;
  vf_domains_give (&self->domains, self->domain, VF_0, MAC);
  vf_service_restart (self);
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  g_assert_cmpuint (self->domains.n_changes, ==, 0);

  /* It arrives; and is destroyed as if that had failed. */
  self->domain->is_busy = FALSE;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
  vf_domains_stop (&self->domains, self->domain);
  bal_vf_service_end (self->service, vf_uuid (1));
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
}

static void
test_arrival_without_standby (VfServiceCase *self, gconstpointer data)
{
  self->domain->is_active = FALSE;
  /* What does not come to a start, such as a migration --offline, reserves nothing. */
  g_assert_null (arrive (self, PORT, ""));
  g_assert_null (arrive (self, PORT, TEAM_INTERFACE));
  g_assert_true (bal_vf_service_is_idle (self->service));
  vf_service_prepare (self, PORT);
  self->domain->is_active = self->domain->is_busy = TRUE;
  self->domain->has_booted = FALSE;
  vf_service_settle (self);
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
  /* The event comes before libvirt's job is over. */
  self->domains.n_busy_looks = 2;
  bal_vf_service_settle (self->service, vf_uuid (1));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_ATTACHED);
}

static void
test_arrival_refused (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *xml =
    vf_service_xml (1, "<vf:port id='net0' bandwidth='1Gbit' mac='" MAC "'/>", TEAM_INTERFACE);
  g_autoptr (GError) error = NULL;
  char *changed = NULL;

  g_assert_false (bal_vf_service_arrive (self->service, xml, &changed, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_assert_null (changed);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (bal_vf_service_arrive (self->service, "<domain/>", &changed, &error));
  g_assert_null (changed);
}

/* libvirt has yet to find that it runs here. */
static void
test_arrival_of_what_is_here (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *xml = vf_service_xml (1, TEAM, TEAM_INTERFACE);
  g_autoptr (GError) error = NULL;
  char *changed = NULL;

  vf_service_must_allocate (self, FALSE);
  g_assert_false (bal_vf_service_arrive (self->service, xml, &changed, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_nonnull (strstr (error->message, "running here already"));
  vf_service_assert_attached (self);
}

/* Started with the address that it had when it came, or came too late for its reservation. */
static void
test_address_of_another_vf (VfServiceCase *self, gconstpointer data)
{
  g_autofree char *wrong = vf_service_xml (1, TEAM, TEAM_INTERFACE);
  g_autofree char *changed = NULL;
  g_autoptr (GError) error = NULL;

  self->domain->is_active = FALSE;
  g_assert_false (bal_vf_service_prepare (self->service, wrong, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_assert_nonnull (strstr (error->message, "0000:81:02.1"));
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
  g_clear_error (&error);

  changed = arrive (self, TEAM, TEAM_INTERFACE);
  g_assert_true (bal_vf_service_prepare (self->service, changed, &error));
  g_assert_no_error (error);
  /* What was reserved before stays so. */
  g_assert_false (bal_vf_service_prepare (self->service, wrong, &error));
  g_assert_cmpint (vf_service_state (self), ==, BAL_VF_RESERVED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-arrival/arrival-with-standby", test_arrival_with_standby);
  VF_SERVICE_ADD ("/vf-service-arrival/arrival-without-standby", test_arrival_without_standby);
  VF_SERVICE_ADD ("/vf-service-arrival/arrival-refused", test_arrival_refused);
  VF_SERVICE_ADD ("/vf-service-arrival/arrival-of-what-is-here", test_arrival_of_what_is_here);
  VF_SERVICE_ADD ("/vf-service-arrival/address-of-another-vf", test_address_of_another_vf);
  return g_test_run ();
}
