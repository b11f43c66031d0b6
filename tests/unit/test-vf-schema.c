/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vf-schema.json says what the code does: each member of a request and of a port info that it
 * documents is tried, and what it does not document is refused (a request) or ignored (a port
 * info).
 */
#include "schema-check.h"

#include "host-hook/vf-port-info.h"
#include "json-literal.h"
#include "vf-fixture.h"

static JsonObject *
rebuild_request (JsonObject *arguments)
{
  BalJsonReader reader = bal_json_reader_arguments (arguments);
  g_auto (BalVfRequest) request;

  return bal_vf_request_read (&reader, &request, NULL) ? bal_vf_request_build (&request) : NULL;
}

static void
test_request (gconstpointer schema)
{
  static const SchemaArguments check = {
    rebuild_request, "{'domain':'6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f','port':'net0',"
                     "'bandwidth':'2Gbit','mac':'52:54:00:00:00:01'}"};
  JsonObject *structures = json_object_get_object_member ((JsonObject *)schema, "structures");
  JsonArray *documented = json_object_get_array_member (structures, "request");

  schema_check_arguments (documented, &check);
  g_assert_cmpuint (json_array_get_length (documented), ==, 12);
}

/* --- port info --- */

static BalVfEntry *
full_entry (void)
{
  BalVfEntry *entry = vf_entry (1, 2500, 3, 1);
  BalVfRequest *request = &entry->request;

  request->mac = g_strdup ("52:54:00:00:00:01");
  request->vlan = 100;
  request->network = g_strdup ("physnet1");
  request->trust = BAL_VF_ON;
  request->spoofchk = BAL_VF_OFF;
  entry->state = BAL_VF_ATTACHED;
  entry->set = BAL_VF_SET_MAX_RATE | BAL_VF_SET_MIN_RATE;
  entry->refused = BAL_VF_SET_MIN_RATE;
  bal_vf_entry_set_why (entry, "a sentence");
  return entry;
}

static gboolean
accept_port_info (JsonNode *result)
{
  BalJsonReader reader;
  g_auto (BalVfPortInfo) info = {0};

  return bal_json_reader_result (result, &reader, NULL)
         && bal_vf_port_info_read (&reader, &info, NULL);
}

static JsonObject *
build_port_info (const BalVfEntry *entry)
{
  g_auto (BalVfPortInfo) info = {0};

  bal_vf_port_info_from_entry (entry, &info);
  return bal_vf_port_info_build (&info);
}

static void
test_port_info (gconstpointer schema)
{
  g_autoptr (JsonObject) type = json_literal ("{'structure':'port-info'}");
  g_autoptr (BalVfEntry) entry = full_entry ();
  g_autoptr (JsonNode) sample = bal_result_take (build_port_info (entry));

  schema_check_result ((JsonObject *)schema, type, sample, accept_port_info);
}

static void
test_port_info_says (void)
{
  g_autoptr (BalVfEntry) entry = full_entry ();
  g_autoptr (JsonObject) object = build_port_info (entry);

  assert_json (object,
               "{'domain':'6d1f0c2a-0f9e-4b0e-9c55-000000000001','port':'net0',"
               "'state':'attached','pf':'eth3','pf-pci':'0000:03:00.0','vf':1,"
               "'vf-pci':'0000:03:10.1','mac':'52:54:00:00:00:01','vlan':100,"
               "'network':'physnet1','bandwidth-mbps':2500,'max-rate-enforced':'yes',"
               "'min-rate-enforced':'not-supported','link-state-enforced':'no','trust':true,"
               "'spoofchk':false,'why':'a sentence'}");
  BalJsonReader reader = bal_json_reader_reply (object);
  g_auto (BalVfPortInfo) read = {0};
  g_autoptr (GError) error = NULL;
  bal_vf_port_info_read (&reader, &read, &error);
  g_assert_no_error (error);
  g_autoptr (JsonObject) rebuilt = bal_vf_port_info_build (&read);
  g_assert_true (json_object_equal (object, rebuilt));
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonObject) schema = NULL;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  schema = schema_load (argv[1]);
  g_test_add_data_func ("/vf-schema/request", schema, test_request);
  g_test_add_data_func ("/vf-schema/port-info", schema, test_port_info);
  g_test_add_func ("/vf-schema/port-info-says", test_port_info_says);
  return g_test_run ();
}
