/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-vf-work.h"

#include <string.h>

#include "host-hook/failure.h"
#include "host-hook/xml-util.h"
#include "protocol/messages.h"

static BalVfWork *
work_new (BalVfWorkKind kind)
{
  BalVfWork *self = g_new0 (BalVfWork, 1);

  self->kind = kind;
  bal_vf_call_init (&self->call, BAL_VF_COMMAND_LIST);
  return self;
}

BalVfWork *
bal_vf_work_new_open (const char *root, const char *config_path, const BalVfNic *nic)
{
  BalVfWork *self = work_new (BAL_VF_WORK_OPEN);

  self->root = root;
  self->config_path = config_path;
  self->nic = nic;
  return self;
}

BalVfWork *
bal_vf_work_new_call (BalVfCall *call)
{
  BalVfWork *self = work_new (BAL_VF_WORK_CALL);

  self->call = *call;
  bal_vf_call_init (call, call->command);
  return self;
}

/* NULL: the XML does not say, and why. */
static char *
read_uuid (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  g_autofree char *text =
    document ? bal_xml_text (bal_xml_child (xmlDocGetRootElement (document), "uuid")) : NULL;
  char *uuid = NULL;

  if (document)
    bal_vf_parse_uuid ("The domain's uuid", text ? text : "", &uuid, error);
  return uuid;
}

BalVfWork *
bal_vf_work_new_hook (const BalHookCall *call)
{
  static const struct
  {
    const char *operation;
    const char *sub_operation;
    BalVfWorkKind kind;
  } kinds[] = {
    {"prepare", "begin", BAL_VF_WORK_PREPARE},
    {"migrate", "begin", BAL_VF_WORK_ARRIVE},
    {"restore", "begin", BAL_VF_WORK_ARRIVE},
    {"release", "end", BAL_VF_WORK_END},
  };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (call->operation, kinds[i].operation) == 0
        && strcmp (call->sub_operation, kinds[i].sub_operation) == 0)
      {
        BalVfWork *self = work_new (kinds[i].kind);
        self->xml = g_strndup (g_bytes_get_data (call->xml, NULL), g_bytes_get_size (call->xml));
        self->uuid = read_uuid (self->xml, NULL);
        return self;
      }
  return NULL;
}

BalVfWork *
bal_vf_work_new_settle (const char *uuid)
{
  BalVfWork *self = work_new (BAL_VF_WORK_SETTLE);

  self->uuid = g_strdup (uuid);
  return self;
}

BalVfWork *
bal_vf_work_new_reload (void)
{
  return work_new (BAL_VF_WORK_RELOAD);
}

void
bal_vf_work_free (BalVfWork *self)
{
  bal_vf_call_clear (&self->call);
  g_free (self->xml);
  g_free (self->uuid);
  g_clear_pointer (&self->service, bal_vf_service_free);
  g_clear_pointer (&self->result, json_object_unref);
  g_clear_error (&self->error);
  g_free (self);
}

gboolean
bal_vf_work_is_slow (const BalVfWork *self)
{
  return self->kind == BAL_VF_WORK_OPEN || self->kind == BAL_VF_WORK_SETTLE
         || self->kind == BAL_VF_WORK_RELOAD
         || (self->kind == BAL_VF_WORK_CALL && self->call.command != BAL_VF_COMMAND_LIST);
}

gboolean
bal_vf_work_is_for_answer (const BalVfWork *self)
{
  return self->kind == BAL_VF_WORK_CALL || self->kind == BAL_VF_WORK_PREPARE
         || self->kind == BAL_VF_WORK_ARRIVE;
}

gboolean
bal_vf_work_is_hook (const BalVfWork *self)
{
  return self->kind == BAL_VF_WORK_PREPARE || self->kind == BAL_VF_WORK_ARRIVE
         || self->kind == BAL_VF_WORK_END;
}

/* --- clients --- */

static JsonObject *
list (BalVfService *service, const BalVfCall *call, GError **error)
{
  return bal_vf_service_list (service, call->pf, error);
}

static JsonObject *
allocate (BalVfService *service, const BalVfCall *call, GError **error)
{
  JsonObject *port = NULL;
  JsonObject *result;

  if (!bal_vf_service_allocate (service, &call->request, call->in_config, &port, error))
    return NULL;
  result = json_object_new ();
  if (port)
    json_object_set_object_member (result, "port", port);
  return result;
}

static JsonObject *
release (BalVfService *service, const BalVfCall *call, GError **error)
{
  return bal_vf_service_release (service, call->uuid, call->port, call->in_config, error)
           ? json_object_new ()
           : NULL;
}

static JsonObject *
reconcile (BalVfService *service, const BalVfCall *call, GError **error)
{
  bal_vf_service_settle (service, NULL);
  return bal_vf_service_list (service, NULL, error);
}

static JsonObject *
detach (BalVfService *service, const BalVfCall *call, GError **error)
{
  return bal_vf_service_park (service, call->uuid, error) ? json_object_new () : NULL;
}

static JsonObject *
attach (BalVfService *service, const BalVfCall *call, GError **error)
{
  return bal_vf_service_unpark (service, call->uuid, error) ? json_object_new () : NULL;
}

/* --- hooks --- */

static void
arrive (BalVfWork *self, BalVfService *service)
{
  g_autofree char *xml = NULL;

  if (bal_vf_service_arrive (service, self->xml, &xml, &self->error) && xml)
    {
      self->result = json_object_new ();
      json_object_set_string_member (self->result, "xml", xml);
    }
}

static void
end (const BalVfWork *self, BalVfService *service, GError **error)
{
  g_autofree char *uuid = read_uuid (self->xml, error);

  if (uuid)
    bal_vf_service_end (service, uuid);
}

void
bal_vf_work_run (BalVfWork *self, BalVfService *service)
{
  static JsonObject *(*const calls[BAL_VF_COMMANDS]) (BalVfService *, const BalVfCall *,
                                                      GError **) = {
    [BAL_VF_COMMAND_LIST] = list,       [BAL_VF_COMMAND_ALLOCATE] = allocate,
    [BAL_VF_COMMAND_RELEASE] = release, [BAL_VF_COMMAND_RECONCILE] = reconcile,
    [BAL_VF_COMMAND_DETACH] = detach,   [BAL_VF_COMMAND_ATTACH] = attach,
  };

  switch (self->kind)
    {
    case BAL_VF_WORK_OPEN:
      self->service = bal_vf_service_new (self->root, self->config_path, self->nic, &self->error);
      break;
    case BAL_VF_WORK_CALL:
      self->result = calls[self->call.command](service, &self->call, &self->error);
      break;
    case BAL_VF_WORK_PREPARE:
      bal_vf_service_prepare (service, self->xml, &self->error);
      break;
    case BAL_VF_WORK_ARRIVE:
      arrive (self, service);
      break;
    case BAL_VF_WORK_END:
      end (self, service, &self->error);
      break;
    case BAL_VF_WORK_SETTLE:
      bal_vf_service_settle (service, self->uuid);
      break;
    case BAL_VF_WORK_RELOAD:
      bal_vf_service_reload (service, &self->error);
      break;
    }
  if (service)
    self->is_idle = bal_vf_service_is_idle (service);
}

const char *
bal_vf_work_error_class (const GError *error)
{
  const char *own = NULL;

  if (error->domain == BAL_VF_ERROR)
    own = bal_vf_error_class ((BalVfError)error->code);
  else if (g_error_matches (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND))
    own = bal_vf_error_class (BAL_VF_ERROR_NOT_FOUND);
  else if (error->domain == BAL_PROTOCOL_ERROR)
    own = bal_protocol_error_class ((BalProtocolError)error->code);
  return own ? own : bal_protocol_error_class (BAL_PROTOCOL_ERROR_GENERIC);
}
