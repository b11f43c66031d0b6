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

static gboolean
is_in (virDomainPtr domain, unsigned int affect)
{
  g_autofree char *tag =
    virDomainGetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, BAL_WINDOW_TAG_URI, affect);

  return tag != NULL;
}

static gboolean
write_tag (virDomainPtr domain, const char *text, unsigned int affect, GError **error)
{
  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, text, BAL_WINDOW_TAG_KEY,
                            BAL_WINDOW_TAG_URI, affect)
      == 0)
    return TRUE;
  return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot write the metadata of domain \"%s\"",
                              virDomainGetName (domain));
}

gboolean
bal_window_tag_is_on (virDomainPtr domain)
{
  return is_in (domain, VIR_DOMAIN_AFFECT_LIVE);
}

gboolean
bal_window_tag_write (virDomainPtr domain, gboolean present, GError **error)
{
  return write_tag (domain, present ? "<window/>" : NULL, VIR_DOMAIN_AFFECT_LIVE, error);
}

gboolean
bal_window_tag_remove (virDomainPtr domain, unsigned int affect, GError **error)
{
  return !is_in (domain, affect) || write_tag (domain, NULL, affect, error);
}
