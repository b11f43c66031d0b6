/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-port-info.h"

#include "host-hook/vf-json.h"

#include <string.h>

static const char *const enforced_names[] = {
  [BAL_VF_NOT_ENFORCED] = "no",
  [BAL_VF_ENFORCED] = "yes",
  [BAL_VF_NOT_SUPPORTED] = "not-supported",
};

const char *
bal_vf_enforced_name (BalVfEnforced enforced)
{
  return enforced_names[enforced];
}

static BalVfEnforced
enforced (const BalVfEntry *entry, guint which)
{
  if ((entry->refused & which) != 0)
    return BAL_VF_NOT_SUPPORTED;
  return (entry->set & which) != 0 ? BAL_VF_ENFORCED : BAL_VF_NOT_ENFORCED;
}

void
bal_vf_port_info_from_entry (const BalVfEntry *entry, BalVfPortInfo *out)
{
  *out = (BalVfPortInfo){
    .uuid = g_strdup (entry->request.uuid),
    .port = g_strdup (entry->request.port),
    .state = entry->state,
    .pf = g_strdup (entry->pf_netdev),
    .pf_pci = g_strdup (entry->pf_pci),
    .vf_index = entry->vf_index,
    .vf_pci = g_strdup (entry->vf_pci),
    .mac = g_strdup (entry->request.mac),
    .vlan = entry->request.vlan,
    .network = g_strdup (entry->request.network),
    .bandwidth_mbps = entry->request.bandwidth_mbps,
    .max_rate = enforced (entry, BAL_VF_SET_MAX_RATE),
    .min_rate = enforced (entry, BAL_VF_SET_MIN_RATE),
    .link_state = enforced (entry, BAL_VF_SET_LINK_STATE),
    .trust = entry->request.trust,
    .spoofchk = entry->request.spoofchk,
    .why = g_strdup (entry->why),
  };
}

void
bal_vf_port_info_clear (BalVfPortInfo *self)
{
  g_free (self->uuid);
  g_free (self->port);
  g_free (self->pf);
  g_free (self->pf_pci);
  g_free (self->vf_pci);
  g_free (self->mac);
  g_free (self->network);
  g_free (self->why);
  memset (self, 0, sizeof *self);
}

/* --- writing --- */

JsonObject *
bal_vf_port_info_build (const BalVfPortInfo *self)
{
  JsonObject *object = json_object_new ();

  bal_vf_set_string (object, "domain", self->uuid);
  bal_vf_set_string (object, "port", self->port);
  bal_vf_set_string (object, "state", bal_vf_state_name (self->state));
  bal_vf_set_string (object, "pf", self->pf);
  bal_vf_set_string (object, "pf-pci", self->pf_pci);
  json_object_set_int_member (object, "vf", self->vf_index);
  bal_vf_set_string (object, "vf-pci", self->vf_pci);
  bal_vf_set_string (object, "mac", self->mac);
  if (self->vlan != 0)
    json_object_set_int_member (object, "vlan", self->vlan);
  bal_vf_set_string (object, "network", self->network);
  json_object_set_int_member (object, "bandwidth-mbps", self->bandwidth_mbps);
  bal_vf_set_string (object, "max-rate-enforced", enforced_names[self->max_rate]);
  bal_vf_set_string (object, "min-rate-enforced", enforced_names[self->min_rate]);
  bal_vf_set_string (object, "link-state-enforced", enforced_names[self->link_state]);
  bal_vf_set_switch (object, "trust", self->trust);
  bal_vf_set_switch (object, "spoofchk", self->spoofchk);
  bal_vf_set_string (object, "why", self->why);
  return object;
}

/* --- reading --- */

static gboolean
read_enforced (const BalJsonReader *reader, const char *name, BalVfEnforced *out, GError **error)
{
  guint value = 0;

  if (!bal_vf_read_name (reader, name, enforced_names, G_N_ELEMENTS (enforced_names), &value,
                         error))
    return FALSE;
  *out = (BalVfEnforced)value;
  return TRUE;
}

static gboolean
read_state (const BalJsonReader *reader, BalVfState *out, GError **error)
{
  const char *names[BAL_VF_STATES];
  guint state = 0;

  for (guint i = 0; i < BAL_VF_STATES; i++)
    names[i] = bal_vf_state_name ((BalVfState)i);
  if (!bal_vf_read_name (reader, "state", names, BAL_VF_STATES, &state, error))
    return FALSE;
  *out = (BalVfState)state;
  return TRUE;
}

static gboolean
read_numbers (const BalJsonReader *reader, BalVfPortInfo *out, GError **error)
{
  return bal_vf_read_number (reader, BAL_REQUIRED, "vf", 0, BAL_VF_COUNT_MAX, &out->vf_index, error)
         && bal_vf_read_number (reader, BAL_OPTIONAL, "vlan", 1, BAL_VF_VLAN_MAX, &out->vlan, error)
         && bal_vf_read_number (reader, BAL_REQUIRED, "bandwidth-mbps", 1,
                                BAL_VF_BANDWIDTH_MAX_MBPS, &out->bandwidth_mbps, error)
         && read_state (reader, &out->state, error);
}

static gboolean
read_members (const BalJsonReader *reader, BalVfPortInfo *out, GError **error)
{
  return bal_vf_read_string (reader, BAL_REQUIRED, "domain", bal_vf_parse_uuid, &out->uuid, error)
         && bal_read_token (reader, BAL_REQUIRED, "port", &out->port, error)
         && read_numbers (reader, out, error)
         && bal_vf_read_string (reader, BAL_REQUIRED, "pf", bal_vf_parse_device, &out->pf, error)
         && bal_vf_read_string (reader, BAL_REQUIRED, "pf-pci", bal_vf_parse_device, &out->pf_pci,
                                error)
         && bal_vf_read_string (reader, BAL_REQUIRED, "vf-pci", bal_vf_parse_device, &out->vf_pci,
                                error)
         && bal_vf_read_string (reader, BAL_OPTIONAL, "mac", bal_vf_parse_mac, &out->mac, error)
         && bal_read_token (reader, BAL_OPTIONAL, "network", &out->network, error)
         && read_enforced (reader, "max-rate-enforced", &out->max_rate, error)
         && read_enforced (reader, "min-rate-enforced", &out->min_rate, error)
         && read_enforced (reader, "link-state-enforced", &out->link_state, error)
         && bal_vf_read_switch (reader, "trust", &out->trust, error)
         && bal_vf_read_switch (reader, "spoofchk", &out->spoofchk, error)
         && (!json_object_has_member (reader->object, "why")
             || bal_read_text (reader, "why", &out->why, error));
}

gboolean
bal_vf_port_info_read (const BalJsonReader *reader, BalVfPortInfo *out, GError **error)
{
  memset (out, 0, sizeof *out);
  if (read_members (reader, out, error))
    return TRUE;
  bal_vf_port_info_clear (out);
  return FALSE;
}
