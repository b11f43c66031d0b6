/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cmd-vf.h"

#include <string.h>

#include "host-hook/connection.h"
#include "host-hook/failure.h"

#define USAGE                                                                                      \
  "COMMAND ...\n\nVirtual functions (VFs) of this host's NICs, handed out by bandwidth. ballastd " \
  "has to\nrun.\n\nCommands:\n"

/* A name is nice to have. */
#define CONNECT_MS 2000

static const struct
{
  const char *name;
  BalCommand run;
  const char *help;
} commands[] = {
  {"list", bal_cmd_vf_list, "print physical functions, what is left of them, and the ports"},
  {"show", bal_cmd_vf_show, "print all about a port or a physical function"},
  {"allocate", bal_cmd_vf_allocate,
   "give a domain a VF of a physical function with bandwidth left"},
  {"release", bal_cmd_vf_release, "take a domain's VFs away"},
  {"reconcile", bal_cmd_vf_reconcile, "go on now with what failed or was interrupted, then list"},
};

static char *
describe (void)
{
  g_autoptr (GString) text = g_string_new (USAGE);

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (text, "  %-10s %s\n", commands[i].name, commands[i].help);
  g_string_append (text, "\n`ballast vf COMMAND --help` shows a command's options.");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Options in front of the subcommand, which belong to it as well. */
static gboolean
parse_leading (BalCli *cli, char **words, char ***rest, GError **error)
{
  g_auto (GStrv) usage = NULL;
  g_autofree char *text = describe ();
  g_autoptr (GOptionContext) context = NULL;
  g_auto (GStrv) argv = g_strdupv (words);
  const GOptionEntry entries[] = {
    {"connect", 'c', 0, G_OPTION_ARG_STRING, &cli->uri, "This host's libvirt", "URI"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &cli->json, "Print one JSON object on standard output", NULL},
    {0},
  };

  usage = g_strsplit (text, "\n\n", 2);
  context = g_option_context_new (usage[0]);
  g_option_context_set_summary (context, usage[1]);
  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_add_main_entries (context, entries, NULL);
  g_set_prgname ("ballast vf");
  if (!g_option_context_parse_strv (context, &argv, error))
    {
      g_prefix_error (error, "Nothing was touched: ");
      return FALSE;
    }
  *rest = g_strdupv (argv + 1);
  return TRUE;
}

gboolean
bal_cmd_vf (BalCli *cli, char **words, GError **error)
{
  g_auto (GStrv) rest = NULL;

  bal_cancel_disarm (cli->cancel);
  cli->report = bal_report_new (cli->json, FALSE);
  if (!parse_leading (cli, words, &rest, error))
    return FALSE;
  for (gsize i = 0; rest[0] && i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, rest[0]) == 0)
      return commands[i].run (cli, rest, error);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
               rest[0] ? "There is no command \"vf %s\"; `ballast vf --help` lists them"
                       : "A command is missing%s; `ballast vf --help` lists them",
               rest[0] ? rest[0] : "");
  return FALSE;
}

gboolean
bal_cmd_vf_parse (BalCli *cli,
                  const char *usage,
                  const GOptionEntry *entries,
                  char **words,
                  char ***rest,
                  GError **error)
{
  g_auto (GStrv) usage_parts = g_strsplit (usage, "\n\n", 2);
  g_autoptr (GOptionContext) context = g_option_context_new (usage_parts[0]);
  g_auto (GStrv) argv = g_strdupv (words);
  g_autofree char *program = g_strdup_printf ("ballast vf %s", words[0]);
  const GOptionEntry common[] = {
    {"connect", 'c', 0, G_OPTION_ARG_STRING, &cli->uri, "This host's libvirt", "URI"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &cli->json, "Print one JSON object on standard output", NULL},
    {0},
  };

  g_option_context_set_summary (context, usage_parts[1]);
  if (entries)
    g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  g_set_prgname (program);
  if (!g_option_context_parse_strv (context, &argv, error))
    {
      g_prefix_error (error, "Nothing was touched: ");
      return FALSE;
    }
  if (rest)
    *rest = g_strdupv (argv + 1);
  else if (argv[1])
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "Nothing was touched: \"%s\" takes no argument \"%s\"", program, argv[1]);
      return FALSE;
    }
  return TRUE;
}

/* --- domains --- */

char *
bal_cmd_vf_find_domain (BalCli *cli, const char *domain, GError **error)
{
  char uuid[VIR_UUID_STRING_BUFLEN];
  char *given = NULL;
  g_autoptr (virDomain) found = NULL;

  if (bal_vf_parse_uuid ("domain", domain, &given, NULL))
    return given;
  if (!bal_connection_start_events (error))
    return NULL;
  cli->connection = bal_connection_open (cli->uri, error);
  found = cli->connection ? bal_domain_find (cli->connection, domain, error) : NULL;
  if (!found)
    return NULL;
  if (virDomainGetUUIDString (found, uuid) == 0)
    return g_strdup (uuid);
  bal_failure_libvirt (error, BAL_EXIT_FAILED, "The domain has no UUID");
  return NULL;
}

void
bal_cmd_vf_connect_for_names (BalCli *cli)
{
  if (!cli->connection && bal_connection_start_events (NULL))
    cli->connection = bal_connection_open_within (cli->uri, CONNECT_MS);
}

char *
bal_cmd_vf_name_domain (BalCli *cli, const char *uuid)
{
  g_autoptr (virDomain) domain =
    cli->connection ? virDomainLookupByUUIDString (cli->connection, uuid) : NULL;

  return g_strdup (domain ? virDomainGetName (domain) : uuid);
}
