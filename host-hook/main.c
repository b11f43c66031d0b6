/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "host-hook/cli.h"
#include "host-hook/failure.h"

typedef struct
{
  const char *name;
  BalCommand run;
  guint options; /* the common ones that it knows, of BalCliOption */
  const char *help;
} Command;

static gboolean cmd_help (BalCli *cli, char **words, GError **error);
static gboolean cmd_version (BalCli *cli, char **words, GError **error);

/* Of all that ask libvirt, and read the configuration. */
#define USUAL (BAL_CLI_CONNECT | BAL_CLI_CONFIG | BAL_CLI_JSON)

static const Command commands[] = {
  {"migrate", bal_cmd_migrate, BAL_CLI_ALL_OPTIONS, "migrate a domain without its free memory"},
  {"ranges", bal_cmd_ranges, USUAL, "print the guest's free memory ranges"},
  {"plan", bal_cmd_plan, BAL_CLI_ALL_OPTIONS, "print what a migration would release, and why"},
  {"advise", bal_cmd_advise, USUAL | BAL_CLI_MECHANISMS,
   "print what a domain lacks to have its memory released"},
  {"release", bal_cmd_release, BAL_CLI_ALL_OPTIONS,
   "release free memory now, for a migration by somebody else"},
  {"restore", bal_cmd_restore, USUAL, "give a domain's memory back now"},
  {"status", bal_cmd_status, BAL_CLI_CONNECT | BAL_CLI_JSON,
   "print what is released, and the last automatic migrations"},
  {"recover", bal_cmd_recover, USUAL, "finish what an interrupted ballast left behind"},
  {"check-config", bal_cmd_check_config, BAL_CLI_CONFIG | BAL_CLI_JSON,
   "say whether the configuration is valid"},
  {"vf", bal_cmd_vf, BAL_CLI_CONNECT | BAL_CLI_JSON,
   "hand out virtual functions of this host's NICs by bandwidth"},
  {"retire", bal_cmd_retire, BAL_CLI_CONNECT,
   "give all back and take all marks off, before Ballast is removed"},
  {"help", cmd_help, 0, "print this, or a command's options"},
  {"version", cmd_version, 0, "print the version"},
};

static const char *const exit_codes =
  "Exit codes:\n"
  "  0    done\n"
  "  1    failed; the guest runs where it was, with its memory\n"
  "  2    bad option or configuration; nothing was touched\n"
  "  3    no such domain (or port, or physical function), domain off, or no connection;\n"
  "       nothing was touched\n"
  "  4    another process is at work on this domain; nothing was touched\n"
  "  5    memory is still released: see `ballast status` and `ballast recover`\n"
  "  6    the outcome is not known: see `ballast status`\n"
  "  7    no physical function has that bandwidth, or a VF, left; nothing was touched\n"
  "  130  interrupted; the guest runs where it was, with its memory\n";

static char *
describe_commands (void)
{
  g_autoptr (GString) text =
    g_string_new ("Works on the host where the domain runs, as root.\n\nCommands:\n");

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (text, "  %-12s %s\n", commands[i].name, commands[i].help);
  g_string_append (text, "\n`ballast COMMAND --help` shows a command's options.");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
print_version (void)
{
  puts ("ballast " BAL_VERSION);
}

/* Options before the command; *@words gets the command and all behind it. */
static gboolean
parse_leading_options (BalCli *cli, char **argv, char ***words, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("COMMAND ...");
  g_autofree char *summary = describe_commands ();
  g_auto (GStrv) arguments = g_strdupv (argv);
  gboolean version = FALSE;
  GOptionEntry common[BAL_CLI_N_ENTRIES];
  const GOptionEntry own[] = {
    {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
    {0},
  };

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, exit_codes);
  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_add_main_entries (context, bal_cli_entries (cli, BAL_CLI_ALL_OPTIONS, common),
                                     NULL);
  g_option_context_add_main_entries (context, own, NULL);
  if (!g_option_context_parse_strv (context, &arguments, error))
    return FALSE;
  if (version)
    {
      print_version ();
      return TRUE;
    }
  *words = g_strdupv (arguments + 1);
  return TRUE;
}

static gboolean
run_command (BalCli *cli, char **words, GError **error)
{
  for (gsize i = 0; words[0] && i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, words[0]) == 0)
      {
        cli->options = commands[i].options;
        return bal_cli_check_options (cli, words[0], error) && commands[i].run (cli, words, error);
      }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
               words[0] ? "There is no command \"%s\"; `ballast --help` lists them"
                        : "A command is missing%s; `ballast --help` lists them",
               words[0] ? words[0] : "");
  return FALSE;
}

#define HELP_USAGE "[COMMAND...]\n\nPrints the commands, or the options of one, as --help does."

static gboolean
cmd_help (BalCli *cli, char **words, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) arguments = NULL;
  g_auto (GStrv) asked = NULL;
  g_auto (GStrv) rest = NULL;

  if (!bal_cli_parse (cli, HELP_USAGE, NULL, words, &arguments, error))
    return FALSE;
  g_set_prgname ("ballast");
  if (!arguments[0])
    g_strv_builder_add (builder, "ballast");
  g_strv_builder_addv (builder, (const char **)arguments);
  g_strv_builder_add (builder, "--help");
  asked = g_strv_builder_end (builder);
  return arguments[0] ? run_command (cli, asked, error)
                      : parse_leading_options (cli, asked, &rest, error);
}

static gboolean
cmd_version (BalCli *cli, char **words, GError **error)
{
  g_auto (GStrv) arguments = NULL;

  if (!bal_cli_parse (cli, "\n\nPrints the version.", NULL, words, &arguments, error))
    return FALSE;
  if (!arguments[0])
    {
      print_version ();
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
               "\"ballast version\" takes no argument \"%s\"", arguments[0]);
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_auto (BalCli) cli = {0};
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  signal (SIGPIPE, SIG_IGN);
  cli.cancel = bal_cancel_new (&error);
  if (cli.cancel && parse_leading_options (&cli, argv, &words, &error) && words)
    run_command (&cli, words, &error);
  if (error)
    bal_say (stderr, "ballast: %s", error->message);
  return bal_failure_exit_code (error);
}
