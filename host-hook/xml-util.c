/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/xml-util.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlParserCtxt, xmlFreeParserCtxt)

/* Called at <!DOCTYPE, before anything in it is read: entities never come into being. */
static void
refuse_document_type (void *user_data,
                      const xmlChar *name,
                      const xmlChar *external_id,
                      const xmlChar *system_id)
{
  xmlParserCtxt *context = user_data;

  /* Stopping leaves the document well formed as far as libxml2 is concerned. */
  context->wellFormed = 0;
  xmlStopParser (context);
}

xmlDoc *
bal_xml_parse (const char *text, const char *what, GError **error)
{
  gsize length = strlen (text);
  if (length > BAL_DOMAIN_XML_MAX_BYTES)
    {
      g_set_error (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_SYNTAX,
                   "%s is longer than %u bytes", what, BAL_DOMAIN_XML_MAX_BYTES);
      return NULL;
    }

  g_autoptr (xmlParserCtxt) context = xmlNewParserCtxt ();
  if (context == NULL)
    g_error ("Out of memory for an XML parser");
  context->sax->internalSubset = refuse_document_type;

  g_autoptr (xmlDoc) document =
    xmlCtxtReadMemory (context, text, (int)length, NULL, NULL,
                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  if (document == NULL || xmlDocGetRootElement (document) == NULL)
    {
      g_set_error (error, BAL_DOMAIN_XML_ERROR, BAL_DOMAIN_XML_ERROR_SYNTAX,
                   "%s is not well-formed XML without a document type", what);
      return NULL;
    }
  return g_steal_pointer (&document);
}

static xmlNode *
first_named (xmlNode *node, const char *name)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && strcmp ((const char *)node->name, name) == 0)
      return node;
  return NULL;
}

xmlNode *
bal_xml_child (const xmlNode *node, const char *name)
{
  return node == NULL ? NULL : first_named (node->children, name);
}

xmlNode *
bal_xml_next (const xmlNode *node, const char *name)
{
  return first_named (node->next, name);
}

/* libxml2's allocator is not always glib's. */
static char *
take_xml_string (xmlChar *value)
{
  char *copy = g_strdup ((const char *)value);
  if (value != NULL)
    xmlFree (value);
  return copy;
}

char *
bal_xml_attribute (const xmlNode *node, const char *name)
{
  return node == NULL ? NULL : take_xml_string (xmlGetNoNsProp (node, BAD_CAST name));
}

gboolean
bal_xml_attribute_is (const xmlNode *node, const char *name, const char *value)
{
  g_autofree char *actual = bal_xml_attribute (node, name);
  return g_strcmp0 (actual, value) == 0;
}

char *
bal_xml_text (const xmlNode *node)
{
  char *text = node == NULL ? NULL : take_xml_string (xmlNodeGetContent (node));
  return text == NULL ? NULL : g_strstrip (text);
}
