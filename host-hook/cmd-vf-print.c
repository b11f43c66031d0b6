/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cmd-vf.h"

#include "host-hook/table.h"

#include <string.h>

/* --- what ballastd answered, read generously --- */

static void
add_object (JsonArray *array, guint index, JsonNode *node, gpointer user_data)
{
  GList **list = user_data;

  if (JSON_NODE_HOLDS_OBJECT (node))
    *list = g_list_prepend (*list, json_node_get_object (node));
}

GList *
bal_cmd_vf_objects (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  GList *list = NULL;

  if (node && JSON_NODE_HOLDS_ARRAY (node))
    json_array_foreach_element (json_node_get_array (node), add_object, &list);
  return g_list_reverse (list);
}

static JsonNode *
find_value (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type ? node
                                                                                         : NULL;
}

const char *
bal_cmd_vf_text (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_STRING);

  return node ? json_node_get_string (node) : "";
}

gint64
bal_cmd_vf_number (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_INT64);

  return node ? json_node_get_int (node) : 0;
}

static gboolean
is_true (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_BOOLEAN);

  return node && json_node_get_boolean (node);
}

/* --- cells; NULL is shown as "-" --- */

static char *
cell_of_number (JsonObject *object, const char *name)
{
  return find_value (object, name, G_TYPE_INT64)
           ? g_strdup_printf ("%" G_GINT64_FORMAT, bal_cmd_vf_number (object, name))
           : NULL;
}

static char *
cell_of_bandwidth (JsonObject *object, const char *name)
{
  gint64 mbps = bal_cmd_vf_number (object, name);

  if (!find_value (object, name, G_TYPE_INT64))
    return NULL;
  return mbps > 0 && mbps % 1000 == 0 ? g_strdup_printf ("%" G_GINT64_FORMAT "Gbit", mbps / 1000)
                                      : g_strdup_printf ("%" G_GINT64_FORMAT "Mbit", mbps);
}

static const char *
cell_of_switch (JsonObject *object, const char *name)
{
  if (!find_value (object, name, G_TYPE_BOOLEAN))
    return NULL;
  return is_true (object, name) ? "on" : "off";
}

/* --- PFs --- */

static void
print_pfs (GList *pfs)
{
  static const char *const headings[] = {"PF",       "PCI",     "DRIVER",   "LINK",
                                         "NUMA",     "NETWORK", "CAPACITY", "ALLOCATED",
                                         "RESIDUAL", "VFS",     "FREE",     NULL};
  g_autoptr (BalTable) table = bal_table_new (headings);

  for (GList *element = pfs; element; element = element->next)
    {
      JsonObject *pf = element->data;

      bal_table_add (table, bal_cmd_vf_text (pf, "pf"));
      bal_table_add (table, bal_cmd_vf_text (pf, "pf-pci"));
      bal_table_add (table, bal_cmd_vf_text (pf, "driver"));
      bal_table_add (table, is_true (pf, "link") ? "up" : "down");
      bal_table_take (table, cell_of_number (pf, "numa"));
      bal_table_add (table, bal_cmd_vf_text (pf, "network"));
      bal_table_take (table, bal_cmd_vf_number (pf, "capacity-mbps") > 0
                               ? cell_of_bandwidth (pf, "capacity-mbps")
                               : g_strdup ("unknown"));
      bal_table_take (table, cell_of_bandwidth (pf, "allocated-mbps"));
      bal_table_take (table, cell_of_bandwidth (pf, "residual-mbps"));
      bal_table_take (table, cell_of_number (pf, "num-vfs"));
      bal_table_take (table, is_true (pf, "excluded") ? g_strdup ("excluded")
                                                      : cell_of_number (pf, "free-vfs"));
    }
  bal_table_print (table, stdout);
}

static void
print_vfs (BalCli *cli, JsonObject *pf)
{
  static const char *const headings[] = {"VF",     "PCI",  "DRIVER",   "IOMMU", "USE",
                                         "MAC",    "VLAN", "MAX-RATE", "TRUST", "SPOOFCHK",
                                         "DOMAIN", "PORT", NULL};
  g_autoptr (BalTable) table = bal_table_new (headings);
  g_autoptr (GList) vfs = bal_cmd_vf_objects (pf, "vfs");

  for (GList *element = vfs; element; element = element->next)
    {
      JsonObject *vf = element->data;
      const char *uuid = bal_cmd_vf_text (vf, "domain");

      bal_table_take (table, cell_of_number (vf, "vf"));
      bal_table_add (table, bal_cmd_vf_text (vf, "vf-pci"));
      bal_table_add (table, bal_cmd_vf_text (vf, "driver"));
      bal_table_take (table, cell_of_number (vf, "iommu-group"));
      bal_table_add (table, bal_cmd_vf_text (vf, "use"));
      bal_table_add (table, bal_cmd_vf_text (vf, "mac"));
      bal_table_take (table, cell_of_number (vf, "vlan"));
      bal_table_take (table, cell_of_bandwidth (vf, "max-rate-mbps"));
      bal_table_add (table, cell_of_switch (vf, "trust"));
      bal_table_add (table, cell_of_switch (vf, "spoofchk"));
      bal_table_take (table, *uuid ? bal_cmd_vf_name_domain (cli, uuid) : NULL);
      bal_table_add (table, bal_cmd_vf_text (vf, "port"));
    }
  bal_table_print (table, stdout);
}

void
bal_cmd_vf_print_pf (BalCli *cli, JsonObject *pf)
{
  GList only = {.data = pf};

  print_pfs (&only);
  print_vfs (cli, pf);
}

/* --- ports --- */

static void
print_ports (BalCli *cli, GList *ports)
{
  static const char *const headings[] = {"DOMAIN", "PORT", "STATE", "PF",        "VF",
                                         "PCI",    "MAC",  "VLAN",  "BANDWIDTH", NULL};
  g_autoptr (BalTable) table = bal_table_new (headings);

  for (GList *element = ports; element; element = element->next)
    {
      JsonObject *port = element->data;

      bal_table_take (table, bal_cmd_vf_name_domain (cli, bal_cmd_vf_text (port, "domain")));
      bal_table_add (table, bal_cmd_vf_text (port, "port"));
      bal_table_add (table, bal_cmd_vf_text (port, "state"));
      bal_table_add (table, bal_cmd_vf_text (port, "pf"));
      bal_table_take (table, cell_of_number (port, "vf"));
      bal_table_add (table, bal_cmd_vf_text (port, "vf-pci"));
      bal_table_add (table, bal_cmd_vf_text (port, "mac"));
      bal_table_take (table, cell_of_number (port, "vlan"));
      bal_table_take (table, cell_of_bandwidth (port, "bandwidth-mbps"));
    }
  bal_table_print (table, stdout);
  for (GList *element = ports; element; element = element->next)
    {
      const char *why = bal_cmd_vf_text (element->data, "why");
      if (*why)
        bal_say (stdout, "%s: %s", bal_cmd_vf_text (element->data, "port"), why);
    }
}

/* Consumes @value; nothing is said of what is not known. */
static void
say (const char *label, char *value)
{
  if (value && *value)
    bal_say (stdout, "  %-22s%s", label, value);
  g_free (value);
}

void
bal_cmd_vf_print_port (BalCli *cli, JsonObject *port)
{
  static const char *const texts[] = {"state", "pf",      "pf-pci", "vf-pci",
                                      "mac",   "network", "standby"};
  static const char *const enforced[] = {"max-rate-enforced", "min-rate-enforced",
                                         "link-state-enforced", "why"};
  const char *uuid = bal_cmd_vf_text (port, "domain");
  g_autofree char *name = bal_cmd_vf_name_domain (cli, uuid);

  bal_say (stdout, "Port %s of domain %s", bal_cmd_vf_text (port, "port"), name);
  say ("domain", g_strdup (uuid));
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    say (texts[i], g_strdup (bal_cmd_vf_text (port, texts[i])));
  say ("vf", cell_of_number (port, "vf"));
  say ("vlan", cell_of_number (port, "vlan"));
  say ("bandwidth", cell_of_bandwidth (port, "bandwidth-mbps"));
  say ("trust", g_strdup (cell_of_switch (port, "trust")));
  say ("spoofchk", g_strdup (cell_of_switch (port, "spoofchk")));
  for (gsize i = 0; i < G_N_ELEMENTS (enforced); i++)
    say (enforced[i], g_strdup (bal_cmd_vf_text (port, enforced[i])));
}

/* --- the list --- */

void
bal_cmd_vf_print_list (BalCli *cli, JsonObject *list)
{
  g_autoptr (GList) pfs = bal_cmd_vf_objects (list, "pfs");
  g_autoptr (GList) ports = bal_cmd_vf_objects (list, "ports");
  gint64 n_left_out = bal_cmd_vf_number (list, "left-out");

  if (pfs)
    print_pfs (pfs);
  else
    bal_say (stdout, "No NIC of this host has virtual functions.");
  if (ports)
    {
      bal_cmd_vf_connect_for_names (cli);
      fputc ('\n', stdout);
      print_ports (cli, ports);
    }
  if (n_left_out > 0)
    bal_say (stdout,
             "%" G_GINT64_FORMAT
             " VFs and ports more; `ballast vf list --pf PF` shows those of one "
             "physical function",
             n_left_out);
}
