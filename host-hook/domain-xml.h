/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain XML: what Ballast needs to know of a domain, taken from the XML that
 * virDomainGetXMLDesc (domain, 0) gives for a running one.
 *
 * The XML is parsed without network and without entities (a document type declaration is refused),
 * up to BAL_DOMAIN_XML_MAX_BYTES. It may hold secrets: it is never logged, and errors quote nothing
 * of it. Numbers are read with libvirt's units (virScaleInteger) and rounded up to KiB as libvirt
 * does.
 *
 * Ownership: the struct is the caller's, bal_domain_xml_clear() frees what it points to.
 * Failure: BAL_DOMAIN_XML_ERROR with one sentence; the output struct is then left cleared. No I/O.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* libvirt's own limit of a string in its RPC (REMOTE_STRING_MAX). */
#define BAL_DOMAIN_XML_MAX_BYTES (4u * 1024u * 1024u)

/* virtio-mem devices of one domain that are looked at; more is an error. */
#define BAL_DOMAIN_XML_MEMORY_DEVICES_MAX 256u

#define BAL_DOMAIN_XML_ERROR (bal_domain_xml_error_quark ())
GQuark bal_domain_xml_error_quark (void);

typedef enum
{
  BAL_DOMAIN_XML_ERROR_SYNTAX,    /* not XML, too large, or with a document type */
  BAL_DOMAIN_XML_ERROR_CONTENT,   /* not a domain, or a value that cannot be */
  BAL_DOMAIN_XML_ERROR_NO_DEVICE, /* no virtio-mem device of that alias */
} BalDomainXmlError;

/* One <memory model='virtio-mem'>. */
typedef struct
{
  char *alias;           /* "virtiomem0", "ua-..."; NULL in the XML of a domain that is off */
  guint64 size_kib;      /* most that the device can have plugged */
  guint64 requested_kib; /* what the guest was asked to have plugged */
  guint64 current_kib;   /* what the guest has plugged; 0 when the XML does not say */
  guint64 block_kib;     /* requested sizes are multiples of it; never 0 */
  int node;              /* guest NUMA node; -1 when the XML does not say */
  guint64 memaddr;       /* guest-physical address, bytes; 0 when the XML does not say (libvirt
                            before 9.4): ask query-memory-devices */
} BalVirtioMem;

typedef struct
{
  char *uuid; /* canonical, lower case */
  char *name;
  gint64 id; /* -1 when the domain is off */

  guint64 memory_kib; /* <memory>: boot RAM and the size of all memory devices */

  gboolean has_balloon; /* memballoon with a model other than none */
  gboolean balloon_autodeflate;
  gboolean balloon_has_stats_period; /* QEMU polls its driver for statistics */
  gboolean has_free_page_reporting;
  gboolean has_free_page_hint; /* by <qemu:commandline> or <qemu:override>: libvirt has no element
                                  for it */

  GArray *virtio_mem; /* of BalVirtioMem, never NULL after success */

  gboolean has_vfio;       /* anything that pins guest memory: PCI or mdev hostdev, hostdev or vDPA
                              interface, NVMe or vDPA disk */
  gboolean has_hugepages;  /* hugetlb, for the domain or for one memory device */
  gboolean has_encryption; /* launchSecurity */
  gboolean has_locked_memory; /* QEMU locks all of it */
  gboolean has_shared_memory; /* for the domain as a whole */

  gboolean has_virtio_serial; /* a controller that a channel can be plugged into */

  gboolean has_agent_channel; /* a channel named BAL_CHANNEL_NAME */
  char *agent_socket_path;    /* QEMU listens there (mode='bind'); NULL when not known */
  gboolean agent_connected;   /* the guest has the port open (state='connected') */
} BalDomainXml;

gboolean bal_domain_xml_parse (const char *xml, BalDomainXml *out, GError **error);
void bal_domain_xml_clear (BalDomainXml *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalDomainXml, bal_domain_xml_clear)

/* The device of @alias, or NULL. Belongs to @self. */
const BalVirtioMem *bal_domain_xml_find_virtio_mem (const BalDomainXml *self, const char *alias);

/*
 * The virtio-mem device of @alias as an element of its own, as it stands in @xml but with
 * @requested_kib (a multiple of block, at most size) requested, for virDomainUpdateDeviceFlags()
 * with VIR_DOMAIN_AFFECT_LIVE. libvirt finds the device by alias or address and refuses any other
 * change. Take a fresh @xml: `current` travels with it.
 */
char *bal_domain_xml_virtio_mem_device (const char *xml,
                                        const char *alias,
                                        guint64 requested_kib,
                                        GError **error);

G_END_DECLS
