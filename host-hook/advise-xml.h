/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Advice in XML: elements for a domain's definition, made from its XML. Pure.
 *
 * The XML is read as xml-util.h does: not trusted, never logged.
 *
 * Ownership: arrays are of char * and the caller's. Failure: NULL or FALSE where nothing fits, or
 * the XML is not as libvirt writes it; no error is told.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The channel of the guest agent. */
char *bal_advise_xml_channel (void);

/* A balloon that reports. */
char *bal_advise_xml_balloon (void);

/* Takes three quarters of each NUMA cell's memory (of all of it, as one cell, where the domain has
 * no cells) for a virtio-mem device of that cell, wholly plugged, so that the guest has as much as
 * before. A cell keeps 1 GiB at least, and one that would give less than 512 MiB gives nothing.
 * @domain_xml: <maxMemory>, <currentMemory>, <cpu>; @device_xml: the devices. FALSE: too small. */
gboolean
bal_advise_xml_virtio_mem (const char *xml, GPtrArray **domain_xml, GPtrArray **device_xml);

/* For each hostdev interface, and each port that the metadata asks for, that nothing stands in for
 * while the domain migrates: a virtio interface of the same address on the network "default", and
 * the hostdev interface as it is to be then, or in @domain_xml <metadata> with the port so. FALSE:
 * there is none. */
gboolean bal_advise_xml_standby (const char *xml, GPtrArray **domain_xml, GPtrArray **device_xml);

G_END_DECLS
