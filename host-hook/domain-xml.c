/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-xml.h"

#include "host-hook/xml-util.h"
#include "protocol/limits.h"

#include <string.h>

/* The page size of x86 and of everything else that libvirt could name without it being hugetlb. */
#define SMALL_PAGE_KIB_MAX 64

G_DEFINE_QUARK (bal_domain_xml_error, bal_domain_xml_error)

static gboolean
fail_content (GError **error, const char *what)
{
  g_set_error (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_CONTENT,
               "The domain XML has no valid %s", what);
  return FALSE;
}

/* Bytes in a unit as virScaleInteger() reads it, 0 when it is none. */
static guint64
unit_bytes (const char *unit)
{
  static const char prefixes[] = "kmgtpe";

  if (unit == NULL || *unit == '\0')
    return 1024;
  if (g_ascii_strcasecmp (unit, "b") == 0 || g_ascii_strcasecmp (unit, "byte") == 0
      || g_ascii_strcasecmp (unit, "bytes") == 0)
    return 1;

  guint64 base;
  if (unit[1] == '\0' || g_ascii_strcasecmp (unit + 1, "iB") == 0)
    base = 1024;
  else if (g_ascii_strcasecmp (unit + 1, "b") == 0)
    base = 1000;
  else
    return 0;

  const char *prefix = strchr (prefixes, g_ascii_tolower (*unit));
  if (prefix == NULL)
    return 0;
  guint64 bytes = base;
  for (; prefix > prefixes; prefix--)
    bytes *= base;
  return bytes;
}

static gboolean
read_size_kib (const xmlNode *node, guint64 *out_kib, GError **error)
{
  g_autofree char *text = bal_xml_text (node);
  g_autofree char *unit = bal_xml_attribute (node, "unit");
  guint64 scale = unit_bytes (unit);
  guint64 value = 0;

  if (text == NULL || scale == 0
      || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &value, NULL)
      || value > BAL_ADDRESS_LIMIT / scale)
    return fail_content (error, "memory size");
  *out_kib = (value * scale + 1023) / 1024;
  return TRUE;
}

/* An optional size: @out_kib stays as it is without the element. */
static gboolean
read_optional_size_kib (const xmlNode *node, guint64 *out_kib, GError **error)
{
  return node == NULL || read_size_kib (node, out_kib, error);
}

static void
virtio_mem_clear (gpointer data)
{
  BalVirtioMem *self = data;
  g_clear_pointer (&self->alias, g_free);
}

void
bal_domain_xml_clear (BalDomainXml *self)
{
  g_clear_pointer (&self->uuid, g_free);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->agent_socket_path, g_free);
  g_clear_pointer (&self->virtio_mem, g_array_unref);
  memset (self, 0, sizeof *self);
}

static gboolean
read_identity (const xmlNode *domain, BalDomainXml *self, GError **error)
{
  g_autofree char *uuid = bal_xml_text (bal_xml_child (domain, "uuid"));
  if (uuid == NULL || !g_uuid_string_is_valid (uuid))
    return fail_content (error, "UUID");
  self->uuid = g_ascii_strdown (uuid, -1);

  self->name = bal_xml_text (bal_xml_child (domain, "name"));
  if (self->name == NULL || *self->name == '\0')
    return fail_content (error, "name");

  self->id = -1;
  g_autofree char *id = bal_xml_attribute (domain, "id");
  if (id != NULL && !g_ascii_string_to_signed (id, 10, -1, G_MAXINT32, &self->id, NULL))
    return fail_content (error, "id");

  return read_size_kib (bal_xml_child (domain, "memory"), &self->memory_kib, error);
}

/* QEMU's free-page-hint has no element in libvirt; people set it on the command line. */
static gboolean
has_free_page_hint (const xmlNode *domain)
{
  const xmlNode *commandline = bal_xml_child (domain, "commandline");
  for (const xmlNode *arg = bal_xml_child (commandline, "arg"); arg != NULL;
       arg = bal_xml_next (arg, "arg"))
    {
      g_autofree char *value = bal_xml_attribute (arg, "value");
      if (value != NULL
          && (strstr (value, "free-page-hint=on") || strstr (value, "free-page-hint=true")
              || strstr (value, "\"free-page-hint\":true")))
        return TRUE;
    }

  const xmlNode *override = bal_xml_child (domain, "override");
  for (const xmlNode *device = bal_xml_child (override, "device"); device != NULL;
       device = bal_xml_next (device, "device"))
    for (const xmlNode *property = bal_xml_child (bal_xml_child (device, "frontend"), "property");
         property != NULL; property = bal_xml_next (property, "property"))
      if (bal_xml_attribute_is (property, "name", "free-page-hint")
          && bal_xml_attribute_is (property, "value", "true"))
        return TRUE;
  return FALSE;
}

static void
read_balloon (const xmlNode *devices, BalDomainXml *self)
{
  const xmlNode *balloon = bal_xml_child (devices, "memballoon");
  g_autofree char *period = bal_xml_attribute (bal_xml_child (balloon, "stats"), "period");

  self->has_balloon = balloon != NULL && !bal_xml_attribute_is (balloon, "model", "none");
  self->balloon_has_stats_period = period != NULL && strcmp (period, "0") != 0;
  self->balloon_autodeflate = bal_xml_attribute_is (balloon, "autodeflate", "on");
  self->has_free_page_reporting = bal_xml_attribute_is (balloon, "freePageReporting", "on");
}

static gboolean
read_memaddr (const xmlNode *target, guint64 *memaddr, GError **error)
{
  g_autofree char *base = bal_xml_attribute (bal_xml_child (target, "address"), "base");
  const char *digits = base;

  if (base == NULL)
    return TRUE;
  if (g_str_has_prefix (base, "0x"))
    digits = base + 2;
  if (!g_ascii_string_to_unsigned (digits, digits == base ? 10 : 16, 0, BAL_ADDRESS_LIMIT, memaddr,
                                   NULL))
    return fail_content (error, "address of a memory device");
  return TRUE;
}

static gboolean
read_virtio_mem (const xmlNode *memory, BalVirtioMem *out, GError **error)
{
  const xmlNode *target = bal_xml_child (memory, "target");

  out->node = -1;
  if (!read_size_kib (bal_xml_child (target, "size"), &out->size_kib, error)
      || !read_size_kib (bal_xml_child (target, "block"), &out->block_kib, error)
      || !read_optional_size_kib (bal_xml_child (target, "requested"), &out->requested_kib, error)
      || !read_optional_size_kib (bal_xml_child (target, "current"), &out->current_kib, error)
      || !read_memaddr (target, &out->memaddr, error))
    return FALSE;
  if (out->block_kib == 0 || out->requested_kib > out->size_kib || out->current_kib > out->size_kib)
    return fail_content (error, "virtio-mem sizes");

  g_autofree char *node = bal_xml_text (bal_xml_child (target, "node"));
  gint64 number = -1;
  if (node != NULL && !g_ascii_string_to_signed (node, 10, 0, G_MAXINT16, &number, NULL))
    return fail_content (error, "NUMA node of a memory device");
  out->node = (int)number;
  out->alias = bal_xml_attribute (bal_xml_child (memory, "alias"), "name");
  return TRUE;
}

/* A memory device may have a page size of its own. */
static void
read_memory_device_backing (const xmlNode *memory, BalDomainXml *self)
{
  const xmlNode *pagesize = bal_xml_child (bal_xml_child (memory, "source"), "pagesize");
  guint64 page_kib = 0;

  if (pagesize != NULL && read_size_kib (pagesize, &page_kib, NULL)
      && page_kib > SMALL_PAGE_KIB_MAX)
    self->has_hugepages = TRUE;
}

static gboolean
read_memory_devices (const xmlNode *devices, BalDomainXml *self, GError **error)
{
  self->virtio_mem = g_array_new (FALSE, TRUE, sizeof (BalVirtioMem));
  g_array_set_clear_func (self->virtio_mem, virtio_mem_clear);

  for (const xmlNode *memory = bal_xml_child (devices, "memory"); memory != NULL;
       memory = bal_xml_next (memory, "memory"))
    {
      read_memory_device_backing (memory, self);
      if (!bal_xml_attribute_is (memory, "model", "virtio-mem"))
        continue;
      if (self->virtio_mem->len == BAL_DOMAIN_XML_MEMORY_DEVICES_MAX)
        return fail_content (error, "number of memory devices");

      BalVirtioMem device = {0};
      if (!read_virtio_mem (memory, &device, error))
        return FALSE;
      g_array_append_val (self->virtio_mem, device);
    }
  return TRUE;
}

/* TRUE when an element of @name among @devices has one of the @types. */
static gboolean
has_device_of_type (const xmlNode *devices, const char *name, const char *const *types)
{
  for (const xmlNode *device = bal_xml_child (devices, name); device != NULL;
       device = bal_xml_next (device, name))
    {
      g_autofree char *type = bal_xml_attribute (device, "type");
      if (type != NULL && g_strv_contains (types, type))
        return TRUE;
    }
  return FALSE;
}

/* QEMU inhibits the balloon (ram_block_discard_disable) for each of these. */
static gboolean
has_pinned_memory (const xmlNode *devices)
{
  static const char *const hostdevs[] = {"pci", "mdev", NULL};
  static const char *const interfaces[] = {"hostdev", "vdpa", NULL};
  static const char *const disks[] = {"nvme", "vhostvdpa", NULL};

  return has_device_of_type (devices, "hostdev", hostdevs)
         || has_device_of_type (devices, "interface", interfaces)
         || has_device_of_type (devices, "disk", disks);
}

static void
read_agent_channel (const xmlNode *devices, BalDomainXml *self)
{
  for (const xmlNode *channel = bal_xml_child (devices, "channel"); channel != NULL;
       channel = bal_xml_next (channel, "channel"))
    {
      const xmlNode *target = bal_xml_child (channel, "target");
      if (!bal_xml_attribute_is (target, "type", "virtio")
          || !bal_xml_attribute_is (target, "name", BAL_CHANNEL_NAME))
        continue;

      self->has_agent_channel = TRUE;
      self->agent_connected = bal_xml_attribute_is (target, "state", "connected");
      const xmlNode *source = bal_xml_child (channel, "source");
      if (bal_xml_attribute_is (channel, "type", "unix")
          && bal_xml_attribute_is (source, "mode", "bind"))
        self->agent_socket_path = bal_xml_attribute (source, "path");
      return;
    }
}

static void
read_backing (const xmlNode *domain, BalDomainXml *self)
{
  const xmlNode *backing = bal_xml_child (domain, "memoryBacking");

  self->has_hugepages = bal_xml_child (backing, "hugepages") != NULL;
  self->has_locked_memory = bal_xml_child (backing, "locked") != NULL;
  self->has_shared_memory =
    bal_xml_attribute_is (bal_xml_child (backing, "access"), "mode", "shared");
}

static gboolean
read_domain (const xmlNode *domain, BalDomainXml *self, GError **error)
{
  static const char *const serial[] = {"virtio-serial", NULL};
  const xmlNode *devices = bal_xml_child (domain, "devices");

  if (strcmp ((const char *)domain->name, "domain") != 0)
    return fail_content (error, "root element");
  if (!read_identity (domain, self, error))
    return FALSE;
  read_backing (domain, self);
  read_balloon (devices, self);
  self->has_free_page_hint = has_free_page_hint (domain);
  self->has_vfio = has_pinned_memory (devices);
  self->has_encryption = bal_xml_child (domain, "launchSecurity") != NULL;
  self->has_virtio_serial = has_device_of_type (devices, "controller", serial);
  read_agent_channel (devices, self);
  return read_memory_devices (devices, self, error);
}

gboolean
bal_domain_xml_parse (const char *xml, BalDomainXml *out, GError **error)
{
  memset (out, 0, sizeof *out);
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  if (document == NULL)
    return FALSE;
  if (read_domain (xmlDocGetRootElement (document), out, error))
    return TRUE;
  bal_domain_xml_clear (out);
  return FALSE;
}

const BalVirtioMem *
bal_domain_xml_find_virtio_mem (const BalDomainXml *self, const char *alias)
{
  for (guint i = 0; i < self->virtio_mem->len; i++)
    {
      const BalVirtioMem *device = &g_array_index (self->virtio_mem, BalVirtioMem, i);
      if (g_strcmp0 (device->alias, alias) == 0)
        return device;
    }
  return NULL;
}

static xmlNode *
find_virtio_mem_node (const xmlNode *domain, const char *alias)
{
  const xmlNode *devices = bal_xml_child (domain, "devices");
  for (xmlNode *memory = bal_xml_child (devices, "memory"); memory != NULL;
       memory = bal_xml_next (memory, "memory"))
    if (bal_xml_attribute_is (memory, "model", "virtio-mem")
        && bal_xml_attribute_is (bal_xml_child (memory, "alias"), "name", alias))
      return memory;
  return NULL;
}

static void
set_requested (xmlNode *memory, guint64 requested_kib)
{
  xmlNode *target = bal_xml_child (memory, "target");
  xmlNode *requested = bal_xml_child (target, "requested");
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, requested_kib);

  if (requested == NULL)
    requested = xmlNewChild (target, NULL, BAD_CAST "requested", NULL);
  xmlNodeSetContent (requested, BAD_CAST number);
  xmlSetProp (requested, BAD_CAST "unit", BAD_CAST "KiB");
}

char *
bal_domain_xml_virtio_mem_device (const char *xml,
                                  const char *alias,
                                  guint64 requested_kib,
                                  GError **error)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  if (document == NULL)
    return NULL;
  xmlNode *memory = find_virtio_mem_node (xmlDocGetRootElement (document), alias);
  if (memory == NULL)
    {
      g_set_error_literal (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_NO_DEVICE,
                           "The domain has no virtio-mem device of that alias");
      return NULL;
    }

  BalVirtioMem device = {0};
  gboolean valid = read_virtio_mem (memory, &device, error);
  virtio_mem_clear (&device);
  if (!valid)
    return NULL;
  if (requested_kib > device.size_kib || requested_kib % device.block_kib != 0)
    {
      fail_content (error, "virtio-mem device for that requested size");
      return NULL;
    }

  set_requested (memory, requested_kib);
  xmlBuffer *buffer = xmlBufferCreate ();
  xmlNodeDump (buffer, document, memory, 0, 0);
  char *text = g_strdup ((const char *)xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}
