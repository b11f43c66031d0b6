/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-interface.h"

#include "host-hook/domain-xml.h"
#include "vf-fixture.h"

#include <string.h>

#define MAC_1 "52:54:00:00:00:01"
#define MAC_2 "52:54:00:00:00:02"

#define HOSTDEV_INTERFACE(mac, bus, function)                                                      \
  "<interface type='hostdev' managed='yes'><mac address='" mac "'/><driver name='vfio'/>"          \
  "<source><address type='pci' domain='0x0000' bus='0x" bus "' slot='0x10' function='0x" function  \
  "'/></source><alias name='hostdev0'/><address type='pci' domain='0x0000' bus='0x06' "            \
  "slot='0x00' function='0x0'/></interface>"

#define DEVICES                                                                                    \
  "<interface type='network'><mac address='" MAC_1 "'/><source network='default'/>"                \
  "<model type='virtio'/><alias name='ua-net0'/></interface>" HOSTDEV_INTERFACE (                  \
    "52:54:00:00:00:0A", "03", "1")                                                                \
    HOSTDEV_INTERFACE (MAC_1, "04", "2") "<hostdev mode='subsystem' type='pci' managed='yes'>"     \
                                         "<source><address domain='0x0001' bus='0xff' "            \
                                         "slot='0x1f' function='0x7'/></source></hostdev>"         \
                                         "<hostdev mode='subsystem' type='usb'><source>"           \
                                         "<address bus='1' device='2'/></source></hostdev>"

static char *
domain_xml (const char *devices)
{
  return g_strdup_printf (
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>g</name>"
    "<uuid>%s</uuid><title>a &amp; \xc3\xa4</title><metadata><x:other xmlns:x='urn:other'/>"
    "</metadata><devices>%s</devices><qemu:commandline/></domain>",
    vf_uuid (1), devices);
}

static BalVfEntry *
entry_on (guint pf, guint vf, const char *mac)
{
  BalVfEntry *entry = vf_entry (1, 500, pf, vf);

  entry->request.mac = g_strdup (mac);
  return entry;
}

/* --- what a domain has --- */

static void
test_held (void)
{
  g_autofree char *xml = domain_xml (DEVICES);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) held = bal_vf_interface_list_held (xml, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (held->len, ==, 3);
  g_assert_true (bal_vf_interface_has (held, "0000:03:10.1", NULL));
  g_assert_true (bal_vf_interface_has (held, "0000:03:10.1", "52:54:00:00:00:0a"));
  g_assert_true (bal_vf_interface_has (held, "0000:04:10.2", MAC_1));
  g_assert_false (bal_vf_interface_has (held, "0000:04:10.2", MAC_2));
  g_assert_true (bal_vf_interface_has (held, "0001:ff:1f.7", NULL));
  g_assert_false (bal_vf_interface_has (held, "0001:ff:1f.7", MAC_1));
  g_assert_false (bal_vf_interface_has (held, "0000:04:10.1", NULL));
  g_assert_null (bal_vf_interface_list_held ("<domain", &error));
  g_assert_error (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_SYNTAX);
}

/* Addresses that are not one count as none. */
static void
test_held_odd (void)
{
  static const char *const sources[] = {
    "",
    "<source/>",
    "<source><address type='pci'/></source>",
    "<source><address type='pci' bus='0x100' slot='0' function='0'/></source>",
    "<source><address type='pci' bus='3' slot='0x20' function='0'/></source>",
    "<source><address type='pci' bus='3' slot='1' function='8'/></source>",
    "<source><address type='pci' bus='3x' slot='1' function='0'/></source>",
    "<source><address type='pci' bus='' slot='1' function='0'/></source>",
    "<source><address type='pci' domain='0x10000' bus='3' slot='1' function='0'/></source>",
  };
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    {
      g_autofree char *device =
        g_strdup_printf ("<interface type='hostdev'>%s</interface>", sources[i]);
      g_autofree char *xml = domain_xml (device);
      g_autoptr (GArray) held = bal_vf_interface_list_held (xml, NULL);
      g_test_message ("%s", sources[i]);
      g_assert_cmpuint (held->len, ==, 0);
    }
  g_autofree char *xml = domain_xml ("<interface type='hostdev'><source><address type='pci' "
                                     "bus='3' slot='16'/></source></interface>");
  g_autoptr (GArray) held = bal_vf_interface_list_held (xml, NULL);
  g_assert_true (bal_vf_interface_has (held, "0000:03:10.0", NULL));
}

static void
test_find (void)
{
  g_autofree char *xml = domain_xml (DEVICES);
  g_autofree char *found = NULL;
  g_autofree char *none = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (bal_vf_interface_find (xml, "0000:04:10.2", &found, &error));
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (found, "<interface type=\"hostdev\" managed=\"yes\">"));
  g_assert_nonnull (strstr (found, "<alias name=\"hostdev0\"/>"));
  g_assert_nonnull (strstr (found, "bus=\"0x04\""));
  g_assert_true (bal_vf_interface_find (xml, "0000:04:10.3", &none, &error));
  g_assert_null (none);
}

/* --- what libvirt is given --- */

static void
test_build (void)
{
  g_autoptr (BalVfEntry) entry = entry_on (3, 9, MAC_1);
  g_autofree char *least = bal_vf_interface_build (entry);

  g_assert_cmpstr (least, ==,
                   "<interface type='hostdev' managed='yes'><mac address='" MAC_1 "'/>"
                   "<source><address type='pci' domain='0x0000' bus='0x03' slot='0x11' "
                   "function='0x1'/></source></interface>");
  entry->request.vlan = 42;
  entry->request.standby = g_strdup ("ua-net0");
  g_autofree char *most = bal_vf_interface_build (entry);
  g_assert_true (g_str_has_suffix (most, "</source><vlan><tag id='42'/></vlan>"
                                         "<teaming type='transient' persistent='ua-net0'/>"
                                         "</interface>"));
}

static void
test_rewrite (void)
{
  g_autofree char *xml = domain_xml (DEVICES);
  g_autoptr (GPtrArray) entries =
    g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);
  g_autoptr (GError) error = NULL;
  g_autofree char *changed = NULL;
  g_autofree char *again = NULL;

  g_ptr_array_add (entries, entry_on (7, 11, MAC_1));
  g_ptr_array_add (entries, entry_on (8, 0, MAC_2));
  g_assert_true (bal_vf_interface_rewrite (xml, entries, &changed, &error));
  g_assert_no_error (error);
  g_autoptr (GArray) held = bal_vf_interface_list_held (changed, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (held->len, ==, 3);
  g_assert_true (bal_vf_interface_has (held, "0000:07:11.3", MAC_1));
  g_assert_true (bal_vf_interface_has (held, "0000:03:10.1", "52:54:00:00:00:0a"));
  g_assert_true (bal_vf_interface_has (held, "0001:ff:1f.7", NULL));

  /* Nothing else: with the address put back it is what it was. */
  g_assert_nonnull (strstr (changed, "<title>a &amp; \xc3\xa4</title>"));
  g_assert_nonnull (strstr (changed, "<x:other xmlns:x=\"urn:other\"/>"));
  g_assert_nonnull (strstr (changed, "<qemu:commandline/>"));
  g_assert_true (bal_vf_interface_rewrite (changed, entries, &again, &error));
  g_assert_null (again);
}

static void
test_rewrite_of_nothing (void)
{
  g_autofree char *xml = domain_xml ("<interface type='hostdev'/>");
  g_autoptr (GPtrArray) entries =
    g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);
  g_autoptr (GError) error = NULL;
  char *changed = NULL;

  g_ptr_array_add (entries, entry_on (7, 11, MAC_1));
  g_assert_true (bal_vf_interface_rewrite (xml, entries, &changed, &error));
  g_assert_null (changed);
  g_assert_true (bal_vf_interface_rewrite ("<domain type='kvm'/>", entries, &changed, &error));
  g_assert_null (changed);
  g_assert_false (bal_vf_interface_rewrite ("text", entries, &changed, &error));
  g_assert_error (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_SYNTAX);
}

/* --- metadata --- */

/* As libvirt does it: the prefix and the namespace come with the element. */
static char *
with_metadata (const char *element)
{
  return g_strdup_printf ("<domain><uuid>%s</uuid><metadata><ports xmlns='urn:x-ballast:vf:1'%s"
                          "</metadata></domain>",
                          vf_uuid (1), element + strlen ("<ports"));
}

static void
test_metadata (void)
{
  static const char ports[] =
    "<ports><port id='net0' bandwidth='2500Mbit' minimum='yes' mac='" MAC_1 "' vlan='100' "
    "trust='on' spoofchk='off' network='physnet1' numa='0' pf='eth3' standby='ua-net0' "
    "required='yes'/><port id='net1' bandwidth='1Mbit' mac='" MAC_2 "'/></ports>";
  g_autofree char *xml = with_metadata (ports);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) requests = bal_vf_request_from_domain_xml (xml, NULL, &error);

  g_assert_no_error (error);
  g_autofree char *built = bal_vf_metadata_build (requests);
  g_assert_cmpstr (built, ==, ports);
  g_array_set_size (requests, 0);
  g_assert_null (bal_vf_metadata_build (requests));
}

static void
test_home_node (void)
{
  static const struct
  {
    const char *tune;
    int node;
  } cases[] = {
    {"", -1},
    {"<numatune><memory mode='strict' nodeset='1'/></numatune>", 1},
    {"<numatune><memory mode='strict' nodeset='0-1'/></numatune>", -1},
    {"<numatune><memory mode='strict' placement='auto'/></numatune>", -1},
    {"<numatune><memory mode='strict' nodeset='4711'/></numatune>", -1},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml = g_strdup_printf ("<domain>%s</domain>", cases[i].tune);
      g_assert_cmpint (bal_vf_interface_home_node (xml), ==, cases[i].node);
    }
  g_assert_cmpint (bal_vf_interface_home_node ("text"), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vf-interface/held", test_held);
  g_test_add_func ("/vf-interface/held-odd", test_held_odd);
  g_test_add_func ("/vf-interface/find", test_find);
  g_test_add_func ("/vf-interface/build", test_build);
  g_test_add_func ("/vf-interface/rewrite", test_rewrite);
  g_test_add_func ("/vf-interface/rewrite-of-nothing", test_rewrite_of_nothing);
  g_test_add_func ("/vf-interface/metadata", test_metadata);
  g_test_add_func ("/vf-interface/home-node", test_home_node);
  return g_test_run ();
}
