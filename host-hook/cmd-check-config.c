/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"

#define USAGE                                                                                      \
  "[FILE]\n\nSays whether FILE is a valid configuration (default: " BAL_CONFIG_PATH "), as "       \
  "ballast\nand ballastd read it."

gboolean
bal_cmd_check_config (BalCli *cli, char **words, GError **error)
{
  g_auto (GStrv) arguments = NULL;
  const char *named;

  if (!bal_cli_parse (cli, USAGE, NULL, words, &arguments, error))
    return FALSE;
  if (g_strv_length (arguments) > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "\"ballast %s\" takes at most one file", words[0]);
      return FALSE;
    }
  named = arguments[0] ? arguments[0] : cli->config_path;
  if (!bal_config_load (named ? named : BAL_CONFIG_PATH, named != NULL, &cli->config, error))
    return FALSE;
  bal_say (stdout, "%s: OK", named ? named : BAL_CONFIG_PATH);
  return TRUE;
}
