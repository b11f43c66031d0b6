/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `ballast vf allocate` and `release`. */
#include "host-hook/cmd-vf.h"

#include "host-hook/failure.h"

#define ALLOCATE_USAGE                                                                             \
  "--domain DOMAIN --port NAME --bandwidth BANDWIDTH\n\nGives DOMAIN (name or UUID) a VF of a "    \
  "physical function (PF) with more than BANDWIDTH\n(500Mbit, 2.5Gbit) left, as a network "        \
  "interface, and prints which. Asked again for the same\nit prints the same."

#define RELEASE_USAGE                                                                              \
  "--domain DOMAIN [--port NAME]\n\nTakes the port NAME, or all of them, from DOMAIN (name or "    \
  "UUID) and waits for the guest to let\ngo of it."

/* As they were typed. */
typedef struct
{
  char *domain;
  char *port;
  char *bandwidth;
  char *mac;
  char *vlan;
  char *trust;
  char *spoofchk;
  char *network;
  char *numa;
  char *pf;
  char *standby;
  gboolean minimum;
  gboolean config;
} Options;

static void
options_clear (Options *self)
{
  char **const texts[] = {&self->domain, &self->port,  &self->bandwidth, &self->mac,
                          &self->vlan,   &self->trust, &self->spoofchk,  &self->network,
                          &self->numa,   &self->pf,    &self->standby};

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer (texts[i], g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
require (const char *name, const char *value, GError **error)
{
  if (value)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s is missing; nothing was touched",
               name);
  return FALSE;
}

/* ballastd has the domain's UUID alone, which is not what was @typed. */
static JsonObject *
call_by_name (const BalVfCall *call, const char *uuid, const char *typed, GError **error)
{
  g_autoptr (GError) failure = NULL;
  JsonObject *answer = bal_vf_client_call ("", call, &failure);
  g_autoptr (GString) text = NULL;

  if (answer)
    return answer;
  text = g_string_new (failure->message);
  g_string_replace (text, uuid, typed, 0);
  g_set_error_literal (error, failure->domain, failure->code, text->str);
  return NULL;
}

/* --- allocate --- */

static gboolean
parse_allocate (BalCli *cli, Options *self, char **words, GError **error)
{
  const GOptionEntry entries[] = {
    {"domain", 0, 0, G_OPTION_ARG_STRING, &self->domain, "The domain, by name or UUID", "DOMAIN"},
    {"port", 0, 0, G_OPTION_ARG_STRING, &self->port, "The port's name, unique in the domain",
     "NAME"},
    {"bandwidth", 0, 0, G_OPTION_ARG_STRING, &self->bandwidth, "What the port needs", "BANDWIDTH"},
    {"minimum", 0, 0, G_OPTION_ARG_NONE, &self->minimum,
     "The NIC itself must guarantee the bandwidth", NULL},
    {"mac", 0, 0, G_OPTION_ARG_STRING, &self->mac, "The port's MAC address", "MAC"},
    {"vlan", 0, 0, G_OPTION_ARG_STRING, &self->vlan,
     "The VLAN that the NIC puts the port in, 1-4094", "VLAN"},
    {"trust", 0, 0, G_OPTION_ARG_STRING, &self->trust,
     "Whether the guest may change what the NIC otherwise fixes", "on|off"},
    {"spoofchk", 0, 0, G_OPTION_ARG_STRING, &self->spoofchk,
     "Whether the NIC drops what has another source address", "on|off"},
    {"network", 0, 0, G_OPTION_ARG_STRING, &self->network,
     "The physical network, as vf.conf names it", "NAME"},
    {"numa", 0, 0, G_OPTION_ARG_STRING, &self->numa, "The preferred NUMA node (default: domain)",
     "NODE|domain"},
    {"pf", 0, 0, G_OPTION_ARG_STRING, &self->pf, "The PF that it must be", "PF"},
    {"standby", 0, 0, G_OPTION_ARG_STRING, &self->standby,
     "The domain's virtio interface (ua-...) that the VF teams with; --mac is its address",
     "ALIAS"},
    {"config", 0, 0, G_OPTION_ARG_NONE, &self->config,
     "Ask in the domain's definition as well, for each start to come", NULL},
    {0},
  };

  return bal_cmd_vf_parse (cli, ALLOCATE_USAGE, entries, words, NULL, error)
         && require ("--domain", self->domain, error) && require ("--port", self->port, error)
         && require ("--bandwidth", self->bandwidth, error);
}

/* All but the domain. */
static gboolean
read_options (const Options *self, BalVfRequest *out, GError **error)
{
  out->needs_minimum = self->minimum;
  return bal_vf_parse_token ("--port", self->port, &out->port, error)
         && bal_vf_parse_bandwidth ("--bandwidth", self->bandwidth, &out->bandwidth_mbps, error)
         && (!self->mac || bal_vf_parse_mac ("--mac", self->mac, &out->mac, error))
         && (!self->vlan || bal_vf_parse_vlan ("--vlan", self->vlan, &out->vlan, error))
         && (!self->trust || bal_vf_parse_switch ("--trust", self->trust, &out->trust, error))
         && (!self->spoofchk
             || bal_vf_parse_switch ("--spoofchk", self->spoofchk, &out->spoofchk, error))
         && (!self->network
             || bal_vf_parse_token ("--network", self->network, &out->network, error))
         && (!self->numa || bal_vf_parse_numa ("--numa", self->numa, &out->numa_node, error))
         && (!self->pf || bal_vf_parse_device ("--pf", self->pf, &out->pf, error))
         && (!self->standby
             || bal_vf_parse_alias ("--standby", self->standby, &out->standby, error));
}

static gboolean
read_request (BalCli *cli, const Options *options, BalVfRequest *out, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (read_options (options, out, &failure)
      && (out->uuid = bal_cmd_vf_find_domain (cli, options->domain, error))
      && bal_vf_request_complete (out, &failure))
    return TRUE;
  if (failure)
    g_propagate_prefixed_error (error, g_steal_pointer (&failure), "Nothing was touched: ");
  return FALSE;
}

static gboolean
print_allocated (BalCli *cli, const BalVfCall *call, JsonObject *answer, GError **error)
{
  JsonNode *port = json_object_get_member (answer, "port");

  if (cli->json)
    bal_cmd_vf_print_json (answer);
  else if (port && JSON_NODE_HOLDS_OBJECT (port))
    {
      bal_cmd_vf_connect_for_names (cli);
      if (!bal_cmd_vf_print_port (cli, json_node_get_object (port), error))
        {
          g_prefix_error (error, "Port %s has its VF: ", call->request.port);
          return FALSE;
        }
    }
  else
    bal_say (stdout, "Port %s is in the domain's definition: its next start asks for the VF.",
             call->request.port);
  return TRUE;
}

gboolean
bal_cmd_vf_allocate (BalCli *cli, char **words, GError **error)
{
  g_auto (Options) options = {0};
  g_auto (BalVfCall) call = {0};
  g_autoptr (JsonObject) answer = NULL;

  bal_vf_call_init (&call, BAL_VF_COMMAND_ALLOCATE);
  if (!parse_allocate (cli, &options, words, error)
      || !read_request (cli, &options, &call.request, error))
    return FALSE;
  call.in_config = options.config;
  answer = call_by_name (&call, call.request.uuid, options.domain, error);
  return answer && print_allocated (cli, &call, answer, error);
}

/* --- release --- */

static gboolean
parse_release (BalCli *cli, Options *self, char **words, GError **error)
{
  const GOptionEntry entries[] = {
    {"domain", 0, 0, G_OPTION_ARG_STRING, &self->domain, "The domain, by name or UUID", "DOMAIN"},
    {"port", 0, 0, G_OPTION_ARG_STRING, &self->port, "The port (default: all of the domain's)",
     "NAME"},
    {"config", 0, 0, G_OPTION_ARG_NONE, &self->config,
     "Take it out of the domain's definition as well", NULL},
    {0},
  };

  return bal_cmd_vf_parse (cli, RELEASE_USAGE, entries, words, NULL, error)
         && require ("--domain", self->domain, error);
}

gboolean
bal_cmd_vf_release (BalCli *cli, char **words, GError **error)
{
  g_auto (Options) options = {0};
  g_auto (BalVfCall) call = {0};
  g_autoptr (JsonObject) answer = NULL;

  bal_vf_call_init (&call, BAL_VF_COMMAND_RELEASE);
  if (!parse_release (cli, &options, words, error)
      || (options.port && !bal_vf_parse_token ("--port", options.port, &call.port, error)))
    return FALSE;
  call.in_config = options.config;
  call.uuid = bal_cmd_vf_find_domain (cli, options.domain, error);
  answer = call.uuid ? call_by_name (&call, call.uuid, options.domain, error) : NULL;
  if (!answer)
    return FALSE;
  if (cli->json)
    puts ("{}");
  else if (call.in_config && call.port)
    bal_say (stdout,
             "Port %s is not in the domain's definition any more: its next start does not ask for "
             "it.",
             call.port);
  else if (call.in_config)
    puts ("No port is in the domain's definition any more: its next start asks for none.");
  return TRUE;
}
