/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-message-vf.h"

#include "host-hook/vf-json.h"

#include <string.h>

static const char *const names[BAL_VF_COMMANDS] = {
  [BAL_VF_COMMAND_LIST] = "vf-list",       [BAL_VF_COMMAND_ALLOCATE] = "vf-allocate",
  [BAL_VF_COMMAND_RELEASE] = "vf-release", [BAL_VF_COMMAND_RECONCILE] = "vf-reconcile",
  [BAL_VF_COMMAND_DETACH] = "vf-detach",   [BAL_VF_COMMAND_ATTACH] = "vf-attach",
};

static const struct
{
  BalVfError code;
  const char *name;
} classes[] = {
  {BAL_VF_ERROR_INVALID, "VfInvalid"},   {BAL_VF_ERROR_REFUSED, "VfRefused"},
  {BAL_VF_ERROR_CONFLICT, "VfConflict"}, {BAL_VF_ERROR_NOT_FOUND, "VfNotFound"},
  {BAL_VF_ERROR_HARDWARE, "VfHardware"}, {BAL_VF_ERROR_LEDGER, "VfLedger"},
};

const char *
bal_vf_error_class (BalVfError code)
{
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (classes[i].code == code)
      return classes[i].name;
  return NULL;
}

gboolean
bal_vf_error_from_class (const char *error_class, BalVfError *out)
{
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strcmp (classes[i].name, error_class) == 0)
      {
        *out = classes[i].code;
        return TRUE;
      }
  return FALSE;
}

const char *
bal_vf_command_name (BalVfCommand command)
{
  return names[command];
}

gboolean
bal_vf_command_from_name (const char *name, BalVfCommand *out)
{
  for (guint i = 0; i < BAL_VF_COMMANDS; i++)
    if (strcmp (names[i], name) == 0)
      {
        *out = (BalVfCommand)i;
        return TRUE;
      }
  return FALSE;
}

void
bal_vf_call_init (BalVfCall *self, BalVfCommand command)
{
  *self = (BalVfCall){.command = command};
  bal_vf_request_init (&self->request);
}

void
bal_vf_call_clear (BalVfCall *self)
{
  bal_vf_request_clear (&self->request);
  g_clear_pointer (&self->pf, g_free);
  g_clear_pointer (&self->uuid, g_free);
  g_clear_pointer (&self->port, g_free);
}

/* --- reading --- */

static gboolean
read_list (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  static const char *const allowed[] = {"pf", NULL};

  return bal_read_only (reader, allowed, error)
         && bal_vf_read_string (reader, BAL_OPTIONAL, "pf", bal_vf_parse_device, &out->pf, error);
}

/* The request's own reader takes its members and no other. */
static gboolean
read_allocate (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  g_autoptr (JsonObject) members = json_object_new ();
  BalJsonReader request = *reader;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, reader->object);
  while (json_object_iter_next (&iter, &name, &node))
    if (strcmp (name, "config") != 0)
      json_object_set_member (members, name, json_node_copy (node));
  request.object = members;
  return bal_read_bool (reader, BAL_OPTIONAL, "config", &out->in_config, error)
         && bal_vf_request_read (&request, &out->request, error);
}

static gboolean
read_uuid (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  return bal_vf_read_string (reader, BAL_REQUIRED, "domain", bal_vf_parse_uuid, &out->uuid, error);
}

static gboolean
read_release (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  static const char *const allowed[] = {"domain", "port", "config", NULL};

  return bal_read_only (reader, allowed, error) && read_uuid (reader, out, error)
         && bal_read_token (reader, BAL_OPTIONAL, "port", &out->port, error)
         && bal_read_bool (reader, BAL_OPTIONAL, "config", &out->in_config, error);
}

static gboolean
read_reconcile (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  static const char *const allowed[] = {NULL};

  return bal_read_only (reader, allowed, error);
}

static gboolean
read_domain (const BalJsonReader *reader, BalVfCall *out, GError **error)
{
  static const char *const allowed[] = {"domain", NULL};

  return bal_read_only (reader, allowed, error) && read_uuid (reader, out, error);
}

gboolean
bal_vf_call_read (BalVfCommand command, JsonObject *arguments, BalVfCall *out, GError **error)
{
  static gboolean (*const readers[BAL_VF_COMMANDS]) (const BalJsonReader *, BalVfCall *,
                                                     GError **) = {
    [BAL_VF_COMMAND_LIST] = read_list,       [BAL_VF_COMMAND_ALLOCATE] = read_allocate,
    [BAL_VF_COMMAND_RELEASE] = read_release, [BAL_VF_COMMAND_RECONCILE] = read_reconcile,
    [BAL_VF_COMMAND_DETACH] = read_domain,   [BAL_VF_COMMAND_ATTACH] = read_domain,
  };
  BalJsonReader reader = {arguments, BAL_VF_ERROR, BAL_VF_ERROR_INVALID, "Argument"};

  bal_vf_call_init (out, command);
  if (readers[command](&reader, out, error))
    return TRUE;
  bal_vf_call_clear (out);
  return FALSE;
}

/* --- writing --- */

JsonObject *
bal_vf_call_build (const BalVfCall *self)
{
  gboolean is_request = self->command == BAL_VF_COMMAND_ALLOCATE;
  JsonObject *object = is_request ? bal_vf_request_build (&self->request) : json_object_new ();

  if (!is_request)
    {
      bal_vf_set_string (object, "pf", self->pf);
      bal_vf_set_string (object, "domain", self->uuid);
      bal_vf_set_string (object, "port", self->port);
    }
  if (self->in_config)
    json_object_set_boolean_member (object, "config", TRUE);
  return object;
}
