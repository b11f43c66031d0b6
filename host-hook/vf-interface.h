/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF interface: a port in a domain's XML: the <interface type='hostdev'> that libvirt is given,
 * what host devices a domain has, and what its metadata asks for. Pure.
 *
 * The XML is a domain's as libvirt has it, read as xml-util.h does: not trusted, never logged.
 *
 * Ownership: what is returned is the caller's. Failure: BAL_DOMAIN_XML_ERROR, BAL_VF_ERROR_INVALID.
 */
#pragma once

#include "host-hook/vf-entry.h"

G_BEGIN_DECLS

/* The element for virDomainAttachDeviceFlags(). libvirt makes MAC and VLAN once more when it
 * attaches, and puts back what it found when it detaches; hence both are in it. */
char *bal_vf_interface_build (const BalVfEntry *entry);

/* A PCI device of the host that a domain has. */
typedef struct
{
  char *pci; /* "0000:03:10.0" */
  char *mac; /* lower case; NULL: it is no interface, or without an address */
} BalVfHeld;

/* All of them, of BalVfHeld: interfaces and other host devices. */
GArray *bal_vf_interface_list_held (const char *xml, GError **error);

/* Whether the domain has the device @pci, as an interface of the address @mac; either may be NULL.
 */
gboolean bal_vf_interface_has (const GArray *held, const char *pci, const char *mac);

/* The interface element of the device as it stands in the XML, with the guest's address and alias,
 * for virDomainDetachDeviceFlags(): two interfaces that team have one MAC address. *@out is NULL
 * when the domain does not have it. */
gboolean bal_vf_interface_find (const char *xml, const char *pci, char **out, GError **error);

/* The XML with the VFs of @entries (const BalVfEntry *) in its hostdev interfaces, which are told
 * by their MAC addresses; all else stays. *@out is NULL when nothing is to be changed. */
gboolean
bal_vf_interface_rewrite (const char *xml, const GPtrArray *entries, char **out, GError **error);

/* The element for virDomainSetMetadata() (BAL_VF_METADATA_KEY, BAL_VF_METADATA_URI), which asks for
 * @requests (BalVfRequest) and says their addresses; NULL, which removes it, when there are none.
 */
char *bal_vf_metadata_build (const GArray *requests);

/* The host's NUMA node that all of the domain's memory is on; -1: not known, or several. */
int bal_vf_interface_home_node (const char *xml);

G_END_DECLS
