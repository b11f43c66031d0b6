/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/window-tag.h"

#include <string.h>

#include "host-hook/failure.h"
#include "host-hook/xml-util.h"

gboolean
bal_window_tag_is_below (const xmlNode *domain)
{
  xmlNode *metadata = bal_xml_child (domain, "metadata");

  for (xmlNode *node = metadata ? metadata->children : NULL; node; node = node->next)
    if (node->type == XML_ELEMENT_NODE && node->ns && node->ns->href
        && strcmp ((const char *)node->ns->href, BAL_WINDOW_TAG_URI) == 0)
      return TRUE;
  return FALSE;
}

gboolean
bal_window_tag_is_in (const char *xml)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", NULL);

  return document && bal_window_tag_is_below (xmlDocGetRootElement (document));
}

gboolean
bal_window_tag_is_on (virDomainPtr domain)
{
  g_autofree char *tag = virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT,
                                               BAL_WINDOW_TAG_URI, VIR_DOMAIN_AFFECT_LIVE);

  return tag != NULL;
}

gboolean
bal_window_tag_write (virDomainPtr domain, gboolean present, GError **error)
{
  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, present ? "<window/>" : NULL,
                            BAL_WINDOW_TAG_KEY, BAL_WINDOW_TAG_URI, VIR_DOMAIN_AFFECT_LIVE)
      == 0)
    return TRUE;
  return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot write the metadata of domain \"%s\"",
                              virDomainGetName (domain));
}
