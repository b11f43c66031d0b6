/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-entry.h"

#include "host-hook/vf-json.h"
#include "protocol/codec.h"

#include <string.h>

static const char *const state_names[BAL_VF_STATES] = {
  [BAL_VF_RESERVED] = "reserved",
  [BAL_VF_ATTACHED] = "attached",
  [BAL_VF_FAILED] = "failed",
  [BAL_VF_RELEASING] = "releasing",
};

const char *
bal_vf_state_name (BalVfState state)
{
  g_assert ((guint)state < BAL_VF_STATES);
  return state_names[state];
}

BalVfEntry *
bal_vf_entry_new (const BalVfRequest *request)
{
  BalVfEntry *self = g_atomic_rc_box_new0 (BalVfEntry);
  bal_vf_request_copy (request, &self->request);
  return self;
}

BalVfEntry *
bal_vf_entry_copy (const BalVfEntry *self)
{
  BalVfEntry *copy = g_atomic_rc_box_new (BalVfEntry);
  *copy = *self;
  bal_vf_request_copy (&self->request, &copy->request);
  copy->why = g_strdup (self->why);
  return copy;
}

BalVfEntry *
bal_vf_entry_share (const BalVfEntry *self)
{
  return g_atomic_rc_box_acquire ((gpointer)self);
}

static void
clear (gpointer data)
{
  BalVfEntry *self = data;

  bal_vf_request_clear (&self->request);
  g_free (self->why);
}

void
bal_vf_entry_free (BalVfEntry *self)
{
  g_atomic_rc_box_release_full (self, clear);
}

void
bal_vf_entry_set_why (BalVfEntry *self, const char *why)
{
  char *copy = why == NULL ? NULL : bal_escape_for_display (why);
  g_free (self->why);
  self->why = copy;
}

/* --- writing --- */

static JsonObject *
build_settings (const BalVfSettings *settings)
{
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "mac", settings->mac);
  json_object_set_int_member (object, "vlan", settings->vlan);
  json_object_set_int_member (object, "max-rate-mbps", settings->max_rate_mbps);
  json_object_set_int_member (object, "min-rate-mbps", settings->min_rate_mbps);
  json_object_set_int_member (object, "trust", settings->trust);
  json_object_set_int_member (object, "spoofchk", settings->spoofchk);
  json_object_set_int_member (object, "link-state", settings->link_state);
  return object;
}

JsonObject *
bal_vf_entry_build (const BalVfEntry *self)
{
  JsonObject *object = json_object_new ();
  json_object_set_object_member (object, "request", bal_vf_request_build (&self->request));
  json_object_set_boolean_member (object, "required", self->request.required);
  json_object_set_boolean_member (object, "from-metadata", self->from_metadata);
  json_object_set_string_member (object, "state", bal_vf_state_name (self->state));
  json_object_set_string_member (object, "pf", self->pf_netdev);
  json_object_set_string_member (object, "pf-pci", self->pf_pci);
  json_object_set_int_member (object, "capacity-mbps", self->capacity_mbps);
  json_object_set_int_member (object, "vf", self->vf_index);
  json_object_set_string_member (object, "vf-pci", self->vf_pci);
  json_object_set_int_member (object, "set", self->set);
  json_object_set_int_member (object, "refused", self->refused);
  if (self->set != 0)
    json_object_set_object_member (object, "before", build_settings (&self->before));
  json_object_set_int_member (object, "created-us", self->created_us);
  json_object_set_int_member (object, "changed-us", self->changed_us);
  json_object_set_string_member (object, "boot-id", self->boot_id);
  json_object_set_int_member (object, "expires-us", self->expires_us);
  if (self->why != NULL)
    json_object_set_string_member (object, "why", self->why);
  return object;
}

/* --- reading --- */

static gboolean
parse_mac_or_none (const char *name, const char *text, char **out, GError **error)
{
  if (strcmp (text, BAL_VF_MAC_NONE) != 0)
    return bal_vf_parse_mac (name, text, out, error);
  *out = g_strdup (text);
  return TRUE;
}

static gboolean
read_mac (const BalJsonReader *reader, char *out, GError **error)
{
  return bal_vf_read_into (reader, "mac", parse_mac_or_none, out, BAL_VF_MAC_SIZE, error);
}

static gboolean
read_state (const BalJsonReader *reader, BalVfState *out, GError **error)
{
  guint state;

  if (!bal_vf_read_name (reader, "state", state_names, BAL_VF_STATES, &state, error))
    return FALSE;
  *out = (BalVfState)state;
  return TRUE;
}

static gboolean
read_before (const BalJsonReader *entry, BalVfEntry *out, GError **error)
{
  static const char *const allowed[] = {"mac",   "vlan",     "max-rate-mbps", "min-rate-mbps",
                                        "trust", "spoofchk", "link-state",    NULL};
  BalJsonReader reader;
  guint trust = 0;
  guint spoofchk = 0;
  guint link_state = 0;

  if (out->set == 0)
    return TRUE;
  if (!bal_read_object (entry, BAL_REQUIRED, "before", &reader, error)
      || !bal_read_only (&reader, allowed, error) || !read_mac (&reader, out->before.mac, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "vlan", 0, BAL_VF_VLAN_MAX + 1,
                              &out->before.vlan, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "max-rate-mbps", 0, G_MAXINT,
                              &out->before.max_rate_mbps, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "min-rate-mbps", 0, G_MAXINT,
                              &out->before.min_rate_mbps, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "trust", 0, BAL_VF_ON, &trust, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "spoofchk", 0, BAL_VF_ON, &spoofchk, error)
      || !bal_vf_read_number (&reader, BAL_REQUIRED, "link-state", 0, BAL_VF_LINK_DISABLE,
                              &link_state, error))
    return FALSE;
  out->before.trust = (BalVfSwitch)trust;
  out->before.spoofchk = (BalVfSwitch)spoofchk;
  out->before.link_state = (BalVfLinkState)link_state;
  return TRUE;
}

static gboolean
read_place (const BalJsonReader *reader, BalVfEntry *out, GError **error)
{
  return bal_vf_read_into (reader, "pf", bal_vf_parse_device, out->pf_netdev, sizeof out->pf_netdev,
                           error)
         && bal_vf_read_into (reader, "pf-pci", bal_vf_parse_device, out->pf_pci,
                              sizeof out->pf_pci, error)
         && bal_vf_read_number (reader, BAL_REQUIRED, "capacity-mbps", 0, BAL_VF_BANDWIDTH_MAX_MBPS,
                                &out->capacity_mbps, error)
         && bal_vf_read_number (reader, BAL_REQUIRED, "vf", 0, BAL_VF_COUNT_MAX, &out->vf_index,
                                error)
         && bal_vf_read_into (reader, "vf-pci", bal_vf_parse_device, out->vf_pci,
                              sizeof out->vf_pci, error);
}

static gboolean
read_why (const BalJsonReader *reader, char **out, GError **error)
{
  return !json_object_has_member (reader->object, "why")
         || bal_read_text (reader, "why", out, error);
}

static gboolean
read_members (const BalJsonReader *reader, BalVfEntry *out, GError **error)
{
  static const char *const allowed[] = {"request",    "required",   "from-metadata",
                                        "state",      "pf",         "pf-pci",
                                        "vf",         "vf-pci",     "capacity-mbps",
                                        "set",        "refused",    "before",
                                        "why",        "boot-id",    "created-us",
                                        "changed-us", "expires-us", NULL};
  BalJsonReader request;

  return bal_read_only (reader, allowed, error)
         && bal_read_object (reader, BAL_REQUIRED, "request", &request, error)
         && bal_vf_request_read (&request, &out->request, error)
         && bal_read_bool (reader, BAL_REQUIRED, "required", &out->request.required, error)
         && bal_read_bool (reader, BAL_REQUIRED, "from-metadata", &out->from_metadata, error)
         && read_state (reader, &out->state, error) && read_place (reader, out, error)
         && bal_vf_read_number (reader, BAL_REQUIRED, "set", 0, BAL_VF_SET_ALL, &out->set, error)
         && bal_vf_read_number (reader, BAL_REQUIRED, "refused", 0, BAL_VF_SET_ALL, &out->refused,
                                error)
         && read_before (reader, out, error)
         && bal_read_int (reader, "created-us", &out->created_us, error)
         && bal_read_int (reader, "changed-us", &out->changed_us, error)
         && bal_vf_read_into (reader, "boot-id", bal_vf_parse_uuid, out->boot_id,
                              sizeof out->boot_id, error)
         && bal_read_int (reader, "expires-us", &out->expires_us, error)
         && read_why (reader, &out->why, error);
}

BalVfEntry *
bal_vf_entry_read (const BalJsonReader *reader, GError **error)
{
  g_autoptr (BalVfEntry) self = g_atomic_rc_box_new0 (BalVfEntry);

  bal_vf_request_init (&self->request);
  return read_members (reader, self, error) ? g_steal_pointer (&self) : NULL;
}
