/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-interface.h"

#include "host-hook/xml-util.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  guint domain, bus, slot, function;
} Address;

/* --- PCI addresses --- */

static gboolean
parse_address (const char *pci, Address *out)
{
  int length = 0;

  return sscanf (pci, "%4x:%2x:%2x.%1x%n", &out->domain, &out->bus, &out->slot, &out->function,
                 &length)
           == 4
         && pci[length] == '\0';
}

/* Hexadecimal or decimal, as libvirt takes them (virStrToLong_uip with base 0). */
static gboolean
read_part (const xmlNode *address, const char *name, guint max, guint otherwise, guint *out)
{
  g_autofree char *text = bal_xml_attribute (address, name);
  char *end;

  if (text == NULL)
    {
      *out = otherwise;
      return otherwise <= max;
    }
  guint64 value = g_ascii_strtoull (text, &end, 0);
  *out = (guint)value;
  return *text != '\0' && *end == '\0' && value <= max;
}

/* The device in <source>; FALSE when there is none. */
static gboolean
read_source (const xmlNode *device, Address *out)
{
  const xmlNode *address = bal_xml_child (bal_xml_child (device, "source"), "address");

  /* Of a hostdev element without the type the address has none either. */
  return address != NULL && read_part (address, "domain", 0xffff, 0, &out->domain)
         && read_part (address, "bus", 0xff, G_MAXUINT, &out->bus)
         && read_part (address, "slot", 0x1f, G_MAXUINT, &out->slot)
         && read_part (address, "function", 7, 0, &out->function);
}

static char *
format_address (const Address *address)
{
  return g_strdup_printf ("%04x:%02x:%02x.%x", address->domain, address->bus, address->slot,
                          address->function);
}

/* --- devices --- */

/* A hostdev interface, or another PCI device of the host. */
static gboolean
is_passed_through (const xmlNode *device)
{
  const char *name = (const char *)device->name;

  if (device->type != XML_ELEMENT_NODE)
    return FALSE;
  if (strcmp (name, "interface") == 0)
    return bal_xml_attribute_is (device, "type", "hostdev");
  return strcmp (name, "hostdev") == 0 && bal_xml_attribute_is (device, "type", "pci");
}

static char *
read_mac (const xmlNode *interface)
{
  g_autofree char *mac = bal_xml_attribute (bal_xml_child (interface, "mac"), "address");
  return mac == NULL ? NULL : g_ascii_strdown (mac, -1);
}

static xmlNode *
first_device (const xmlDoc *document)
{
  const xmlNode *devices = bal_xml_child (xmlDocGetRootElement ((xmlDoc *)document), "devices");
  return devices == NULL ? NULL : devices->children;
}

static void
held_clear (gpointer data)
{
  BalVfHeld *self = data;
  g_free (self->pci);
  g_free (self->mac);
}

GArray *
bal_vf_interface_list_held (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);

  if (document == NULL)
    return NULL;
  GArray *list = g_array_new (FALSE, FALSE, sizeof (BalVfHeld));
  g_array_set_clear_func (list, held_clear);
  for (const xmlNode *node = first_device (document); node != NULL; node = node->next)
    {
      Address address;

      if (!is_passed_through (node) || !read_source (node, &address))
        continue;
      BalVfHeld held = {.pci = format_address (&address), .mac = read_mac (node)};
      g_array_append_val (list, held);
    }
  return list;
}

gboolean
bal_vf_interface_has (const GArray *held, const char *pci, const char *mac)
{
  for (guint i = 0; i < held->len; i++)
    {
      const BalVfHeld *item = &g_array_index (held, BalVfHeld, i);
      if ((pci == NULL || strcmp (item->pci, pci) == 0)
          && (mac == NULL || g_strcmp0 (item->mac, mac) == 0))
        return TRUE;
    }
  return FALSE;
}

static char *
print_node (xmlDoc *document, xmlNode *node)
{
  xmlBuffer *buffer = xmlBufferCreate ();
  char *text = NULL;

  if (xmlNodeDump (buffer, document, node, 0, 0) >= 0)
    text = g_strdup ((const char *)xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}

gboolean
bal_vf_interface_find (const char *xml, const char *pci, char **out, GError **error)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);

  *out = NULL;
  if (document == NULL)
    return FALSE;
  for (xmlNode *node = first_device (document); node != NULL; node = node->next)
    {
      Address address;

      if (!is_passed_through (node) || !read_source (node, &address))
        continue;
      g_autofree char *found = format_address (&address);
      if (strcmp (found, pci) != 0)
        continue;
      *out = print_node (document, node);
      break;
    }
  return TRUE;
}

/* --- what libvirt is given --- */

char *
bal_vf_interface_build (const BalVfEntry *entry)
{
  GString *text = g_string_new ("<interface type='hostdev' managed='yes'>");
  Address address = {0};

  /* The ledger's own. */
  g_assert (parse_address (entry->vf_pci, &address));
  if (entry->request.mac != NULL)
    g_string_append_printf (text, "<mac address='%s'/>", entry->request.mac);
  g_string_append_printf (text,
                          "<source><address type='pci' domain='0x%04x' bus='0x%02x' slot='0x%02x' "
                          "function='0x%x'/></source>",
                          address.domain, address.bus, address.slot, address.function);
  if (entry->request.vlan != 0)
    g_string_append_printf (text, "<vlan><tag id='%u'/></vlan>", entry->request.vlan);
  if (entry->request.standby != NULL)
    g_string_append_printf (text, "<teaming type='transient' persistent='%s'/>",
                            entry->request.standby);
  g_string_append (text, "</interface>");
  return g_string_free (text, FALSE);
}

static const BalVfEntry *
find_by_mac (const GPtrArray *entries, const char *mac)
{
  for (guint i = 0; mac != NULL && i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      if (g_strcmp0 (entry->request.mac, mac) == 0)
        return entry;
    }
  return NULL;
}

static void
set_part (xmlNode *address, const char *name, int digits, guint value)
{
  g_autofree char *text = g_strdup_printf ("0x%0*x", digits, value);
  xmlSetProp (address, BAD_CAST name, BAD_CAST text);
}

/* TRUE when it had another address. */
static gboolean
set_source (const xmlNode *interface, const BalVfEntry *entry)
{
  Address before;
  Address after = {0};

  g_assert (parse_address (entry->vf_pci, &after));
  if (!read_source (interface, &before) || memcmp (&before, &after, sizeof after) == 0)
    return FALSE;
  xmlNode *address = bal_xml_child (bal_xml_child (interface, "source"), "address");
  set_part (address, "domain", 4, after.domain);
  set_part (address, "bus", 2, after.bus);
  set_part (address, "slot", 2, after.slot);
  set_part (address, "function", 1, after.function);
  return TRUE;
}

gboolean
bal_vf_interface_rewrite (const char *xml, const GPtrArray *entries, char **out, GError **error)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  gboolean is_changed = FALSE;

  *out = NULL;
  if (document == NULL)
    return FALSE;
  for (const xmlNode *node = first_device (document); node != NULL; node = node->next)
    {
      g_autofree char *mac = is_passed_through (node) ? read_mac (node) : NULL;
      const BalVfEntry *entry = find_by_mac (entries, mac);

      if (entry != NULL && set_source (node, entry))
        is_changed = TRUE;
    }
  if (is_changed)
    *out = print_node (document, xmlDocGetRootElement (document));
  return TRUE;
}

/* --- metadata --- */

static void
append (GString *text, const char *name, const char *value)
{
  g_autofree char *part = value == NULL ? NULL : g_markup_printf_escaped (" %s='%s'", name, value);
  g_string_append (text, part == NULL ? "" : part);
}

static void
append_number (GString *text, const char *name, guint value)
{
  g_string_append_printf (text, " %s='%u'", name, value);
}

static const char *
switch_name (BalVfSwitch value)
{
  return value == BAL_VF_UNSET ? NULL : value == BAL_VF_ON ? "on" : "off";
}

static void
append_port (GString *text, const BalVfRequest *request)
{
  g_autofree char *bandwidth = bal_vf_format_bandwidth (request->bandwidth_mbps);

  g_string_append (text, "<port");
  append (text, "id", request->port);
  append (text, "bandwidth", bandwidth);
  append (text, "minimum", request->needs_minimum ? "yes" : NULL);
  append (text, "mac", request->mac);
  if (request->vlan != 0)
    append_number (text, "vlan", request->vlan);
  append (text, "trust", switch_name (request->trust));
  append (text, "spoofchk", switch_name (request->spoofchk));
  append (text, "network", request->network);
  if (request->numa_node >= 0)
    append_number (text, "numa", (guint)request->numa_node);
  append (text, "pf", request->pf);
  append (text, "standby", request->standby);
  append (text, "required", request->required ? "yes" : NULL);
  g_string_append (text, "/>");
}

char *
bal_vf_metadata_build (const GArray *requests)
{
  if (requests->len == 0)
    return NULL;
  GString *text = g_string_new ("<ports>");
  for (guint i = 0; i < requests->len; i++)
    append_port (text, &g_array_index (requests, BalVfRequest, i));
  g_string_append (text, "</ports>");
  return g_string_free (text, FALSE);
}

/* --- NUMA --- */

int
bal_vf_interface_home_node (const char *xml)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", NULL);
  const xmlNode *domain = document == NULL ? NULL : xmlDocGetRootElement (document);
  const xmlNode *memory = bal_xml_child (bal_xml_child (domain, "numatune"), "memory");
  g_autofree char *nodes = bal_xml_attribute (memory, "nodeset");
  guint64 node;

  if (nodes != NULL && g_ascii_string_to_unsigned (nodes, 10, 0, BAL_VF_NUMA_NODE_MAX, &node, NULL))
    return (int)node;
  return -1;
}
