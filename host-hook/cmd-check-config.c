/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/vf-config.h"

#define USAGE                                                                                      \
  "[FILE]\n\nSays whether the configuration is valid, as ballast and ballastd read it: "           \
  "" BAL_CONFIG_PATH "\nand " BAL_VF_CONFIG_PATH ", or those that are named instead."

static GOptionGroup *
make_group (char **vf_path)
{
  GOptionGroup *group = g_option_group_new ("check-config", "Options:", "Show options", NULL, NULL);
  const GOptionEntry entries[] = {
    {"vf-config", 0, 0, G_OPTION_ARG_FILENAME, vf_path, "A configuration of VFs", "FILE"},
    {0},
  };

  g_option_group_add_entries (group, entries);
  return group;
}

static gboolean
check (const char *path, gboolean is_named, BalConfig *out, GError **error)
{
  if (!bal_config_load (path, is_named, out, error))
    return FALSE;
  bal_say (stdout, "%s: OK", path);
  return TRUE;
}

static gboolean
check_vf (const char *path, gboolean is_named, GError **error)
{
  g_auto (BalVfConfig) config = {0};

  if (!bal_vf_config_load (path, is_named, &config, error))
    return FALSE;
  bal_say (stdout, "%s: OK", path);
  return TRUE;
}

gboolean
bal_cmd_check_config (BalCli *cli, char **words, GError **error)
{
  g_auto (GStrv) arguments = NULL;
  g_autofree char *vf_path = NULL;
  const char *path;

  if (!bal_cli_parse (cli, USAGE, make_group (&vf_path), words, &arguments, error))
    return FALSE;
  if (g_strv_length (arguments) > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "\"ballast %s\" takes at most one file", words[0]);
      return FALSE;
    }
  path = arguments[0] ? arguments[0] : cli->config_path;
  /* Where one is named, the other default is not meant. */
  if ((path || !vf_path)
      && !check (path ? path : BAL_CONFIG_PATH, path != NULL, &cli->config, error))
    return FALSE;
  return (!vf_path && path)
         || check_vf (vf_path ? vf_path : BAL_VF_CONFIG_PATH, vf_path != NULL, error);
}
