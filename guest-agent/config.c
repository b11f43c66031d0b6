/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/config.h"

#include "guest-agent/commands.h"

#define GROUP_AGENT "agent"
#define GROUP_HOLD "hold"

typedef struct
{
  const char *group;
  const char *key;
} KnownKey;

static const KnownKey known_keys[] = {
  {GROUP_AGENT, "allow"},           {GROUP_AGENT, "block"},
  {GROUP_HOLD, "headroom-min-mib"}, {GROUP_HOLD, "headroom-percent"},
  {GROUP_HOLD, "deadline-max-s"},   {GROUP_HOLD, "lease-s"},
};

void
bal_agent_config_clear (BalAgentConfig *self)
{
  g_strfreev (self->allow);
  g_strfreev (self->block);
  *self = (BalAgentConfig){0};
}

static gboolean
is_known (const char *group, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (known_keys); i++)
    if (g_str_equal (known_keys[i].group, group)
        && (key == NULL || g_str_equal (known_keys[i].key, key)))
      return TRUE;
  return FALSE;
}

static gboolean
check_keys (GKeyFile *file, const char *group, GError **error)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, group, NULL, error);

  if (keys == NULL)
    return FALSE;
  for (guint i = 0; keys[i] != NULL; i++)
    if (!is_known (group, keys[i]))
      {
        g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                     "there is no key \"%s\" in group [%s]", keys[i], group);
        return FALSE;
      }
  return TRUE;
}

static gboolean
check_names (GKeyFile *file, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    {
      if (!is_known (groups[i], NULL))
        {
          g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
                       "there is no group [%s]", groups[i]);
          return FALSE;
        }
      if (!check_keys (file, groups[i], error))
        return FALSE;
    }
  return TRUE;
}

/* Leaves *@value as it is when the key is not there. */
static gboolean
read_number (
  GKeyFile *file, const char *key, guint64 min, guint64 max, guint64 *value, GError **error)
{
  g_autofree char *text = g_key_file_get_value (file, GROUP_HOLD, key, NULL);

  if (text == NULL || g_ascii_string_to_unsigned (text, 10, min, max, value, NULL))
    return TRUE;
  g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
               "\"%s\" must be a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, key, min,
               max);
  return FALSE;
}

static gboolean
read_commands (GKeyFile *file, const char *key, char ***list, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_auto (GStrv) names = g_key_file_get_string_list (file, GROUP_AGENT, key, NULL, &failure);

  /* A list that cannot be read is not one that forbids nothing. */
  if (names == NULL && g_key_file_has_key (file, GROUP_AGENT, key, NULL))
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&failure), "\"%s\": ", key);
      return FALSE;
    }
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    if (!bal_command_exists (names[i]))
      {
        g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                     "\"%s\" names \"%s\", which is no command of this agent", key, names[i]);
        return FALSE;
      }
  *list = g_steal_pointer (&names);
  return TRUE;
}

static gboolean
check_block (const BalAgentConfig *config, GError **error)
{
  for (guint i = 0; config->block != NULL && config->block[i] != NULL; i++)
    if (bal_command_is_basic (config->block[i]))
      {
        g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                     "\"block\" names \"%s\", which every host must be able to use",
                     config->block[i]);
        return FALSE;
      }
  return TRUE;
}

static gboolean
read_values (GKeyFile *file, BalAgentConfig *out, GError **error)
{
  guint64 headroom_mib = BAL_HEADROOM_MIN_BYTES >> 20;
  guint64 percent = BAL_HEADROOM_PERCENT;
  guint64 deadline_s = 900;
  guint64 lease_s = BAL_HOLD_LEASE_DEFAULT_MS / 1000;

  if (!read_commands (file, "allow", &out->allow, error)
      || !read_commands (file, "block", &out->block, error) || !check_block (out, error)
      || !read_number (file, "headroom-min-mib", 16, BAL_ADDRESS_LIMIT >> 20, &headroom_mib, error)
      || !read_number (file, "headroom-percent", 0, 100, &percent, error)
      || !read_number (file, "deadline-max-s", BAL_HOLD_DEADLINE_MIN_MS / 1000,
                       BAL_HOLD_DEADLINE_MAX_MS / 1000, &deadline_s, error)
      || !read_number (file, "lease-s", 1, 3600, &lease_s, error))
    return FALSE;
  out->hold = (BalHoldLimits){.headroom_min_bytes = headroom_mib << 20,
                              .headroom_percent = (guint)percent,
                              .deadline_max_ms = deadline_s * 1000,
                              .lease_ms = lease_s * 1000};
  return TRUE;
}

gboolean
bal_agent_config_load (const char *path, gboolean must_exist, BalAgentConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) failure = NULL;
  gboolean loaded = g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &failure);

  *out = (BalAgentConfig){0};
  if (!loaded && !must_exist && g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_clear_error (&failure);
      loaded = TRUE;
    }
  if (loaded && check_names (file, &failure) && read_values (file, out, &failure))
    return TRUE;
  bal_agent_config_clear (out);
  g_autofree char *shown = bal_escape_whole (failure->message);
  g_set_error (error, failure->domain, failure->code,
               "Cannot use config file %s: %s; the agent does not start.", path, shown);
  return FALSE;
}

gboolean
bal_agent_config_allows (const BalAgentConfig *self, const char *command)
{
  if (bal_command_is_basic (command))
    return TRUE;
  if (self->allow != NULL && !g_strv_contains ((const char *const *)self->allow, command))
    return FALSE;
  return self->block == NULL || !g_strv_contains ((const char *const *)self->block, command);
}
