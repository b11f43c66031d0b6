/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-request.h"

#include "host-hook/vf-error.h"
#include "json-literal.h"
#include "protocol/messages.h"

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
/* SHA-256 of "UUID/net0" begins with it, behind 02. */
#define DERIVED_MAC "02:4a:e9:4b:38:f4"

#define LEAST "'domain':'" UUID "','port':'net0','bandwidth':'2Gbit'"

/* --- bandwidth --- */

static void
test_bandwidth (void)
{
  static const struct
  {
    const char *text;
    guint mbps;
  } good[] = {
    {"1Mbit", 1},      {"500Mbit", 500},     {"2Gbit", 2000},       {"2.5Gbit", 2500},
    {"0.001Gbit", 1},  {"1.0Mbit", 1},       {"1000Gbit", 1000000}, {"1000000Mbit", 1000000},
    {"007Gbit", 7000}, {"2.5000Gbit", 2500},
  };
  static const char *const bad[] = {
    "",
    "0Mbit",
    "0Gbit",
    "0.0Gbit",
    "-1Gbit",
    "+1Gbit",
    "1",
    "Gbit",
    ".5Gbit",
    "1.Gbit",
    "1 Gbit",
    " 1Gbit",
    "1Gbit ",
    "1gbit",
    "1GBit",
    "1GB",
    "1Gbit/s",
    "1e3Mbit",
    "0x10Mbit",
    "1,5Gbit",
    "1.5Mbit",
    "1.0001Gbit",
    "1000.001Gbit",
    "1000001Mbit",
    "1001Gbit",
    "99999999999999999999Gbit",
    "nanGbit",
    "infGbit",
    "1.5.5Gbit",
    "1Kbit",
  };
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      guint mbps = 0;
      bal_vf_parse_bandwidth ("bandwidth", good[i].text, &mbps, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (mbps, ==, good[i].mbps);
      g_autofree char *text = bal_vf_format_bandwidth (mbps);
      guint again = 0;
      g_assert_true (bal_vf_parse_bandwidth ("bandwidth", text, &again, NULL));
      g_assert_cmpuint (again, ==, mbps);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      guint mbps = 4711;
      if (bal_vf_parse_bandwidth ("bandwidth", bad[i], &mbps, &error))
        g_error ("\"%s\" was taken for %u Mbit/s", bad[i], mbps);
      g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
      g_assert_cmpuint (mbps, ==, 4711);
    }
}

static void
test_bad_values_are_shown_escaped (void)
{
  g_autoptr (GError) error = NULL;
  guint mbps;
  g_assert_false (bal_vf_parse_bandwidth ("bandwidth", "\x1b[31m\n", &mbps, &error));
  g_assert_null (strpbrk (error->message, "\x1b\n"));
}

/* --- MAC addresses --- */

static void
test_derived_mac (void)
{
  char mac[BAL_VF_MAC_SIZE];
  g_autofree char *again = NULL;
  g_autoptr (GError) error = NULL;

  bal_vf_derive_mac (UUID, "net0", mac);
  g_assert_cmpstr (mac, ==, DERIVED_MAC);
  bal_vf_parse_mac ("mac", mac, &again, &error);
  g_assert_no_error (error);
  bal_vf_derive_mac (UUID, "net1", mac);
  g_assert_cmpstr (mac, !=, DERIVED_MAC);
  bal_vf_derive_mac ("6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e60", "net0", mac);
  g_assert_cmpstr (mac, !=, DERIVED_MAC);
}

/* --- JSON --- */

static gboolean
read_request (const char *members, BalVfRequest *out, GError **error)
{
  g_autofree char *text = g_strdup_printf ("{%s}", members);
  g_autoptr (JsonObject) object = json_literal (text);
  BalJsonReader reader = bal_json_reader_arguments (object);
  return bal_vf_request_read (&reader, out, error);
}

static void
test_json (void)
{
  static const char all[] =
    "'domain':'" UUID "','port':'net0','bandwidth':'2500Mbit','minimum':true,"
    "'mac':'52:54:00:aa:bb:cc','vlan':4094,'trust':true,'spoofchk':false,'network':'physnet1',"
    "'numa':1,'pf':'0000:03:00.0','standby':'ua-Net_0'";
  g_auto (BalVfRequest) request;
  g_auto (BalVfRequest) least;
  g_autoptr (GError) error = NULL;

  read_request (all, &request, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (request.uuid, ==, UUID);
  g_assert_cmpstr (request.port, ==, "net0");
  g_assert_cmpuint (request.bandwidth_mbps, ==, 2500);
  g_assert_true (request.needs_minimum);
  g_assert_cmpstr (request.mac, ==, "52:54:00:aa:bb:cc");
  g_assert_cmpuint (request.vlan, ==, 4094);
  g_assert_cmpint (request.trust, ==, BAL_VF_ON);
  g_assert_cmpint (request.spoofchk, ==, BAL_VF_OFF);
  g_assert_cmpstr (request.network, ==, "physnet1");
  g_assert_cmpint (request.numa_node, ==, 1);
  g_assert_cmpstr (request.pf, ==, "0000:03:00.0");
  g_assert_cmpstr (request.standby, ==, "ua-Net_0");

  g_autoptr (JsonObject) built = bal_vf_request_build (&request);
  g_autofree char *expected = g_strdup_printf ("{%s}", all);
  assert_json (built, expected);

  read_request (LEAST ",'numa':'domain'", &least, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (least.mac, ==, DERIVED_MAC);
  g_assert_null (least.standby);
  g_assert_cmpuint (least.vlan, ==, 0);
  g_assert_cmpint (least.trust, ==, BAL_VF_UNSET);
  g_assert_cmpint (least.numa_node, ==, -1);
  g_assert_false (bal_vf_request_equal (&request, &least));
}

static void
test_copy_and_equal (void)
{
  g_auto (BalVfRequest) request;
  g_auto (BalVfRequest) copy;
  g_autoptr (GError) error = NULL;

  read_request (LEAST ",'mac':'52:54:00:aa:bb:cc','standby':'ua-a'", &request, &error);
  g_assert_no_error (error);
  bal_vf_request_copy (&request, &copy);
  copy.required = TRUE;
  g_assert_true (bal_vf_request_equal (&request, &copy));
  copy.standby[3] = 'b';
  g_assert_false (bal_vf_request_equal (&request, &copy));
}

static void
test_json_is_canonical (void)
{
  g_auto (BalVfRequest) request;
  g_autoptr (GError) error = NULL;
  read_request ("'domain':'6D1F0C2A-0F9E-4B0E-9C55-0A1B2C3D4E5F','port':'p','bandwidth':'1Gbit',"
                "'mac':'52:54:00:AA:BB:CC'",
                &request, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (request.uuid, ==, UUID);
  g_assert_cmpstr (request.mac, ==, "52:54:00:aa:bb:cc");
}

static void
test_json_refuses (void)
{
  static const struct
  {
    const char *members;
    const char *named;
  } cases[] = {
    {"'port':'net0','bandwidth':'2Gbit'", "domain"},
    {"'domain':'" UUID "','bandwidth':'2Gbit'", "port"},
    {"'domain':'" UUID "','port':'net0'", "bandwidth"},
    {"'domain':'" UUID "','port':'net0','bandwidth':2000", "bandwidth"},
    {"'domain':'" UUID "','port':'net0','bandwidth':'0Mbit'", "bandwidth"},
    {"'domain':'guest','port':'net0','bandwidth':'1Gbit'", "domain"},
    {"'domain':'" UUID "','port':'../x','bandwidth':'1Gbit'", "port"},
    {LEAST ",'max_tx_rate':1", "max_tx_rate"},
    {LEAST ",'required':true", "required"},
    {LEAST ",'vlan':0", "vlan"},
    {LEAST ",'vlan':4095", "vlan"},
    {LEAST ",'vlan':'5'", "vlan"},
    {LEAST ",'mac':'52:54:00:aa:bb'", "mac"},
    {LEAST ",'mac':'52-54-00-aa-bb-cc'", "mac"},
    {LEAST ",'mac':'00:00:00:00:00:00'", "mac"},
    {LEAST ",'mac':'53:54:00:aa:bb:cc'", "mac"},
    {LEAST ",'trust':'on'", "trust"},
    {LEAST ",'minimum':1", "minimum"},
    {LEAST ",'numa':-1", "numa"},
    {LEAST ",'numa':1024", "numa"},
    {LEAST ",'numa':'here'", "numa"},
    {LEAST ",'pf':'../eth0'", "pf"},
    {LEAST ",'pf':'..'", "pf"},
    {LEAST ",'network':''", "network"},
    {LEAST ",'standby':'ua-net0'", "mac"},
    {LEAST ",'mac':'52:54:00:aa:bb:cc','standby':'net0'", "standby"},
    {LEAST ",'mac':'52:54:00:aa:bb:cc','standby':'ua-'", "standby"},
    {LEAST ",'mac':'52:54:00:aa:bb:cc','standby':'ua-a.b'", "standby"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (BalVfRequest) request;
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", cases[i].members);
      g_assert_false (read_request (cases[i].members, &request, &error));
      g_assert_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, cases[i].named));
      g_assert_null (request.uuid);
    }
}

/* --- XML --- */

static char *
domain_xml (const char *metadata)
{
  return g_strdup_printf ("<domain type='kvm'><name>g</name><uuid>" UUID "</uuid>"
                          "<metadata><x:other xmlns:x='urn:other'/>%s</metadata></domain>",
                          metadata);
}

static GArray *
read_metadata (const char *metadata, gboolean *unknown, GError **error)
{
  g_autofree char *xml = domain_xml (metadata);
  return bal_vf_request_from_domain_xml (xml, unknown, error);
}

static void
test_xml (void)
{
  g_autoptr (GError) error = NULL;
  gboolean unknown = TRUE;
  g_autoptr (GArray) requests = read_metadata (
    "<vf:ports xmlns:vf='urn:x-ballast:vf:1'>\n  <!-- two -->\n"
    "<vf:port id='net0' bandwidth='2.5Gbit' mac='52:54:00:AA:BB:CC' vlan='100' minimum='yes'"
    " trust='on' spoofchk='off' network='physnet1' numa='0' pf='enp3s0f0' standby='ua-net0'"
    " required='yes'/>"
    "<vf:port id='net1' bandwidth='500Mbit' numa='domain'/></vf:ports>",
    &unknown, &error);
  g_assert_no_error (error);
  g_assert_false (unknown);
  g_assert_cmpuint (requests->len, ==, 2);
  const BalVfRequest *first = &g_array_index (requests, BalVfRequest, 0);
  const BalVfRequest *second = &g_array_index (requests, BalVfRequest, 1);
  g_assert_cmpstr (first->uuid, ==, UUID);
  g_assert_cmpstr (first->port, ==, "net0");
  g_assert_cmpuint (first->bandwidth_mbps, ==, 2500);
  g_assert_cmpstr (first->mac, ==, "52:54:00:aa:bb:cc");
  g_assert_cmpuint (first->vlan, ==, 100);
  g_assert_true (first->needs_minimum);
  g_assert_cmpint (first->trust, ==, BAL_VF_ON);
  g_assert_cmpint (first->spoofchk, ==, BAL_VF_OFF);
  g_assert_cmpstr (first->network, ==, "physnet1");
  g_assert_cmpint (first->numa_node, ==, 0);
  g_assert_cmpstr (first->pf, ==, "enp3s0f0");
  g_assert_true (first->required);
  g_assert_cmpstr (first->standby, ==, "ua-net0");
  g_assert_cmpstr (second->port, ==, "net1");
  g_assert_nonnull (second->mac);
  g_assert_cmpstr (second->mac, !=, DERIVED_MAC);
  g_assert_cmpint (second->numa_node, ==, -1);
  g_assert_false (second->required);
}

static void
test_xml_without (void)
{
  g_autoptr (GError) error = NULL;
  gboolean unknown = TRUE;
  g_autoptr (GArray) none = read_metadata ("", &unknown, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_false (unknown);

  g_autoptr (GArray) later =
    read_metadata ("<vf:ports xmlns:vf='urn:x-ballast:vf:2'><vf:any/></vf:ports>", &unknown,
                   &error);
  g_assert_no_error (error);
  g_assert_cmpuint (later->len, ==, 0);
  g_assert_true (unknown);
}

static void
assert_refuses_metadata (const char *metadata, const char *said)
{
  g_autoptr (GError) error = NULL;

  g_test_message ("%s", metadata);
  g_assert_null (read_metadata (metadata, NULL, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, said));
}

static void
test_xml_refuses (void)
{
  static const struct
  {
    const char *ports;
    const char *said;
  } cases[] = {
    {"<vf:port id='a' bandwidth='1Gbit' max_tx_rate='5'/>", "attribute \"max_tx_rate\""},
    {"<vf:port id='a' bandwidth='1Gbit' vf:mac='52:54:00:aa:bb:cc'/>", "attribute \"vf:mac\""},
    {"<vf:port id='a'/>", "no bandwidth"},
    {"<vf:port bandwidth='1Gbit'/>", "no id"},
    {"<vf:port id='a' bandwidth='0Gbit'/>", "bandwidth \"0Gbit\""},
    {"<vf:port id='a b' bandwidth='1Gbit'/>", "id \"a b\""},
    {"<vf:port id='a' bandwidth='1Gbit' vlan='4095'/>", "vlan \"4095\""},
    {"<vf:port id='a' bandwidth='1Gbit' trust='yes'/>", "trust \"yes\""},
    {"<vf:port id='a' bandwidth='1Gbit' required='true'/>", "required \"true\""},
    {"<vf:port id='a' bandwidth='1Gbit'>text</vf:port>", "empty element"},
    {"<vf:port id='a' bandwidth='1Gbit'/><vf:port id='a' bandwidth='2Gbit'/>", "id of its own"},
    {"<vf:port id='a' bandwidth='1Gbit' standby='ua-a'/>", "standby \"ua-a\""},
    {"<vf:port id='a' bandwidth='1Gbit' mac='52:54:00:aa:bb:cc' standby='net0'/>",
     "standby \"net0\""},
    {"<vf:prot id='a' bandwidth='1Gbit'/>", "\"vf:prot\""},
    {"<port id='a' bandwidth='1Gbit'/>", "namespace, a \"port\""},
    {"<x:port xmlns:x='urn:other' id='a' bandwidth='1Gbit'/>", "\"x:port\""},
    {"text", "else than elements"},
    /* A name may hold what turns a terminal's text round. */
    {"<vf:port id='a' bandwidth='1Gbit' a\xe2\x80\x8d='5'/>", "attribute \"a\\xe2\\x80\\x8d\""},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *metadata =
        g_strdup_printf ("<vf:ports xmlns:vf='urn:x-ballast:vf:1'>%s</vf:ports>", cases[i].ports);
      assert_refuses_metadata (metadata, cases[i].said);
    }
  assert_refuses_metadata ("<vf:ports xmlns:vf='urn:x-ballast:vf:1' all='yes'/>",
                           "attribute \"all\"");
  assert_refuses_metadata ("<vf:port xmlns:vf='urn:x-ballast:vf:1' id='a' bandwidth='1Gbit'/>",
                           "but \"vf:port\"");
  assert_refuses_metadata (
    "<vf:ports xmlns:vf='urn:x-ballast:vf:1'/><vf:ports xmlns:vf='urn:x-ballast:vf:1'/>",
    "two elements");
}

static void
test_xml_has_a_limit (void)
{
  g_autoptr (GString) text = g_string_new ("<vf:ports xmlns:vf='urn:x-ballast:vf:1'>");
  g_autoptr (GError) error = NULL;
  for (guint i = 0; i <= BAL_VF_PORTS_MAX; i++)
    g_string_append_printf (text, "<vf:port id='p%u' bandwidth='1Gbit'/>", i);
  g_string_append (text, "</vf:ports>");
  g_assert_null (read_metadata (text->str, NULL, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vf-request/bandwidth", test_bandwidth);
  g_test_add_func ("/vf-request/escaped", test_bad_values_are_shown_escaped);
  g_test_add_func ("/vf-request/derived-mac", test_derived_mac);
  g_test_add_func ("/vf-request/json", test_json);
  g_test_add_func ("/vf-request/copy-and-equal", test_copy_and_equal);
  g_test_add_func ("/vf-request/json-is-canonical", test_json_is_canonical);
  g_test_add_func ("/vf-request/json-refuses", test_json_refuses);
  g_test_add_func ("/vf-request/xml", test_xml);
  g_test_add_func ("/vf-request/xml-without", test_xml_without);
  g_test_add_func ("/vf-request/xml-refuses", test_xml_refuses);
  g_test_add_func ("/vf-request/xml-has-a-limit", test_xml_has_a_limit);
  return g_test_run ();
}
