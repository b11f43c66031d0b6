/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-config.h"

#include "host-hook/config-file.h"
#include "host-hook/vf-value.h"
#include "protocol/codec.h"

#include <string.h>

#define MAIN_GROUP "vf"
#define PF_PREFIX "pf "

#define EXPIRY_DEFAULT_S 300
#define EXPIRY_MIN_S 10
#define EXPIRY_MAX_S 86400

static void
pf_free (gpointer data)
{
  BalVfPfConfig *self = data;
  g_free (self->name);
  g_free (self->network);
  g_free (self);
}

void
bal_vf_config_init (BalVfConfig *self)
{
  *self = (BalVfConfig){
    .policy = BAL_VF_POLICY_PACK,
    .expiry_s = EXPIRY_DEFAULT_S,
    .pfs = g_ptr_array_new_with_free_func (pf_free),
  };
}

void
bal_vf_config_clear (BalVfConfig *self)
{
  g_clear_pointer (&self->pfs, g_ptr_array_unref);
  memset (self, 0, sizeof *self);
}

const BalVfPfConfig *
bal_vf_config_find (const BalVfConfig *self, const char *netdev, const char *pci)
{
  const char *const names[] = {netdev, pci};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint j = 0; names[i] != NULL && j < self->pfs->len; j++)
      {
        const BalVfPfConfig *pf = self->pfs->pdata[j];
        if (strcmp (pf->name, names[i]) == 0)
          return pf;
      }
  return NULL;
}

/* --- keys: the errors are bal_vf_parse_...()'s or alike, and translated in apply_key() --- */

static gboolean
parse_number (
  const char *name, const char *text, guint64 min, guint64 max, guint *out, GError **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, min, max, &value, NULL))
    {
      g_autofree char *shown = bal_escape_for_display (text);
      g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID,
                   "%s \"%s\" is not a whole number from %" G_GUINT64_FORMAT
                   " to %" G_GUINT64_FORMAT,
                   name, shown, min, max);
      return FALSE;
    }
  *out = (guint)value;
  return TRUE;
}

static gboolean
fail_key (GError **error, const char *name)
{
  g_autofree char *shown = bal_escape_for_display (name);
  g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, "there is no such key: %s",
               shown);
  return FALSE;
}

static gboolean
set_main_key (BalVfConfig *self, const char *name, const char *text, GError **error)
{
  if (strcmp (name, "reservation-expiry-s") == 0)
    return parse_number (name, text, EXPIRY_MIN_S, EXPIRY_MAX_S, &self->expiry_s, error);
  if (strcmp (name, "policy") != 0)
    return fail_key (error, name);
  self->policy = strcmp (text, "spread") == 0 ? BAL_VF_POLICY_SPREAD : BAL_VF_POLICY_PACK;
  if (self->policy == BAL_VF_POLICY_SPREAD || strcmp (text, "pack") == 0)
    return TRUE;
  g_autofree char *shown = bal_escape_for_display (text);
  g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID,
               "policy \"%s\" is not pack or spread", shown);
  return FALSE;
}

static gboolean
set_pf_key (BalVfPfConfig *self, const char *name, const char *text, GError **error)
{
  if (strcmp (name, "capacity") == 0)
    return bal_vf_parse_bandwidth (name, text, &self->capacity_mbps, error);
  if (strcmp (name, "network") == 0)
    {
      g_clear_pointer (&self->network, g_free);
      return bal_vf_parse_token (name, text, &self->network, error);
    }
  if (strcmp (name, "numvfs") == 0)
    return parse_number (name, text, 1, BAL_VF_COUNT_MAX, &self->num_vfs, error);
  if (strcmp (name, "excluded") == 0)
    return bal_vf_parse_yes_no (name, text, &self->excluded, error);
  return fail_key (error, name);
}

/* --- files --- */

/* @pf is NULL for the main group. */
static gboolean
apply_group (
  BalVfConfig *self, BalVfPfConfig *pf, GKeyFile *file, const char *group, GError **error)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, group, NULL, NULL);

  for (char **key = keys; key != NULL && *key != NULL; key++)
    {
      g_autofree char *value = g_key_file_get_value (file, group, *key, NULL);
      const char *text = value == NULL ? "" : value;
      if (pf != NULL ? !set_pf_key (pf, *key, text, error)
                     : !set_main_key (self, *key, text, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_group (BalVfConfig *self, GKeyFile *file, const char *group, GError **error)
{
  g_autofree char *name = NULL;

  if (strcmp (group, MAIN_GROUP) == 0)
    return apply_group (self, NULL, file, group, error);
  if (!g_str_has_prefix (group, PF_PREFIX))
    {
      g_set_error_literal (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID,
                           "there is no such group");
      return FALSE;
    }
  if (!bal_vf_parse_device ("the name", group + strlen (PF_PREFIX), &name, error))
    return FALSE;
  BalVfPfConfig *pf = g_new0 (BalVfPfConfig, 1);
  pf->name = g_steal_pointer (&name);
  g_ptr_array_add (self->pfs, pf);
  return apply_group (self, pf, file, group, error);
}

static gboolean
add_groups (BalVfConfig *self, GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (char **group = groups; *group != NULL; group++)
    {
      g_autoptr (GError) cause = NULL;
      if (add_group (self, file, *group, &cause))
        continue;
      g_autofree char *shown = bal_escape_for_display (*group);
      g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, "%s: [%s] %s", path, shown,
                   cause->message);
      return FALSE;
    }
  return TRUE;
}

/* @file NULL: it could not be read. */
static gboolean
apply_file (BalVfConfig *self, GKeyFile *file, const char *path, GError **error)
{
  bal_vf_config_init (self);
  if (file != NULL && add_groups (self, file, path, error))
    return TRUE;
  bal_vf_config_clear (self);
  return FALSE;
}

gboolean
bal_vf_config_parse (
  const char *text, gsize length_bytes, const char *path, BalVfConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = bal_config_file_parse (text, length_bytes, path, error);

  return apply_file (out, file, path, error);
}

gboolean
bal_vf_config_load (const char *path, gboolean must_exist, BalVfConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = bal_config_file_load (path, must_exist, error);

  return apply_file (out, file, path, error);
}
