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

typedef gboolean (*Check) (const char *path, gboolean must_exist, GError **error);

static gboolean
check_memory (const char *path, gboolean must_exist, GError **error)
{
  g_auto (BalConfig) config = {0};

  return bal_config_load (path, must_exist, &config, error);
}

static gboolean
check_vf (const char *path, gboolean must_exist, GError **error)
{
  g_auto (BalVfConfig) config = {0};

  return bal_vf_config_load (path, must_exist, &config, error);
}

static void
add_json (JsonBuilder *files, const char *path, gboolean is_valid, gboolean is_found)
{
  json_builder_begin_object (files);
  bal_json_add_text (files, "path", path);
  json_builder_set_member_name (files, "valid");
  json_builder_add_boolean_value (files, is_valid);
  json_builder_set_member_name (files, "found");
  json_builder_add_boolean_value (files, is_found);
  json_builder_end_object (files);
}

/* One file: @named, or else @standard. @files NULL: as text. */
static gboolean
check (Check function, const char *named, const char *standard, JsonBuilder *files, GError **error)
{
  const char *path = named ? named : standard;
  gboolean is_valid = function (path, named != NULL, error);
  gboolean is_found = g_file_test (path, G_FILE_TEST_EXISTS);

  if (files)
    add_json (files, path, is_valid, is_found);
  else if (is_valid)
    bal_say (stdout, is_found ? "%s: OK" : "%s: not there, the defaults hold", path);
  return is_valid;
}

/* Where one is named, the other default is not meant. */
static gboolean
check_files (const char *path, const char *vf_path, JsonBuilder *files, GError **error)
{
  if ((path || !vf_path) && !check (check_memory, path, BAL_CONFIG_PATH, files, error))
    return FALSE;
  return (!vf_path && path) || check (check_vf, vf_path, BAL_VF_CONFIG_PATH, files, error);
}

/* NB: a file that is not valid is listed as well. */
static gboolean
print_json (const char *path, const char *vf_path, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  gboolean are_valid;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "files");
  json_builder_begin_array (builder);
  are_valid = check_files (path, vf_path, builder, error);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
  return are_valid;
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
  return cli->json ? print_json (path, vf_path, error) : check_files (path, vf_path, NULL, error);
}
