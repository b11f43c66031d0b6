/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/agent.h"
#include "host-hook/exit-codes.h"
#include "protocol/limits.h"

#include <locale.h>

#define DEFAULT_CHANNEL "/dev/virtio-ports/" BAL_CHANNEL_NAME

typedef struct
{
  char *channel;
  char *config;
  gboolean check_config;
  gboolean version;
} Options;

static gboolean
parse_options (int argc, char **argv, Options *options, GError **error)
{
  const GOptionEntry entries[] = {
    {"channel", 0, 0, G_OPTION_ARG_FILENAME, &options->channel,
     "Virtio-serial port or unix socket of the host (default " DEFAULT_CHANNEL ")", "PATH"},
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config,
     "Config file (default " BAL_AGENT_CONFIG_PATH ")", "FILE"},
    {"check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config,
     "Say whether the config file is valid, and exit", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Show the version and exit", NULL},
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (
    context, "Tells the host which memory of this guest is free and holds it for a migration.");
  g_option_context_set_description (
    context, "Exit codes: 0 stopped by a signal or the channel is gone, 1 failed, 2 bad option or "
             "config file.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc == 1)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "Unknown argument \"%s\"", argv[1]);
  return FALSE;
}

static BalExitCode
fail (BalExitCode code, const GError *error)
{
  g_printerr ("ballast-agent: %s\n", error->message);
  return code;
}

static BalExitCode
run (int argc, char **argv, Options *options)
{
  g_autoptr (GError) error = NULL;
  g_auto (BalAgentConfig) config = {0};
  const char *path;

  if (!parse_options (argc, argv, options, &error))
    return fail (BAL_EXIT_USAGE, error);
  if (options->version)
    {
      g_print ("ballast-agent %s\n", BAL_VERSION);
      return BAL_EXIT_OK;
    }
  path = options->config != NULL ? options->config : BAL_AGENT_CONFIG_PATH;
  if (!bal_agent_config_load (path, options->config != NULL, &config, &error))
    return fail (BAL_EXIT_USAGE, error);
  if (options->check_config)
    {
      g_print (g_file_test (path, G_FILE_TEST_EXISTS) ? "%s: OK\n"
                                                      : "%s: not there, the defaults hold\n",
               path);
      return BAL_EXIT_OK;
    }
  path = options->channel != NULL ? options->channel : DEFAULT_CHANNEL;
  if (!bal_agent_run (path, &config, &error))
    return fail (BAL_EXIT_FAILED, error);
  return BAL_EXIT_OK;
}

int
main (int argc, char **argv)
{
  Options options = {0};
  BalExitCode code;

  setlocale (LC_ALL, "");
  code = run (argc, argv, &options);

  g_free (options.channel);
  g_free (options.config);
  return (int)code;
}
