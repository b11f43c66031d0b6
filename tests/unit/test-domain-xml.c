/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-xml.h"

#include <string.h>

#define UUID "<uuid>6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f</uuid>"
#define HEAD "<domain type='kvm'><name>a</name>" UUID
#define SIZES "<memory unit='KiB'>4096</memory>"
#define VIRTIO_MEM(sizes)                                                                          \
  HEAD SIZES "<devices><memory model='virtio-mem'><target>" sizes                                  \
             "</target></memory></devices></domain>"

static char *
load_fixture (void)
{
  g_autofree char *path =
    g_test_build_filename (G_TEST_DIST, "data", "domain-virtio-mem.xml", NULL);
  char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static void
parse (const char *xml, BalDomainXml *out)
{
  g_autoptr (GError) error = NULL;
  bal_domain_xml_parse (xml, out, &error);
  g_assert_no_error (error);
}

static void
assert_refused (const char *xml, int code)
{
  g_auto (BalDomainXml) domain = {0};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_domain_xml_parse (xml, &domain, &error));
  g_assert_error (error, BAL_DOMAIN_XML_ERROR, code);
  g_assert_null (domain.name);
  g_assert_null (domain.virtio_mem);
}

static void
test_running_domain (void)
{
  g_autofree char *xml = load_fixture ();
  g_auto (BalDomainXml) domain = {0};
  parse (xml, &domain);

  g_assert_cmpstr (domain.uuid, ==, "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f");
  g_assert_cmpstr (domain.name, ==, "db-7");
  g_assert_cmpint (domain.id, ==, 3);
  g_assert_cmpuint (domain.memory_kib, ==, 4194304);
  g_assert_true (domain.has_balloon);
  g_assert_true (domain.balloon_autodeflate);
  g_assert_true (domain.has_free_page_reporting);
  g_assert_false (domain.has_free_page_hint);
  g_assert_false (domain.has_vfio);
  g_assert_false (domain.has_hugepages);
  g_assert_false (domain.has_encryption);
  g_assert_true (domain.has_agent_channel);
  g_assert_true (domain.agent_connected);
  g_assert_true (g_str_has_suffix (domain.agent_socket_path, "/org.ballast.guest_agent.0"));
}

static void
test_virtio_mem (void)
{
  g_autofree char *xml = load_fixture ();
  g_auto (BalDomainXml) domain = {0};
  parse (xml, &domain);

  g_assert_cmpuint (domain.virtio_mem->len, ==, 2);
  const BalVirtioMem *first = bal_domain_xml_find_virtio_mem (&domain, "virtiomem0");
  g_assert_cmpuint (first->size_kib, ==, 3145728);
  g_assert_cmpuint (first->block_kib, ==, 2048);
  g_assert_cmpuint (first->requested_kib, ==, 2097152);
  g_assert_cmpuint (first->current_kib, ==, 2095104);
  g_assert_cmpint (first->node, ==, 0);
  g_assert_cmpuint (first->memaddr, ==, 0);

  const BalVirtioMem *second = bal_domain_xml_find_virtio_mem (&domain, "ua-second");
  g_assert_cmpuint (second->memaddr, ==, 0x240000000);
  g_assert_cmpint (second->node, ==, 1);
  g_assert_null (bal_domain_xml_find_virtio_mem (&domain, "dimm0"));
}

static void
test_no_extras (void)
{
  g_auto (BalDomainXml) domain = {0};
  parse (HEAD SIZES "</domain>", &domain);

  g_assert_cmpint (domain.id, ==, -1);
  g_assert_cmpuint (domain.memory_kib, ==, 4096);
  g_assert_false (domain.has_balloon);
  g_assert_false (domain.has_agent_channel);
  g_assert_null (domain.agent_socket_path);
  g_assert_cmpuint (domain.virtio_mem->len, ==, 0);
}

static void
test_balloon_none (void)
{
  g_auto (BalDomainXml) domain = {0};
  parse (HEAD SIZES "<devices><memballoon model='none'/></devices></domain>", &domain);
  g_assert_false (domain.has_balloon);
}

static void
test_units (void)
{
  static const struct
  {
    const char *memory;
    guint64 kib;
  } cases[] = {
    {"<memory>7</memory>", 7},
    {"<memory unit='bytes'>1025</memory>", 2},
    {"<memory unit='b'>1024</memory>", 1},
    {"<memory unit='k'>3</memory>", 3},
    {"<memory unit='KB'>1024</memory>", 1000},
    {"<memory unit='MiB'>2</memory>", 2048},
    {"<memory unit='MB'>1</memory>", 977},
    {"<memory unit='G'>\n 1 \n</memory>", 1048576},
    {"<memory unit='TiB'>12</memory>", G_GUINT64_CONSTANT (12884901888)},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml = g_strconcat (HEAD, cases[i].memory, "</domain>", NULL);
      g_auto (BalDomainXml) domain = {0};
      parse (xml, &domain);
      g_assert_cmpuint (domain.memory_kib, ==, cases[i].kib);
    }
}

static void
test_pinned_and_backed (void)
{
  static const struct
  {
    const char *part;
    gboolean vfio, hugepages, encryption, hint, locked, shared, serial;
  } cases[] = {
    {"<devices><hostdev mode='subsystem' type='pci'/></devices>", .vfio = TRUE},
    {"<devices><hostdev mode='subsystem' type='mdev'/></devices>", .vfio = TRUE},
    {"<devices><hostdev mode='subsystem' type='usb'/></devices>", .vfio = FALSE},
    {"<devices><interface type='bridge'/><interface type='hostdev'/></devices>", .vfio = TRUE},
    {"<devices><interface type='vdpa'/></devices>", .vfio = TRUE},
    {"<devices><disk type='nvme'/></devices>", .vfio = TRUE},
    {"<memoryBacking><hugepages/></memoryBacking>", .hugepages = TRUE},
    {"<devices><memory model='dimm'><source><pagesize unit='MiB'>2</pagesize></source></memory>"
     "</devices>",
     .hugepages = TRUE},
    {"<launchSecurity type='sev'/>", .encryption = TRUE},
    {"<memoryBacking><locked/></memoryBacking>", .locked = TRUE},
    {"<memoryBacking><access mode='shared'/></memoryBacking>", .shared = TRUE},
    {"<memoryBacking><access mode='private'/></memoryBacking>", .shared = FALSE},
    {"<devices><controller type='usb'/><controller type='virtio-serial'/></devices>",
     .serial = TRUE},
    {"<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-global'/>"
     "<q:arg value='virtio-balloon-pci.free-page-hint=on'/></q:commandline>",
     .hint = TRUE},
    {"<q:override xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:device alias='balloon0'>"
     "<q:frontend><q:property name='free-page-hint' type='bool' value='true'/></q:frontend>"
     "</q:device></q:override>",
     .hint = TRUE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml = g_strconcat (HEAD SIZES, cases[i].part, "</domain>", NULL);
      g_auto (BalDomainXml) domain = {0};
      g_test_message ("%s", cases[i].part);
      parse (xml, &domain);
      g_assert_cmpint (domain.has_vfio, ==, cases[i].vfio);
      g_assert_cmpint (domain.has_hugepages, ==, cases[i].hugepages);
      g_assert_cmpint (domain.has_encryption, ==, cases[i].encryption);
      g_assert_cmpint (domain.has_free_page_hint, ==, cases[i].hint);
      g_assert_cmpint (domain.has_locked_memory, ==, cases[i].locked);
      g_assert_cmpint (domain.has_shared_memory, ==, cases[i].shared);
      g_assert_cmpint (domain.has_virtio_serial, ==, cases[i].serial);
    }
}

static void
test_agent_socket_only_bound (void)
{
  static const char channel[] =
    HEAD SIZES "<devices><channel type='unix'><source mode='connect' path='/tmp/elsewhere'/>"
               "<target type='virtio' name='org.ballast.guest_agent.0' state='disconnected'/>"
               "</channel></devices></domain>";
  g_auto (BalDomainXml) domain = {0};
  parse (channel, &domain);
  g_assert_true (domain.has_agent_channel);
  g_assert_false (domain.agent_connected);
  g_assert_null (domain.agent_socket_path);
}

static void
test_refuses_content (void)
{
  static const char *const bad[] = {
    "<network/>",
    "<domain><name>a</name>" SIZES "</domain>",
    "<domain>" UUID SIZES "</domain>",
    "<domain><name/>" UUID SIZES "</domain>",
    "<domain><name>a</name><uuid>1234</uuid>" SIZES "</domain>",
    "<domain id='x'><name>a</name>" UUID SIZES "</domain>",
    HEAD "</domain>",
    HEAD "<memory/></domain>",
    HEAD "<memory>-1</memory></domain>",
    HEAD "<memory>1x</memory></domain>",
    HEAD "<memory unit='furlong'>1</memory></domain>",
    HEAD "<memory unit='EiB'>17</memory></domain>",
    HEAD "<memory unit='EiB'>18446744073709551615</memory></domain>",
    HEAD "<memory>18446744073709551615</memory></domain>",
    HEAD "<memory>18446744073709551616</memory></domain>",
    VIRTIO_MEM (""),
    VIRTIO_MEM ("<size>4096</size>"),
    VIRTIO_MEM ("<size>4096</size><block>0</block>"),
    VIRTIO_MEM ("<size>4096</size><block>2048</block><requested>6144</requested>"),
    VIRTIO_MEM ("<size>4096</size><block>2048</block><current>6144</current>"),
    VIRTIO_MEM ("<size>4096</size><block>2048</block><node>-3</node>"),
    VIRTIO_MEM ("<size>4096</size><block>2048</block><address base='0xgg'/>"),
    VIRTIO_MEM ("<size>4096</size><block>2048</block><address base='0xffffffffffffffff'/>"),
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      assert_refused (bad[i], BAL_DOMAIN_XML_ERROR_CONTENT);
    }
}

static void
test_refuses_syntax (void)
{
  static const char *const bad[] = {
    "",
    " ",
    "domain",
    "<domain>",
    "<domain/><domain/>",
    "<!DOCTYPE domain [<!ENTITY a 'x'>]>" HEAD SIZES "<title>&a;</title></domain>",
    "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'>" HEAD SIZES "</domain>",
    HEAD SIZES "<title>&undeclared;</title></domain>",
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      assert_refused (bad[i], BAL_DOMAIN_XML_ERROR_SYNTAX);
    }
}

static void
test_refuses_huge (void)
{
  g_autoptr (GString) xml = g_string_new (HEAD SIZES "<title>");
  while (xml->len <= BAL_DOMAIN_XML_MAX_BYTES)
    g_string_append (xml, "0123456789abcdef");
  g_string_append (xml, "</title></domain>");
  assert_refused (xml->str, BAL_DOMAIN_XML_ERROR_SYNTAX);
}

static void
test_refuses_many_devices (void)
{
  g_autoptr (GString) xml = g_string_new (HEAD SIZES "<devices>");
  for (guint i = 0; i <= BAL_DOMAIN_XML_MEMORY_DEVICES_MAX; i++)
    g_string_append (xml, "<memory model='virtio-mem'><target><size>4096</size><block>2048</block>"
                          "</target></memory>");
  g_string_append (xml, "</devices></domain>");
  assert_refused (xml->str, BAL_DOMAIN_XML_ERROR_CONTENT);
}

static void
test_errors_quote_nothing (void)
{
  g_auto (BalDomainXml) domain = {0};
  g_autoptr (GError) error = NULL;
  bal_domain_xml_parse (HEAD "<memory unit='s3cret'>s3cret</memory></domain>", &domain, &error);
  g_assert_null (strstr (error->message, "s3cret"));
}

static void
test_device_for_update (void)
{
  g_autofree char *xml = load_fixture ();
  g_autoptr (GError) error = NULL;
  g_autofree char *device = bal_domain_xml_virtio_mem_device (xml, "virtiomem0", 1048576, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (device, "<memory model=\"virtio-mem\">"));
  g_assert_nonnull (strstr (device, "<requested unit=\"KiB\">1048576</requested>"));
  g_assert_nonnull (strstr (device, "<current unit=\"KiB\">2095104</current>"));
  g_assert_nonnull (strstr (device, "<alias name=\"virtiomem0\"/>"));
  g_assert_null (strstr (device, "ua-second"));

  /* What comes out says what was asked for, whatever the unit was before. */
  g_autofree char *again =
    g_strconcat (HEAD SIZES "<devices>", device, "</devices></domain>", NULL);
  g_auto (BalDomainXml) domain = {0};
  parse (again, &domain);
  g_assert_cmpuint (bal_domain_xml_find_virtio_mem (&domain, "virtiomem0")->requested_kib, ==,
                    1048576);
}

static void
test_device_refused (void)
{
  static const struct
  {
    const char *alias;
    guint64 requested_kib;
    int code;
  } cases[] = {
    {"none-such", 0, BAL_DOMAIN_XML_ERROR_NO_DEVICE},
    {"dimm0", 0, BAL_DOMAIN_XML_ERROR_NO_DEVICE},
    {"virtiomem0", 3145728 + 2048, BAL_DOMAIN_XML_ERROR_CONTENT},
    {"virtiomem0", 1024, BAL_DOMAIN_XML_ERROR_CONTENT},
  };
  g_autofree char *xml = load_fixture ();
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *device =
        bal_domain_xml_virtio_mem_device (xml, cases[i].alias, cases[i].requested_kib, &error);
      g_assert_null (device);
      g_assert_error (error, BAL_DOMAIN_XML_ERROR, cases[i].code);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain-xml/running-domain", test_running_domain);
  g_test_add_func ("/domain-xml/virtio-mem", test_virtio_mem);
  g_test_add_func ("/domain-xml/no-extras", test_no_extras);
  g_test_add_func ("/domain-xml/balloon-none", test_balloon_none);
  g_test_add_func ("/domain-xml/units", test_units);
  g_test_add_func ("/domain-xml/pinned-and-backed", test_pinned_and_backed);
  g_test_add_func ("/domain-xml/agent-socket-only-bound", test_agent_socket_only_bound);
  g_test_add_func ("/domain-xml/refuses-content", test_refuses_content);
  g_test_add_func ("/domain-xml/refuses-syntax", test_refuses_syntax);
  g_test_add_func ("/domain-xml/refuses-huge", test_refuses_huge);
  g_test_add_func ("/domain-xml/refuses-many-devices", test_refuses_many_devices);
  g_test_add_func ("/domain-xml/errors-quote-nothing", test_errors_quote_nothing);
  g_test_add_func ("/domain-xml/device-for-update", test_device_for_update);
  g_test_add_func ("/domain-xml/device-refused", test_device_refused);
  return g_test_run ();
}
