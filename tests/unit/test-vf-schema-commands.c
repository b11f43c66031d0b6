/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vf-schema.json says what ballastd's socket does about VFs: its commands, their arguments, what
 * they return, the errors, and the example.
 */
#include "host-hook/daemon-message.h"
#include "host-hook/vf-list.h"
#include "json-literal.h"
#include "schema-check.h"
#include "schema-conform.h"
#include "vf-fixture.h"

#include <string.h>

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"

static JsonArray *
commands_of (gconstpointer schema)
{
  return json_object_get_array_member ((JsonObject *)schema, "commands");
}

/* --- arguments --- */

static JsonObject *
rebuild (BalVfCommand command, JsonObject *arguments)
{
  g_auto (BalVfCall) call = {0};

  return bal_vf_call_read (command, arguments, &call, NULL) ? bal_vf_call_build (&call) : NULL;
}

static JsonObject *
rebuild_list (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_LIST, arguments);
}

static JsonObject *
rebuild_allocate (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_ALLOCATE, arguments);
}

static JsonObject *
rebuild_release (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_RELEASE, arguments);
}

static JsonObject *
rebuild_reconcile (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_RECONCILE, arguments);
}

static JsonObject *
rebuild_detach (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_DETACH, arguments);
}

static JsonObject *
rebuild_attach (JsonObject *arguments)
{
  return rebuild (BAL_VF_COMMAND_ATTACH, arguments);
}

static void
test_arguments (gconstpointer schema)
{
  static const SchemaArguments checks[BAL_VF_COMMANDS] = {
    [BAL_VF_COMMAND_LIST] = {rebuild_list, "{}"},
    [BAL_VF_COMMAND_ALLOCATE] = {rebuild_allocate,
                                 "{'domain':'" UUID "','port':'net0','bandwidth':'2Gbit'}"},
    [BAL_VF_COMMAND_RELEASE] = {rebuild_release, "{'domain':'" UUID "'}"},
    [BAL_VF_COMMAND_RECONCILE] = {rebuild_reconcile, "{}"},
    [BAL_VF_COMMAND_DETACH] = {rebuild_detach, "{'domain':'" UUID "'}"},
    [BAL_VF_COMMAND_ATTACH] = {rebuild_attach, "{'domain':'" UUID "'}"},
  };
  JsonArray *documented = commands_of (schema);

  g_assert_cmpuint (json_array_get_length (documented), ==, BAL_VF_COMMANDS);
  for (guint i = 0; i < BAL_VF_COMMANDS; i++)
    {
      JsonObject *command = schema_find (documented, "name", bal_vf_command_name ((BalVfCommand)i));

      schema_check_arguments (json_object_get_array_member (command, "arguments"), &checks[i]);
    }
}

/* --- errors --- */

static void
test_errors (gconstpointer schema)
{
  static const char *const others[] = {"GenericError", "CommandNotFound", "AccessDenied"};
  JsonArray *documented = json_object_get_array_member ((JsonObject *)schema, "errors");
  guint n = G_N_ELEMENTS (others);

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    schema_find (documented, "class", others[i]);
  for (int code = BAL_VF_ERROR_INVALID; code <= BAL_VF_ERROR_LEDGER; code++)
    if (bal_vf_error_class ((BalVfError)code) != NULL)
      {
        schema_find (documented, "class", bal_vf_error_class ((BalVfError)code));
        n++;
      }
  g_assert_cmpuint (json_array_get_length (documented), ==, n);
  for (guint i = 0; i < json_array_get_length (commands_of (schema)); i++)
    {
      JsonObject *command = json_array_get_object_element (commands_of (schema), i);
      JsonArray *raised = json_object_get_array_member (command, "errors");

      for (guint j = 0; j < json_array_get_length (raised); j++)
        schema_find (documented, "class", json_array_get_string_element (raised, j));
    }
}

/* --- the list --- */

/* A PF and a VF with all that they can have. */
static void
fill (BalVfPf *pf)
{
  BalVf *vf = &g_array_index (pf->vfs, BalVf, 0);

  g_free (pf->network);
  pf->network = g_strdup ("physnet1");
  vf->has_settings = TRUE;
  vf->settings = (BalVfSettings){.mac = "02:00:00:00:00:01",
                                 .vlan = 4094,
                                 .max_rate_mbps = 1000,
                                 .min_rate_mbps = 1000,
                                 .trust = BAL_VF_ON,
                                 .spoofchk = BAL_VF_OFF};
}

static JsonObject *
list_type (gconstpointer schema)
{
  JsonObject *command = schema_find (commands_of (schema), "name", "vf-list");

  return json_object_get_object_member (command, "returns");
}

static void
test_list (gconstpointer schema)
{
  TestRoot root;
  g_autoptr (BalVfBook) book = bal_vf_book_new ();
  g_autoptr (BalVfInventory) inventory = NULL;
  g_autoptr (JsonObject) list = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  test_root_set_up (&root, NULL);
  vf_tree_add_pf (&root, 3, 7, 10000, 1);
  vf_tree_add_pf (&root, 4, 0, 0, -1);
  inventory = bal_vf_inventory_read (root.path, NULL, NULL);
  fill (inventory->pfs->pdata[0]);
  bal_vf_book_put (book, vf_entry (1, 2500, 3, 0));
  list = bal_vf_list_build (inventory, book, NULL, NULL);
  schema_conforms ((JsonObject *)schema, list_type (schema), list, seen);
  schema_assert_all_seen ((JsonObject *)schema, "list", seen);
  schema_assert_all_seen ((JsonObject *)schema, "pf", seen);
  schema_assert_all_seen ((JsonObject *)schema, "vf", seen);
  test_root_tear_down (&root, NULL);
}

/* However much there is, the list goes over the socket, and tells what it left out. */
static void
test_longest_list (gconstpointer schema)
{
  TestRoot root;
  g_autoptr (BalVfBook) book = bal_vf_book_new ();
  g_autoptr (BalVfInventory) inventory = NULL;
  JsonObject *list;
  JsonObject *last;
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GBytes) reply = NULL;
  g_autoptr (JsonNode) read = NULL;
  g_autoptr (GError) error = NULL;
  const char *line;
  gsize length;

  test_root_set_up (&root, NULL);
  for (guint pf = 0; pf <= 20; pf++)
    vf_tree_add_pf (&root, pf, 64, 10000, 1);
  inventory = bal_vf_inventory_read (root.path, NULL, NULL);
  for (guint pf = 0; pf < 20; pf++)
    for (guint vf = 0; vf < 64; vf++)
      {
        BalVfPf *owner = inventory->pfs->pdata[pf];
        BalVfEntry *entry = vf_entry (pf * 64 + vf, 1, pf, vf);

        fill (owner);
        g_array_index (owner->vfs, BalVf, vf) = g_array_index (owner->vfs, BalVf, 0);
        g_strlcpy (g_array_index (owner->vfs, BalVf, vf).pci, entry->vf_pci, 32);
        entry->request.mac = g_strdup_printf ("02:00:00:00:%02x:%02x", pf, vf);
        entry->request.vlan = 4094;
        entry->request.network = g_strdup ("physnet1");
        entry->request.trust = entry->request.spoofchk = BAL_VF_ON;
        bal_vf_entry_set_why (entry, "It could not be attached: libvirt does not say why");
        bal_vf_book_put (book, entry);
      }
  list = bal_vf_list_build (inventory, book, NULL, NULL);
  schema_conforms ((JsonObject *)schema, list_type (schema), list, NULL);
  g_assert_cmpint (json_object_get_int_member (list, "left-out"), ==,
                   21 * 64 - BAL_VF_LIST_VFS_MAX + 20 * 64 - BAL_VF_LIST_PORTS_MAX);
  last = json_array_get_object_element (json_object_get_array_member (list, "pfs"), 20);
  g_assert_cmpint (json_object_get_int_member (last, "free-vfs"), ==, 64);
  json_node_take_object (node, list);
  reply = bal_daemon_build_return (node);
  line = g_bytes_get_data (reply, &length);
  read = bal_daemon_parse_reply (line, length - 1, &error);
  g_assert_no_error (error);
  test_root_tear_down (&root, NULL);
}

/* --- the example --- */

static void
check_example (JsonObject *schema, JsonObject *example)
{
  JsonObject *request = json_object_get_object_member (example, "request");
  JsonObject *reply = json_object_get_object_member (example, "reply");
  const char *name = json_object_get_string_member (request, "execute");
  JsonObject *command = schema_find (commands_of (schema), "name", name);
  gsize length;
  g_autofree char *line = bal_json_to_line (request, FALSE, &length);
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;

  bal_daemon_intake_feed (intake, line, length, &error);
  g_assert_no_error (error);
  if (json_object_has_member (reply, "return"))
    schema_conforms (schema, json_object_get_object_member (command, "returns"),
                     json_object_get_object_member (reply, "return"), NULL);
  else
    schema_find (json_object_get_array_member (schema, "errors"), "class",
                 json_object_get_string_member (json_object_get_object_member (reply, "error"),
                                                "class"));
}

static void
test_example (gconstpointer schema)
{
  JsonArray *examples = json_object_get_array_member ((JsonObject *)schema, "example");

  g_assert_cmpuint (json_array_get_length (examples), >=, 3);
  for (guint i = 0; i < json_array_get_length (examples); i++)
    check_example ((JsonObject *)schema, json_array_get_object_element (examples, i));
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonObject) schema = NULL;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  schema = schema_load (argv[1]);
  g_test_add_data_func ("/vf-schema/arguments", schema, test_arguments);
  g_test_add_data_func ("/vf-schema/errors", schema, test_errors);
  g_test_add_data_func ("/vf-schema/list", schema, test_list);
  g_test_add_data_func ("/vf-schema/longest-list", schema, test_longest_list);
  g_test_add_data_func ("/vf-schema/example", schema, test_example);
  return g_test_run ();
}
