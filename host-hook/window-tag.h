/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Window tag: an empty element in a live domain's metadata that says to the destination of a
 * migration that the source's ballastd will use the window before memory flows, so that holding it
 * open is worth it. It carries no figures and is trusted with nothing but a bounded wait.
 *
 * In the namespace BAL_WINDOW_TAG_URI, of which libvirt keeps one element, apart from any other
 * tag.
 *
 * Failure: BAL_FAILURE, one sentence.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

#define BAL_WINDOW_TAG_URI "urn:x-ballast:window:1"
#define BAL_WINDOW_TAG_KEY "ballast-window"

/* TRUE when the domain of @xml, or that of the element @domain (may be NULL), carries it. Pure. */
gboolean bal_window_tag_is_in (const char *xml);
gboolean bal_window_tag_is_below (const xmlNode *domain);

/* TRUE when the live @domain carries it. */
gboolean bal_window_tag_is_on (virDomainPtr domain);

/* Takes it, where it is, out of the metadata that @affect names: VIR_DOMAIN_AFFECT_LIVE or
 * VIR_DOMAIN_AFFECT_CONFIG (`virsh migrate --persistent` copies it into that). NB: waits half a
 * minute while a job holds the domain. */
gboolean bal_window_tag_remove (virDomainPtr domain, unsigned int affect, GError **error);

/* Puts it into the live metadata, or takes it out. */
gboolean bal_window_tag_write (virDomainPtr domain, gboolean present, GError **error);

G_END_DECLS
