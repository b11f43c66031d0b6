/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/advise-xml.h"

#include "host-hook/vf-request.h"
#include "host-hook/xml-util.h"
#include "protocol/limits.h"

#include <string.h>

#define MIB_KIB G_GUINT64_CONSTANT (1024)

/* The kernel, and all that it cannot move, has to find place in what is not hot-plugged. */
#define BOOT_MIN_KIB (1024 * MIB_KIB)
#define DEVICE_MIN_KIB (512 * MIB_KIB)

/* Memory that Linux on x86 adds at once; a part of that it would not use. */
#define STEP_KIB (128 * MIB_KIB)

/* A transparent huge page: the least that libvirt takes, and the finest that Linux unplugs by. */
#define BLOCK_KIB (2 * MIB_KIB)

char *
bal_advise_xml_channel (void)
{
  return g_strdup ("<channel type='unix'>\n"
                   "  <target type='virtio' name='" BAL_CHANNEL_NAME "'/>\n"
                   "</channel>");
}

char *
bal_advise_xml_balloon (void)
{
  return g_strdup ("<memballoon model='virtio'>\n"
                   "  <stats period='10'/>\n"
                   "</memballoon>");
}

static GPtrArray *
new_strings (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

static void
remove_blanks (xmlNode *element)
{
  for (xmlNode *node = element->children, *next; node != NULL; node = next)
    {
      next = node->next;
      if (xmlIsBlankNode (node))
        {
          xmlUnlinkNode (node);
          xmlFreeNode (node);
        }
      else if (node->type == XML_ELEMENT_NODE)
        remove_blanks (node);
    }
}

/* Indented anew. */
static char *
print_node (xmlDoc *document, xmlNode *node)
{
  xmlBuffer *buffer = xmlBufferCreate ();
  char *text = NULL;

  remove_blanks (node);
  if (xmlNodeDump (buffer, document, node, 0, 1) >= 0)
    text = g_strdup ((const char *)xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}

/* --- virtio-mem --- */

typedef struct
{
  xmlDoc *document;
  xmlNode *domain;
  guint64 block_kib;
  guint64 total_kib;  /* of all cells */
  GPtrArray *devices; /* XML */
} Split;

/* libvirt writes sizes in KiB. */
static gboolean
parse_kib (const char *text, const char *unit, guint64 *out)
{
  return text != NULL && g_strcmp0 (unit, "KiB") == 0
         && g_ascii_string_to_unsigned (text, 10, 1, BAL_ADDRESS_LIMIT / 1024, out, NULL);
}

static gboolean
read_kib (const xmlNode *element, guint64 *out)
{
  g_autofree char *text = bal_xml_text (element);
  g_autofree char *unit = bal_xml_attribute (element, "unit");

  return parse_kib (text, unit, out);
}

/* Of huge pages a block cannot be less than one. */
static gboolean
find_block (Split *self)
{
  const xmlNode *backing = bal_xml_child (self->domain, "memoryBacking");
  const xmlNode *hugepages = bal_xml_child (backing, "hugepages");

  self->block_kib = BLOCK_KIB;
  for (const xmlNode *page = bal_xml_child (hugepages, "page"); page != NULL;
       page = bal_xml_next (page, "page"))
    {
      g_autofree char *size = bal_xml_attribute (page, "size");
      g_autofree char *unit = bal_xml_attribute (page, "unit");
      guint64 kib;

      if (!parse_kib (size, unit, &kib))
        return FALSE;
      self->block_kib = MAX (self->block_kib, kib);
    }
  return TRUE;
}

/* Without cells: one that has all. */
static xmlNode *
require_cells (Split *self)
{
  xmlNode *cpu = bal_xml_child (self->domain, "cpu");
  xmlNode *numa = bal_xml_child (cpu, "numa");
  g_autofree char *vcpus = bal_xml_text (bal_xml_child (self->domain, "vcpu"));
  guint64 n_vcpus = 0;
  guint64 kib;

  if (numa != NULL)
    return numa;
  if (!read_kib (bal_xml_child (self->domain, "memory"), &kib) || vcpus == NULL
      || !g_ascii_string_to_unsigned (vcpus, 10, 1, G_MAXUINT16, &n_vcpus, NULL))
    return NULL;
  if (cpu == NULL)
    cpu = xmlNewChild (self->domain, NULL, BAD_CAST "cpu", NULL);
  numa = xmlNewChild (cpu, NULL, BAD_CAST "numa", NULL);
  xmlNode *cell = xmlNewChild (numa, NULL, BAD_CAST "cell", NULL);
  g_autofree char *range =
    n_vcpus == 1 ? g_strdup ("0") : g_strdup_printf ("0-%" G_GUINT64_FORMAT, n_vcpus - 1);
  g_autofree char *memory = g_strdup_printf ("%" G_GUINT64_FORMAT, kib);
  xmlSetProp (cell, BAD_CAST "id", BAD_CAST "0");
  xmlSetProp (cell, BAD_CAST "cpus", BAD_CAST range);
  xmlSetProp (cell, BAD_CAST "memory", BAD_CAST memory);
  xmlSetProp (cell, BAD_CAST "unit", BAD_CAST "KiB");
  return numa;
}

static gboolean
split_cell (Split *self, xmlNode *cell)
{
  g_autofree char *id = bal_xml_attribute (cell, "id");
  g_autofree char *memory = bal_xml_attribute (cell, "memory");
  g_autofree char *unit = bal_xml_attribute (cell, "unit");
  guint64 step_kib = MAX (STEP_KIB, self->block_kib);
  guint64 node, kib, device_kib;

  if (id == NULL || !g_ascii_string_to_unsigned (id, 10, 0, G_MAXINT16, &node, NULL)
      || !parse_kib (memory, unit, &kib))
    return FALSE;
  self->total_kib += kib;
  device_kib = MIN (kib - MIN (kib, BOOT_MIN_KIB), kib / 4 * 3) / step_kib * step_kib;
  if (device_kib < DEVICE_MIN_KIB)
    return TRUE;

  g_autofree char *rest = g_strdup_printf ("%" G_GUINT64_FORMAT, kib - device_kib);
  xmlSetProp (cell, BAD_CAST "memory", BAD_CAST rest);
  g_ptr_array_add (self->devices,
                   g_strdup_printf ("<memory model='virtio-mem'>\n"
                                    "  <target>\n"
                                    "    <size unit='KiB'>%" G_GUINT64_FORMAT "</size>\n"
                                    "    <node>%" G_GUINT64_FORMAT "</node>\n"
                                    "    <block unit='KiB'>%" G_GUINT64_FORMAT "</block>\n"
                                    "    <requested unit='KiB'>%" G_GUINT64_FORMAT "</requested>\n"
                                    "  </target>\n"
                                    "</memory>",
                                    device_kib, node, self->block_kib, device_kib));
  return TRUE;
}

static gboolean
split (Split *self)
{
  const xmlNode *devices = bal_xml_child (self->domain, "devices");
  xmlNode *numa;

  if (bal_xml_child (devices, "memory") != NULL || !find_block (self))
    return FALSE;
  numa = require_cells (self);
  for (xmlNode *cell = bal_xml_child (numa, "cell"); cell != NULL;
       cell = bal_xml_next (cell, "cell"))
    if (!split_cell (self, cell))
      return FALSE;
  return self->devices->len > 0;
}

/* What there is of slots and room already stays. */
static char *
build_maximum (const Split *self)
{
  const xmlNode *before = bal_xml_child (self->domain, "maxMemory");
  g_autofree char *slots_text = bal_xml_attribute (before, "slots");
  guint64 slots = 0;
  guint64 kib = 0;

  if (slots_text == NULL
      || !g_ascii_string_to_unsigned (slots_text, 10, 0, G_MAXUINT16, &slots, NULL)
      || !read_kib (before, &kib))
    slots = kib = 0;
  return g_strdup_printf ("<maxMemory slots='%" G_GUINT64_FORMAT "' unit='KiB'>%" G_GUINT64_FORMAT
                          "</maxMemory>",
                          MAX (slots, self->devices->len), MAX (kib, self->total_kib));
}

gboolean
bal_advise_xml_virtio_mem (const char *xml, GPtrArray **domain_xml, GPtrArray **device_xml)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", NULL);
  g_autoptr (GPtrArray) devices = new_strings ();
  Split self = {.document = document, .devices = devices};

  if (document == NULL)
    return FALSE;
  self.domain = xmlDocGetRootElement (document);
  if (!split (&self))
    return FALSE;
  *domain_xml = new_strings ();
  g_ptr_array_add (*domain_xml, build_maximum (&self));
  g_ptr_array_add (*domain_xml, g_strdup_printf ("<currentMemory unit='KiB'>%" G_GUINT64_FORMAT
                                                 "</currentMemory>",
                                                 self.total_kib));
  g_ptr_array_add (*domain_xml, print_node (document, bal_xml_child (self.domain, "cpu")));
  *device_xml = g_steal_pointer (&devices);
  return TRUE;
}

/* --- a standby for VFs --- */

/* "ua-standby-525400112233" */
static char *
build_alias (const char *mac)
{
  g_auto (GStrv) parts = g_strsplit (mac, ":", -1);
  g_autofree char *joined = g_strjoinv ("", parts);

  return g_strdup_printf ("ua-standby-%s", joined);
}

static char *
build_standby (const char *mac, const char *alias)
{
  return g_markup_printf_escaped ("<interface type='network'>\n"
                                  "  <mac address='%s'/>\n"
                                  "  <source network='default'/>\n"
                                  "  <model type='virtio'/>\n"
                                  "  <teaming type='persistent'/>\n"
                                  "  <alias name='%s'/>\n"
                                  "</interface>",
                                  mac, alias);
}

/* A hostdev interface of the domain's own. */
static void
team_interface (xmlDoc *document, xmlNode *interface, GPtrArray *found)
{
  g_autofree char *mac = bal_xml_attribute (bal_xml_child (interface, "mac"), "address");

  if (!bal_xml_attribute_is (interface, "type", "hostdev") || mac == NULL
      || bal_xml_child (interface, "teaming") != NULL)
    return;
  g_autofree char *alias = build_alias (mac);
  xmlNode *teaming = xmlNewChild (interface, NULL, BAD_CAST "teaming", NULL);
  xmlSetProp (teaming, BAD_CAST "type", BAD_CAST "transient");
  xmlSetProp (teaming, BAD_CAST "persistent", BAD_CAST alias);
  g_ptr_array_add (found, build_standby (mac, alias));
  g_ptr_array_add (found, print_node (document, interface));
}

static xmlNode *
find_port (const xmlNode *domain, const char *id)
{
  for (const xmlNode *ports = bal_xml_child (bal_xml_child (domain, "metadata"), "ports");
       ports != NULL; ports = bal_xml_next (ports, "ports"))
    for (xmlNode *port = bal_xml_child (ports, "port"); port != NULL;
         port = bal_xml_next (port, "port"))
      if (port->ns != NULL && g_strcmp0 ((const char *)port->ns->href, BAL_VF_METADATA_URI) == 0
          && bal_xml_attribute_is (port, "id", id))
        return port;
  return NULL;
}

/* A port that the domain's metadata asks for. */
static gboolean
team_port (const xmlNode *domain, const BalVfRequest *request, GPtrArray *found)
{
  xmlNode *port = request->standby == NULL ? find_port (domain, request->port) : NULL;

  if (port == NULL)
    return FALSE;
  g_autofree char *alias = build_alias (request->mac);
  xmlSetProp (port, BAD_CAST "mac", BAD_CAST request->mac);
  xmlSetProp (port, BAD_CAST "standby", BAD_CAST alias);
  g_ptr_array_add (found, build_standby (request->mac, alias));
  return TRUE;
}

gboolean
bal_advise_xml_standby (const char *xml, GPtrArray **domain_xml, GPtrArray **device_xml)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", NULL);
  g_autoptr (GArray) requests = bal_vf_request_from_domain_xml (xml, NULL, NULL);
  g_autoptr (GPtrArray) found = new_strings ();
  gboolean asks = FALSE;
  const xmlNode *domain, *devices;

  if (document == NULL)
    return FALSE;
  domain = xmlDocGetRootElement (document);
  devices = bal_xml_child (domain, "devices");
  for (xmlNode *interface = bal_xml_child (devices, "interface"); interface != NULL;
       interface = bal_xml_next (interface, "interface"))
    team_interface (document, interface, found);
  for (guint i = 0; requests != NULL && i < requests->len; i++)
    asks |= team_port (domain, &g_array_index (requests, BalVfRequest, i), found);
  if (found->len == 0)
    return FALSE;
  *domain_xml = new_strings ();
  if (asks)
    g_ptr_array_add (*domain_xml, print_node (document, bal_xml_child (domain, "metadata")));
  *device_xml = g_steal_pointer (&found);
  return TRUE;
}
