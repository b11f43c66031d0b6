/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `ballast vf list`, `show` and `reconcile`: what there is. */
#include "host-hook/cmd-vf.h"

#include <string.h>

#include "host-hook/failure.h"
#include "host-hook/vf-error.h"

#define LIST_USAGE                                                                                 \
  "\n\nPrints this host's physical functions (PFs), what is left of their bandwidth, and the "     \
  "ports\nthat domains have."

#define SHOW_USAGE                                                                                 \
  "NAME...\n\nPrints all about ports and physical functions (PFs). NAME is a port's name, or "     \
  "DOMAIN/PORT\nwith the domain's UUID, a PF's network interface or PCI address, or a VF's PCI "   \
  "address."

#define RECONCILE_USAGE                                                                            \
  "\n\nGoes on now with what failed or was interrupted, as ballastd does every 15 s and whenever " \
  "a\ndomain comes or goes. Then prints the list."

static gboolean
ask_and_print (BalCli *cli, const BalVfCall *call, GError **error)
{
  g_autoptr (JsonObject) list = bal_vf_client_call ("", call, error);

  if (!list)
    return FALSE;
  if (!cli->json)
    return bal_cmd_vf_print_list (cli, list, error);
  bal_cmd_vf_print_json (list);
  return TRUE;
}

gboolean
bal_cmd_vf_list (BalCli *cli, char **words, GError **error)
{
  g_auto (BalVfCall) call = {0};
  g_autofree char *pf = NULL;
  const GOptionEntry entries[] = {
    {"pf", 0, 0, G_OPTION_ARG_STRING, &pf, "Of this PF alone (network interface or PCI address)",
     "PF"},
    {0},
  };

  bal_vf_call_init (&call, BAL_VF_COMMAND_LIST);
  return bal_cmd_vf_parse (cli, LIST_USAGE, entries, words, NULL, error)
         && (!pf || bal_vf_parse_device ("--pf", pf, &call.pf, error))
         && ask_and_print (cli, &call, error);
}

gboolean
bal_cmd_vf_reconcile (BalCli *cli, char **words, GError **error)
{
  g_auto (BalVfCall) call = {0};

  bal_vf_call_init (&call, BAL_VF_COMMAND_RECONCILE);
  return bal_cmd_vf_parse (cli, RECONCILE_USAGE, NULL, words, NULL, error)
         && ask_and_print (cli, &call, error);
}

/* --- show --- */

typedef struct
{
  JsonArray *pfs;
  JsonArray *ports;
} Found;

static void
found_clear (Found *self)
{
  g_clear_pointer (&self->pfs, json_array_unref);
  g_clear_pointer (&self->ports, json_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Found, found_clear)

/* The PF of that name, with all of its VFs, is added to @found. FALSE: there is none, or ballastd
 * does not say. */
static gboolean
find_pf (const char *name, Found *found, GError **error)
{
  g_auto (BalVfCall) call = {0};
  g_autoptr (JsonObject) list = NULL;
  g_autoptr (GList) pfs = NULL;

  bal_vf_call_init (&call, BAL_VF_COMMAND_LIST);
  call.pf = g_strdup (name);
  list = bal_vf_client_call ("", &call, error);
  if (!list)
    return FALSE;
  pfs = bal_cmd_vf_objects (list, "pfs");
  for (const GList *pf = pfs; pf; pf = pf->next)
    json_array_add_object_element (found->pfs, json_object_ref (pf->data));
  return TRUE;
}

static gboolean
is_port (JsonObject *port, const char *name)
{
  g_autofree char *whole =
    g_strconcat (bal_cmd_vf_text (port, "domain"), "/", bal_cmd_vf_text (port, "port"), NULL);

  return strcmp (bal_cmd_vf_text (port, "port"), name) == 0 || strcmp (whole, name) == 0
         || strcmp (bal_cmd_vf_text (port, "vf-pci"), name) == 0;
}

static gboolean
find_ports (JsonObject *list, const char *name, Found *found)
{
  g_autoptr (GList) ports = bal_cmd_vf_objects (list, "ports");
  gboolean any = FALSE;

  for (const GList *port = ports; port; port = port->next)
    if (is_port (port->data, name))
      {
        json_array_add_object_element (found->ports, json_object_ref (port->data));
        any = TRUE;
      }
  return any;
}

static gboolean
find (JsonObject *list, const char *name, Found *found, GError **error)
{
  g_autofree char *device = NULL;
  g_autoptr (GError) failure = NULL;

  if (find_ports (list, name, found)
      || (bal_vf_parse_device ("name", name, &device, NULL) && find_pf (device, found, &failure)))
    return TRUE;
  if (failure && !g_error_matches (failure, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
               "There is no port and no physical function \"%s\" here; `ballast vf list` tells "
               "what there is",
               name);
  return FALSE;
}

static gboolean
print_found (BalCli *cli, const Found *found, GError **error)
{
  bal_cmd_vf_connect_for_names (cli);
  for (guint i = 0; i < json_array_get_length (found->pfs); i++)
    bal_cmd_vf_print_pf (cli, json_array_get_object_element (found->pfs, i));
  for (guint i = 0; i < json_array_get_length (found->ports); i++)
    if (!bal_cmd_vf_print_port (cli, json_array_get_object_element (found->ports, i), error))
      return FALSE;
  return TRUE;
}

gboolean
bal_cmd_vf_show (BalCli *cli, char **words, GError **error)
{
  g_auto (GStrv) names = NULL;
  g_auto (BalVfCall) call = {0};
  g_auto (Found) found = {.pfs = json_array_new (), .ports = json_array_new ()};
  g_autoptr (JsonObject) list = NULL;
  g_autoptr (JsonObject) result = NULL;

  if (!bal_cmd_vf_parse (cli, SHOW_USAGE, NULL, words, &names, error))
    return FALSE;
  if (!names[0])
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                           "\"ballast vf show\" takes the name of a port or a physical function");
      return FALSE;
    }
  bal_vf_call_init (&call, BAL_VF_COMMAND_LIST);
  list = bal_vf_client_call ("", &call, error);
  for (char **name = names; list != NULL && *name; name++)
    if (!find (list, *name, &found, error))
      return FALSE;
  if (!list)
    return FALSE;
  if (!cli->json)
    return print_found (cli, &found, error);
  result = json_object_new ();
  json_object_set_array_member (result, "pfs", json_array_ref (found.pfs));
  json_object_set_array_member (result, "ports", json_array_ref (found.ports));
  bal_cmd_vf_print_json (result);
  return TRUE;
}
