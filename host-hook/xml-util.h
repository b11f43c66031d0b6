/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading XML that is not trusted: libxml2 without network, without entities, with a size limit.
 *
 * Ownership: documents are the caller's (g_autoptr works), nodes belong to their document.
 * Failure: BAL_DOMAIN_XML_ERROR_SYNTAX; errors quote nothing of the XML. No I/O.
 */
#pragma once

#include "host-hook/domain-xml.h"

#include <libxml/tree.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* @what names the text in the error: "The domain XML". A document type declaration is refused
 * before anything in it is looked at. */
xmlDoc *bal_xml_parse (const char *text, const char *what, GError **error);

/* The first child element of @node with that local name, or NULL; @node may be NULL. */
xmlNode *bal_xml_child (const xmlNode *node, const char *name);

/* The next element behind @node with that local name, or NULL. */
xmlNode *bal_xml_next (const xmlNode *node, const char *name);

/* An attribute's value, the caller's, or NULL; @node may be NULL. */
char *bal_xml_attribute (const xmlNode *node, const char *name);

/* TRUE when @node has the attribute with just that value. */
gboolean bal_xml_attribute_is (const xmlNode *node, const char *name, const char *value);

/* The element's text without white space around it, the caller's, or NULL; @node may be NULL. */
char *bal_xml_text (const xmlNode *node);

G_END_DECLS
