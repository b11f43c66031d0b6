/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cmd-vf.h"

#include "host-hook/table.h"
#include "protocol/codec.h"

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
show_bandwidth (gint64 mbps)
{
  return mbps > 0 && mbps % 1000 == 0 ? g_strdup_printf ("%" G_GINT64_FORMAT "Gbit", mbps / 1000)
                                      : g_strdup_printf ("%" G_GINT64_FORMAT "Mbit", mbps);
}

static char *
cell_of_bandwidth (JsonObject *object, const char *name)
{
  return find_value (object, name, G_TYPE_INT64) ? show_bandwidth (bal_cmd_vf_number (object, name))
                                                 : NULL;
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

static gboolean
read_port (JsonObject *port, BalVfPortInfo *out, GError **error)
{
  const BalJsonReader reader = {
    port, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT,
    "Cannot show a port as ballastd tells of it, restart ballastd if it is of another version than "
    "this program: member"};

  return bal_vf_port_info_read (&reader, out, error);
}

static void
port_free (gpointer data)
{
  bal_vf_port_info_clear (data);
  g_free (data);
}

/* Of BalVfPortInfo; NULL on failure. */
static GPtrArray *
read_ports (JsonObject *list, GError **error)
{
  g_autoptr (GPtrArray) ports = g_ptr_array_new_with_free_func (port_free);
  g_autoptr (GList) objects = bal_cmd_vf_objects (list, "ports");

  for (const GList *object = objects; object; object = object->next)
    {
      BalVfPortInfo *port = g_new0 (BalVfPortInfo, 1);

      g_ptr_array_add (ports, port);
      if (!read_port (object->data, port, error))
        return NULL;
    }
  return g_steal_pointer (&ports);
}

static void
print_ports (BalCli *cli, const GPtrArray *ports)
{
  static const char *const headings[] = {"DOMAIN", "PORT", "STATE", "PF",        "VF",
                                         "PCI",    "MAC",  "VLAN",  "BANDWIDTH", NULL};
  g_autoptr (BalTable) table = bal_table_new (headings);

  for (guint i = 0; i < ports->len; i++)
    {
      const BalVfPortInfo *port = ports->pdata[i];

      bal_table_take (table, bal_cmd_vf_name_domain (cli, port->uuid));
      bal_table_add (table, port->port);
      bal_table_add (table, bal_vf_state_name (port->state));
      bal_table_add (table, port->pf);
      bal_table_take (table, g_strdup_printf ("%u", port->vf_index));
      bal_table_add (table, port->vf_pci);
      bal_table_add (table, port->mac);
      bal_table_take (table, port->vlan > 0 ? g_strdup_printf ("%u", port->vlan) : NULL);
      bal_table_take (table, show_bandwidth (port->bandwidth_mbps));
    }
  bal_table_print (table, stdout);
  for (guint i = 0; i < ports->len; i++)
    {
      const BalVfPortInfo *port = ports->pdata[i];
      if (port->why)
        bal_say (stdout, "%s: %s", port->port, port->why);
    }
}

/* Nothing is said of what is not known (NULL). */
static void
say (const char *label, const char *value)
{
  if (value)
    bal_say (stdout, "  %-22s%s", label, value);
}

static const char *
show_switch (BalVfSwitch value)
{
  return value == BAL_VF_UNSET ? NULL : value == BAL_VF_ON ? "on" : "off";
}

static void
say_port (const BalVfPortInfo *port)
{
  g_autofree char *vf = g_strdup_printf ("%u", port->vf_index);
  g_autofree char *vlan = port->vlan > 0 ? g_strdup_printf ("%u", port->vlan) : NULL;
  g_autofree char *bandwidth = show_bandwidth (port->bandwidth_mbps);

  say ("domain", port->uuid);
  say ("state", bal_vf_state_name (port->state));
  say ("pf", port->pf);
  say ("pf-pci", port->pf_pci);
  say ("vf-pci", port->vf_pci);
  say ("mac", port->mac);
  say ("network", port->network);
  say ("vf", vf);
  say ("vlan", vlan);
  say ("bandwidth", bandwidth);
  say ("trust", show_switch (port->trust));
  say ("spoofchk", show_switch (port->spoofchk));
  say ("max-rate-enforced", bal_vf_enforced_name (port->max_rate));
  say ("min-rate-enforced", bal_vf_enforced_name (port->min_rate));
  say ("link-state-enforced", bal_vf_enforced_name (port->link_state));
  say ("why", port->why);
}

gboolean
bal_cmd_vf_print_port (BalCli *cli, JsonObject *object, GError **error)
{
  g_auto (BalVfPortInfo) port = {0};

  if (!read_port (object, &port, error))
    return FALSE;
  g_autofree char *name = bal_cmd_vf_name_domain (cli, port.uuid);
  bal_say (stdout, "Port %s of domain %s", port.port, name);
  say_port (&port);
  return TRUE;
}

/* --- answers as a whole --- */

void
bal_cmd_vf_print_json (JsonObject *answer)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (root, answer);
  bal_print_json (root);
}

gboolean
bal_cmd_vf_print_list (BalCli *cli, JsonObject *list, GError **error)
{
  g_autoptr (GList) pfs = bal_cmd_vf_objects (list, "pfs");
  g_autoptr (GPtrArray) ports = read_ports (list, error);
  gint64 n_left_out = bal_cmd_vf_number (list, "left-out");

  if (!ports)
    return FALSE;
  if (pfs)
    print_pfs (pfs);
  else
    bal_say (stdout,
             "No NIC of this host has virtual functions; numvfs in /etc/ballast/vf.conf makes "
             "them.");
  if (ports->len > 0)
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
  return TRUE;
}
