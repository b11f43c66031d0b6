/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/config.h"

#include "protocol/codec.h"

#include <string.h>

#define MEMORY_GROUP "memory"
#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

#define MIN_GAIN_DEFAULT_MIB 64
#define HOLD_DEADLINE_DEFAULT_MS (15u * 60u * 1000u)
#define AGENT_TIMEOUT_DEFAULT_MS 2000
#define WINDOW_DEFAULT_MS 3000
#define WINDOW_MAX_MS 10000

void
bal_config_init (BalConfig *self)
{
  static const BalMechanism order[] = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD,
                                       BAL_MECHANISM_BALLOON};

  *self = (BalConfig){
    .policy =
      {
        .mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism)),
        .min_gain_bytes = MIN_GAIN_DEFAULT_MIB * MIB,
        .headroom_min_bytes = BAL_HEADROOM_MIN_BYTES,
        .headroom_percent = BAL_HEADROOM_PERCENT,
        .page_cache = BAL_PAGE_CACHE_KEEP,
      },
    .use_qmp = TRUE,
    .hold_deadline_ms = HOLD_DEADLINE_DEFAULT_MS,
    .agent_timeout_ms = AGENT_TIMEOUT_DEFAULT_MS,
    .window_ms = WINDOW_DEFAULT_MS,
  };
  g_array_append_vals (self->policy.mechanisms, order, G_N_ELEMENTS (order));
}

void
bal_config_clear (BalConfig *self)
{
  g_clear_pointer (&self->policy.mechanisms, g_array_unref);
  memset (self, 0, sizeof *self);
}

/* --- values --- */

/* @name came from a file or a command line: it is shown escaped. */
static gboolean
fail_value (GError **error, const char *value, const char *allowed)
{
  g_autofree char *shown = bal_escape_for_display (value);
  g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, "\"%s\" is not %s", shown,
               allowed);
  return FALSE;
}

static gboolean
find_mechanism (const char *name, BalMechanism *out)
{
  static const BalMechanism all[] = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD,
                                     BAL_MECHANISM_BALLOON};
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (strcmp (bal_mechanism_name (all[i]), name) == 0)
      {
        *out = all[i];
        return TRUE;
      }
  return FALSE;
}

static gboolean
contains (const GArray *mechanisms, BalMechanism mechanism)
{
  for (guint i = 0; i < mechanisms->len; i++)
    if (g_array_index (mechanisms, BalMechanism, i) == mechanism)
      return TRUE;
  return FALSE;
}

GArray *
bal_config_parse_mechanisms (const char *text, char separator, GError **error)
{
  const char delimiter[] = {separator, '\0'};
  g_auto (GStrv) names = g_strsplit (text, delimiter, -1);
  guint n_names = g_strv_length (names);
  g_autoptr (GArray) mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism));

  if (n_names > 1 && *g_strstrip (names[n_names - 1]) == '\0')
    n_names--;
  for (guint i = 0; i < n_names; i++)
    {
      BalMechanism mechanism;
      if (!find_mechanism (g_strstrip (names[i]), &mechanism) || contains (mechanisms, mechanism))
        break;
      g_array_append_val (mechanisms, mechanism);
    }
  if (mechanisms->len == 0 || mechanisms->len != n_names)
    {
      fail_value (error, text, "a list of virtio-mem, hold and balloon, each at most once");
      return NULL;
    }
  return g_steal_pointer (&mechanisms);
}

gboolean
bal_config_parse_page_cache (const char *text, BalPageCache *out, GError **error)
{
  static const char *const names[] = {
    [BAL_PAGE_CACHE_KEEP] = "keep",
    [BAL_PAGE_CACHE_TRIM] = "trim",
    [BAL_PAGE_CACHE_DROP] = "drop",
  };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (names[i], text) == 0)
      {
        *out = (BalPageCache)i;
        return TRUE;
      }
  return fail_value (error, text, "keep, trim or drop");
}

static gboolean
parse_number (const char *text, guint64 min, guint64 max, guint64 *out, GError **error)
{
  if (g_ascii_string_to_unsigned (text, 10, min, max, out, NULL))
    return TRUE;
  g_autofree char *allowed =
    g_strdup_printf ("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, min, max);
  return fail_value (error, text, allowed);
}

static gboolean
parse_yes_no (const char *text, gboolean *out, GError **error)
{
  *out = strcmp (text, "yes") == 0;
  return *out || strcmp (text, "no") == 0 || fail_value (error, text, "yes or no");
}

/* --- keys --- */

static gboolean
set_mechanisms (BalConfig *self, const char *value, GError **error)
{
  GArray *mechanisms = bal_config_parse_mechanisms (value, ';', error);
  if (mechanisms == NULL)
    return FALSE;
  g_array_unref (self->policy.mechanisms);
  self->policy.mechanisms = mechanisms;
  return TRUE;
}

static gboolean
set_mib (const char *value, guint64 *out_bytes, GError **error)
{
  guint64 mib;
  if (!parse_number (value, 0, BAL_ADDRESS_LIMIT / MIB, &mib, error))
    return FALSE;
  *out_bytes = mib * MIB;
  return TRUE;
}

static gboolean
set_min_gain (BalConfig *self, const char *value, GError **error)
{
  return set_mib (value, &self->policy.min_gain_bytes, error);
}

static gboolean
set_headroom_min (BalConfig *self, const char *value, GError **error)
{
  return set_mib (value, &self->policy.headroom_min_bytes, error);
}

static gboolean
set_headroom_percent (BalConfig *self, const char *value, GError **error)
{
  guint64 percent;
  if (!parse_number (value, 0, 90, &percent, error))
    return FALSE;
  self->policy.headroom_percent = (guint)percent;
  return TRUE;
}

static gboolean
set_page_cache (BalConfig *self, const char *value, GError **error)
{
  return bal_config_parse_page_cache (value, &self->policy.page_cache, error);
}

static gboolean
set_use_qmp (BalConfig *self, const char *value, GError **error)
{
  return parse_yes_no (value, &self->use_qmp, error);
}

static gboolean
set_hold_deadline (BalConfig *self, const char *value, GError **error)
{
  guint64 seconds;
  if (!parse_number (value, BAL_HOLD_DEADLINE_MIN_MS / 1000, BAL_HOLD_DEADLINE_MAX_MS / 1000,
                     &seconds, error))
    return FALSE;
  self->hold_deadline_ms = seconds * 1000;
  return TRUE;
}

static gboolean
set_agent_timeout (BalConfig *self, const char *value, GError **error)
{
  guint64 timeout_ms;
  if (!parse_number (value, 100, 60000, &timeout_ms, error))
    return FALSE;
  self->agent_timeout_ms = (guint)timeout_ms;
  return TRUE;
}

static gboolean
set_cluster_wide (BalConfig *self, const char *value, GError **error)
{
  return parse_yes_no (value, &self->cluster_wide, error);
}

static gboolean
set_window (BalConfig *self, const char *value, GError **error)
{
  guint64 window_ms;
  if (!parse_number (value, 0, WINDOW_MAX_MS, &window_ms, error))
    return FALSE;
  self->window_ms = (guint)window_ms;
  return TRUE;
}

static const struct
{
  const char *name;
  gboolean (*set) (BalConfig *self, const char *value, GError **error);
} memory_keys[] = {
  {"mechanisms", set_mechanisms},         {"min-gain-mib", set_min_gain},
  {"headroom-min-mib", set_headroom_min}, {"headroom-percent", set_headroom_percent},
  {"page-cache", set_page_cache},         {"use-qmp", set_use_qmp},
  {"cluster-wide", set_cluster_wide},     {"window-ms", set_window},
  {"hold-deadline-s", set_hold_deadline}, {"agent-timeout-ms", set_agent_timeout},
};

static gboolean
set_key (BalConfig *self, const char *name, const char *value, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (memory_keys); i++)
    if (strcmp (memory_keys[i].name, name) == 0)
      return memory_keys[i].set (self, value, error);
  g_set_error_literal (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, "there is no such key");
  return FALSE;
}

/* --- files --- */

static gboolean
apply_keys (BalConfig *self, GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, MEMORY_GROUP, NULL, NULL);
  for (char **key = keys; key != NULL && *key != NULL; key++)
    {
      g_autofree char *value = g_key_file_get_value (file, MEMORY_GROUP, *key, NULL);
      if (!set_key (self, *key, value == NULL ? "" : value, error))
        {
          g_autofree char *shown = bal_escape_for_display (*key);
          g_prefix_error (error, "%s: [" MEMORY_GROUP "] %s: ", path, shown);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_groups (GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  for (char **group = groups; *group != NULL; group++)
    if (strcmp (*group, MEMORY_GROUP) != 0)
      {
        g_autofree char *shown = bal_escape_for_display (*group);
        g_set_error (error, BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID,
                     "%s: there is no such group: [%s]", path, shown);
        return FALSE;
      }
  return TRUE;
}

/* @file NULL: it could not be read. */
static gboolean
apply_file (BalConfig *self, GKeyFile *file, const char *path, GError **error)
{
  bal_config_init (self);
  if (file != NULL && check_groups (file, path, error) && apply_keys (self, file, path, error))
    return TRUE;
  bal_config_clear (self);
  return FALSE;
}

gboolean
bal_config_parse (
  const char *text, gsize length_bytes, const char *path, BalConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = bal_config_file_parse (text, length_bytes, path, error);

  return apply_file (out, file, path, error);
}

gboolean
bal_config_load (const char *path, gboolean must_exist, BalConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = bal_config_file_load (path, must_exist, error);

  return apply_file (out, file, path, error);
}

BalConfig *
bal_config_new (const char *path, gboolean must_exist, GError **error)
{
  BalConfig *self = g_atomic_rc_box_new0 (BalConfig);

  if (bal_config_load (path, must_exist, self, error))
    return self;
  bal_config_free (self);
  return NULL;
}

BalConfig *
bal_config_share (const BalConfig *self)
{
  return g_atomic_rc_box_acquire ((gpointer)self);
}

static void
clear (gpointer data)
{
  bal_config_clear (data);
}

void
bal_config_free (BalConfig *self)
{
  g_atomic_rc_box_release_full (self, clear);
}
