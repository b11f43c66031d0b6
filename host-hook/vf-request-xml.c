/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain's metadata asks for. */
#include "host-hook/vf-request.h"

#include "host-hook/vf-error.h"
#include "host-hook/xml-util.h"
#include "protocol/codec.h"

#include <string.h>

/* Any version of the namespace. */
#define URI_FAMILY "urn:x-ballast:vf:"

#define LEAD                                                                                       \
  "The domain's metadata does not ask for VFs in a way that Ballast knows, mend its <ports>: "

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID, LEAD "%s", what);
  return FALSE;
}

/* An element or attribute that @what ends with the name of, as it is written there. */
static gboolean
fail_name (GError **error, const char *what, const xmlNs *ns, const xmlChar *name)
{
  const char *prefix = ns == NULL ? NULL : (const char *)ns->prefix;
  g_autofree char *written =
    g_strconcat (prefix == NULL ? "" : prefix, prefix == NULL ? "" : ":", (const char *)name, NULL);
  g_autofree char *shown = bal_escape_for_display (written);
  g_autofree char *sentence = g_strdup_printf ("%s \"%s\"", what, shown);

  return fail (error, sentence);
}

/* --- attributes, by name --- */

static gboolean
set_id (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_token (name, text, &out->port, error);
}

static gboolean
set_bandwidth (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_bandwidth (name, text, &out->bandwidth_mbps, error);
}

static gboolean
set_minimum (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_yes_no (name, text, &out->needs_minimum, error);
}

static gboolean
set_mac (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_mac (name, text, &out->mac, error);
}

static gboolean
set_vlan (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_vlan (name, text, &out->vlan, error);
}

static gboolean
set_trust (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_switch (name, text, &out->trust, error);
}

static gboolean
set_spoofchk (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_switch (name, text, &out->spoofchk, error);
}

static gboolean
set_network (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_token (name, text, &out->network, error);
}

static gboolean
set_numa (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_numa (name, text, &out->numa_node, error);
}

static gboolean
set_pf (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_device (name, text, &out->pf, error);
}

static gboolean
set_standby (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_alias (name, text, &out->standby, error);
}

static gboolean
set_required (BalVfRequest *out, const char *name, const char *text, GError **error)
{
  return bal_vf_parse_yes_no (name, text, &out->required, error);
}

static const struct
{
  const char *name;
  gboolean (*set) (BalVfRequest *out, const char *name, const char *text, GError **error);
} attributes[] = {
  {"id", set_id},     {"bandwidth", set_bandwidth}, {"minimum", set_minimum},
  {"mac", set_mac},   {"vlan", set_vlan},           {"trust", set_trust},
  {"pf", set_pf},     {"spoofchk", set_spoofchk},   {"network", set_network},
  {"numa", set_numa}, {"required", set_required},   {"standby", set_standby},
};

static gboolean
read_attribute (const xmlNode *port, const xmlAttr *attribute, BalVfRequest *out, GError **error)
{
  const char *name = (const char *)attribute->name;

  for (guint i = 0; attribute->ns == NULL && i < G_N_ELEMENTS (attributes); i++)
    if (strcmp (attributes[i].name, name) == 0)
      {
        g_autofree char *text = bal_xml_attribute (port, name);
        if (attributes[i].set (out, name, text, error))
          return TRUE;
        g_prefix_error_literal (error, LEAD);
        return FALSE;
      }
  return fail_name (error, "a port has an unknown attribute", attribute->ns, attribute->name);
}

/* --- elements --- */

static gboolean
has_port (const GArray *requests, const char *port)
{
  for (guint i = 0; i < requests->len; i++)
    if (strcmp (g_array_index (requests, BalVfRequest, i).port, port) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
read_port (const xmlNode *port, const char *uuid, GArray *requests, GError **error)
{
  g_auto (BalVfRequest) request;

  bal_vf_request_init (&request);
  if (port->children != NULL)
    return fail (error, "a port is not an empty element");
  for (const xmlAttr *item = port->properties; item != NULL; item = item->next)
    if (!read_attribute (port, item, &request, error))
      return FALSE;
  if (request.port == NULL || has_port (requests, request.port))
    return fail (error, "a port has no id of its own");
  if (request.bandwidth_mbps == 0)
    return fail (error, "a port has no bandwidth");
  if (requests->len == BAL_VF_PORTS_MAX)
    return fail (error, "there are more than 64 ports");
  request.uuid = g_strdup (uuid);
  if (!bal_vf_request_complete (&request, error))
    return FALSE;
  g_array_append_val (requests, request);
  bal_vf_request_init (&request);
  return TRUE;
}

static gboolean
is_ours (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && node->ns != NULL && node->ns->href != NULL
         && strcmp ((const char *)node->ns->href, BAL_VF_METADATA_URI) == 0
         && strcmp ((const char *)node->name, name) == 0;
}

static gboolean
read_ports (const xmlNode *ports, const char *uuid, GArray *requests, GError **error)
{
  if (ports->properties != NULL)
    return fail_name (error, "ports has an unknown attribute", ports->properties->ns,
                      ports->properties->name);
  for (const xmlNode *node = ports->children; node != NULL; node = node->next)
    {
      if (xmlIsBlankNode (node) || node->type == XML_COMMENT_NODE)
        continue;
      if (node->type != XML_ELEMENT_NODE)
        return fail (error, "ports holds something else than elements");
      if (!is_ours (node, "port"))
        return fail_name (error, "ports holds something else than port of the same namespace, a",
                          node->ns, node->name);
      if (!read_port (node, uuid, requests, error))
        return FALSE;
    }
  return TRUE;
}

/* The element of this version; *@unknown when there are only those of others. */
static gboolean
find_ports (const xmlNode *metadata, const xmlNode **ports, gboolean *unknown, GError **error)
{
  const xmlNode *first = metadata == NULL ? NULL : metadata->children;
  gboolean found_other = FALSE;

  *ports = NULL;
  for (const xmlNode *node = first; node != NULL; node = node->next)
    {
      if (is_ours (node, "ports"))
        {
          if (*ports != NULL)
            return fail (error, "there are two elements");
          *ports = node;
        }
      else if (node->type == XML_ELEMENT_NODE && node->ns != NULL && node->ns->href != NULL
               && g_str_has_prefix ((const char *)node->ns->href, URI_FAMILY))
        {
          if (strcmp ((const char *)node->ns->href, BAL_VF_METADATA_URI) == 0)
            return fail_name (error, "the element is not named ports but", node->ns, node->name);
          found_other = TRUE;
        }
    }
  if (unknown != NULL)
    *unknown = found_other && *ports == NULL;
  return TRUE;
}

static void
request_clear (gpointer data)
{
  bal_vf_request_clear (data);
}

GArray *
bal_vf_request_from_domain_xml (const char *xml, gboolean *unknown, GError **error)
{
  g_autoptr (GArray) requests = g_array_new (FALSE, FALSE, sizeof (BalVfRequest));
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  const xmlNode *ports;

  g_array_set_clear_func (requests, request_clear);
  if (document == NULL)
    return NULL;
  const xmlNode *domain = xmlDocGetRootElement (document);
  if (!find_ports (bal_xml_child (domain, "metadata"), &ports, unknown, error))
    return NULL;
  if (ports == NULL)
    return g_steal_pointer (&requests);

  g_autofree char *uuid_text = bal_xml_text (bal_xml_child (domain, "uuid"));
  g_autofree char *uuid = NULL;
  if (!bal_vf_parse_uuid ("The domain's uuid", uuid_text == NULL ? "" : uuid_text, &uuid, error)
      || !read_ports (ports, uuid, requests, error))
    return NULL;
  return g_steal_pointer (&requests);
}
