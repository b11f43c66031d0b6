/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-request.h"

#include "host-hook/vf-error.h"
#include "host-hook/vf-json.h"

#include <string.h>

void
bal_vf_request_init (BalVfRequest *self)
{
  *self = (BalVfRequest){.numa_node = -1};
}

void
bal_vf_request_clear (BalVfRequest *self)
{
  g_free (self->uuid);
  g_free (self->port);
  g_free (self->mac);
  g_free (self->network);
  g_free (self->pf);
  g_free (self->standby);
  bal_vf_request_init (self);
}

void
bal_vf_request_copy (const BalVfRequest *self, BalVfRequest *out)
{
  *out = *self;
  out->uuid = g_strdup (self->uuid);
  out->port = g_strdup (self->port);
  out->mac = g_strdup (self->mac);
  out->network = g_strdup (self->network);
  out->pf = g_strdup (self->pf);
  out->standby = g_strdup (self->standby);
}

gboolean
bal_vf_request_equal (const BalVfRequest *a, const BalVfRequest *b)
{
  return g_strcmp0 (a->uuid, b->uuid) == 0 && g_strcmp0 (a->port, b->port) == 0
         && a->bandwidth_mbps == b->bandwidth_mbps && a->needs_minimum == b->needs_minimum
         && g_strcmp0 (a->mac, b->mac) == 0 && a->vlan == b->vlan && a->trust == b->trust
         && a->spoofchk == b->spoofchk && g_strcmp0 (a->network, b->network) == 0
         && a->numa_node == b->numa_node && g_strcmp0 (a->pf, b->pf) == 0
         && g_strcmp0 (a->standby, b->standby) == 0;
}

gboolean
bal_vf_request_complete (BalVfRequest *self, GError **error)
{
  char mac[BAL_VF_MAC_SIZE];

  if (self->mac != NULL)
    return TRUE;
  if (self->standby != NULL)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID,
                   "standby \"%s\" needs a mac, which must be that interface's", self->standby);
      return FALSE;
    }
  bal_vf_derive_mac (self->uuid, self->port, mac);
  self->mac = g_strdup (mac);
  return TRUE;
}

/* --- JSON --- */

/* Checks it, for its error. */
static gboolean
take_bandwidth (const char *name, const char *text, char **out, GError **error)
{
  guint mbps;

  if (!bal_vf_parse_bandwidth (name, text, &mbps, error))
    return FALSE;
  *out = g_strdup (text);
  return TRUE;
}

static gboolean
read_bandwidth (const BalJsonReader *reader, guint *out_mbps, GError **error)
{
  g_autofree char *text = NULL;

  return bal_vf_read_string (reader, BAL_REQUIRED, "bandwidth", take_bandwidth, &text, error)
         && bal_vf_parse_bandwidth ("bandwidth", text, out_mbps, NULL);
}

/* A number, or "domain". */
static gboolean
read_numa (const BalJsonReader *reader, int *out, GError **error)
{
  JsonNode *node = json_object_get_member (reader->object, "numa");
  guint64 number = 0;

  if (node == NULL
      || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
          && strcmp (json_node_get_string (node), "domain") == 0))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return bal_read_fail (reader, error, "\"numa\" is not a NUMA node's number or \"domain\"");
  if (!bal_read_uint (reader, BAL_REQUIRED, "numa", 0, BAL_VF_NUMA_NODE_MAX, &number, error))
    return FALSE;
  *out = (int)number;
  return TRUE;
}

/* The reader says in which domain. */
static gboolean
complete (const BalJsonReader *reader, BalVfRequest *out, GError **error)
{
  g_autoptr (GError) cause = NULL;

  return bal_vf_request_complete (out, &cause)
         || bal_read_fail (reader, error, "%s", cause->message);
}

static gboolean
read_members (const BalJsonReader *reader, BalVfRequest *out, GError **error)
{
  static const char *const allowed[] = {"domain", "port",    "bandwidth", "minimum", "mac",
                                        "vlan",   "trust",   "spoofchk",  "network", "numa",
                                        "pf",     "standby", NULL};
  return bal_read_only (reader, allowed, error)
         && bal_vf_read_string (reader, BAL_REQUIRED, "domain", bal_vf_parse_uuid, &out->uuid,
                                error)
         && bal_read_token (reader, BAL_REQUIRED, "port", &out->port, error)
         && read_bandwidth (reader, &out->bandwidth_mbps, error)
         && bal_read_bool (reader, BAL_OPTIONAL, "minimum", &out->needs_minimum, error)
         && bal_vf_read_string (reader, BAL_OPTIONAL, "mac", bal_vf_parse_mac, &out->mac, error)
         && bal_vf_read_number (reader, BAL_OPTIONAL, "vlan", 1, BAL_VF_VLAN_MAX, &out->vlan, error)
         && bal_vf_read_switch (reader, "trust", &out->trust, error)
         && bal_vf_read_switch (reader, "spoofchk", &out->spoofchk, error)
         && bal_read_token (reader, BAL_OPTIONAL, "network", &out->network, error)
         && read_numa (reader, &out->numa_node, error)
         && bal_vf_read_string (reader, BAL_OPTIONAL, "pf", bal_vf_parse_device, &out->pf, error)
         && bal_vf_read_string (reader, BAL_OPTIONAL, "standby", bal_vf_parse_alias, &out->standby,
                                error)
         && complete (reader, out, error);
}

gboolean
bal_vf_request_read (const BalJsonReader *reader, BalVfRequest *out, GError **error)
{
  bal_vf_request_init (out);
  if (read_members (reader, out, error))
    return TRUE;
  bal_vf_request_clear (out);
  return FALSE;
}

JsonObject *
bal_vf_request_build (const BalVfRequest *self)
{
  JsonObject *object = json_object_new ();
  g_autofree char *bandwidth = bal_vf_format_bandwidth (self->bandwidth_mbps);

  bal_vf_set_string (object, "domain", self->uuid);
  bal_vf_set_string (object, "port", self->port);
  bal_vf_set_string (object, "bandwidth", bandwidth);
  if (self->needs_minimum)
    json_object_set_boolean_member (object, "minimum", TRUE);
  bal_vf_set_string (object, "mac", self->mac);
  if (self->vlan != 0)
    json_object_set_int_member (object, "vlan", self->vlan);
  bal_vf_set_switch (object, "trust", self->trust);
  bal_vf_set_switch (object, "spoofchk", self->spoofchk);
  bal_vf_set_string (object, "network", self->network);
  if (self->numa_node >= 0)
    json_object_set_int_member (object, "numa", self->numa_node);
  bal_vf_set_string (object, "pf", self->pf);
  bal_vf_set_string (object, "standby", self->standby);
  return object;
}
