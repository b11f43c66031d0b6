/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/config.h"

#include <string.h>
#include <sys/stat.h>

#include "protocol/limits.h"

#define GROUP "memory"
#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

/* A TiB: nobody means more, and it never overflows as bytes. */
#define SIZE_MAX_MIB (1024u * 1024u)

#define DEFAULT_MIN_GAIN_MIB 64
#define DEFAULT_HOLD_DEADLINE_S 900
#define DEFAULT_AGENT_TIMEOUT_MS 3000

G_DEFINE_QUARK (bal-config-error-quark, bal_config_error)

static const BalMechanism default_mechanisms[]
  = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD, BAL_MECHANISM_BALLOON};

static gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error)
    *error = g_error_new_valist (BAL_CONFIG_ERROR, BAL_CONFIG_ERROR_INVALID, format, arguments);
  va_end (arguments);
  return FALSE;
}

void
bal_config_init (BalConfig *self)
{
  *self = (BalConfig){
    .policy = {.mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism)),
               .min_gain_bytes = DEFAULT_MIN_GAIN_MIB * MIB,
               .headroom_min_bytes = BAL_HEADROOM_MIN_BYTES,
               .headroom_percent = BAL_HEADROOM_PERCENT,
               .page_cache = BAL_PAGE_CACHE_KEEP},
    .use_qmp = TRUE,
    .hold_deadline_ms = DEFAULT_HOLD_DEADLINE_S * 1000,
    .agent_timeout_ms = DEFAULT_AGENT_TIMEOUT_MS,
  };
  g_array_append_vals (self->policy.mechanisms, default_mechanisms,
                       G_N_ELEMENTS (default_mechanisms));
}

void
bal_config_clear (BalConfig *self)
{
  g_clear_pointer (&self->policy.mechanisms, g_array_unref);
  *self = (BalConfig){0};
}

static gboolean
find_mechanism (const char *name, BalMechanism *out)
{
  for (gsize i = 0; i < G_N_ELEMENTS (default_mechanisms); i++)
    if (strcmp (name, bal_mechanism_name (default_mechanisms[i])) == 0)
      {
        *out = default_mechanisms[i];
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
  g_autoptr (GArray) mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism));
  g_auto (GStrv) names = g_strsplit (text, (char[]){separator, '\0'}, -1);

  for (guint i = 0; names[i]; i++)
    {
      const char *name = g_strstrip (names[i]);
      BalMechanism mechanism;

      if (*name == '\0' && !names[i + 1] && i > 0)
        break;
      if (!find_mechanism (name, &mechanism))
        {
          fail (error,
                "\"%s\" is not a mechanism; there are virtio-mem, hold and balloon, nothing was "
                "touched",
                name);
          return NULL;
        }
      if (contains (mechanisms, mechanism))
        {
          fail (error, "The mechanism \"%s\" is named twice, nothing was touched", name);
          return NULL;
        }
      g_array_append_val (mechanisms, mechanism);
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

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (text, names[i]) == 0)
      {
        *out = i;
        return TRUE;
      }
  return fail (error,
               "\"%s\" is not a page cache policy; there are keep, trim and drop, nothing was "
               "touched",
               text);
}

static gboolean
parse_number (const char *text, guint64 min, guint64 max, guint64 *out, GError **error)
{
  if (g_ascii_string_to_unsigned (text, 10, min, max, out, NULL))
    return TRUE;
  return fail (error,
               "\"%s\" is not a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
               ", nothing was touched",
               text, min, max);
}

static gboolean
set_mechanisms (BalConfig *self, const char *text, GError **error)
{
  GArray *mechanisms = bal_config_parse_mechanisms (text, ';', error);

  if (!mechanisms)
    return FALSE;
  g_array_unref (self->policy.mechanisms);
  self->policy.mechanisms = mechanisms;
  return TRUE;
}

static gboolean
set_min_gain (BalConfig *self, const char *text, GError **error)
{
  guint64 mib;

  if (!parse_number (text, 1, SIZE_MAX_MIB, &mib, error))
    return FALSE;
  self->policy.min_gain_bytes = mib * MIB;
  return TRUE;
}

static gboolean
set_headroom_min (BalConfig *self, const char *text, GError **error)
{
  guint64 mib;

  if (!parse_number (text, 0, SIZE_MAX_MIB, &mib, error))
    return FALSE;
  self->policy.headroom_min_bytes = mib * MIB;
  return TRUE;
}

static gboolean
set_headroom_percent (BalConfig *self, const char *text, GError **error)
{
  guint64 percent;

  if (!parse_number (text, 0, 100, &percent, error))
    return FALSE;
  self->policy.headroom_percent = (guint) percent;
  return TRUE;
}

static gboolean
set_page_cache (BalConfig *self, const char *text, GError **error)
{
  return bal_config_parse_page_cache (text, &self->policy.page_cache, error);
}

static gboolean
set_use_qmp (BalConfig *self, const char *text, GError **error)
{
  self->use_qmp = strcmp (text, "yes") == 0;
  return self->use_qmp || strcmp (text, "no") == 0
         || fail (error, "\"%s\" is neither yes nor no, nothing was touched", text);
}

static gboolean
set_hold_deadline (BalConfig *self, const char *text, GError **error)
{
  guint64 seconds;

  if (!parse_number (text, BAL_HOLD_DEADLINE_MIN_MS / 1000, BAL_HOLD_DEADLINE_MAX_MS / 1000,
                     &seconds, error))
    return FALSE;
  self->hold_deadline_ms = seconds * 1000;
  return TRUE;
}

static gboolean
set_agent_timeout (BalConfig *self, const char *text, GError **error)
{
  guint64 timeout_ms;

  if (!parse_number (text, 100, 60000, &timeout_ms, error))
    return FALSE;
  self->agent_timeout_ms = (guint) timeout_ms;
  return TRUE;
}

typedef struct
{
  const char *name;
  gboolean (*set) (BalConfig *self, const char *text, GError **error);
} Key;

static const Key keys[] = {
  {"mechanisms", set_mechanisms},
  {"min-gain-mib", set_min_gain},
  {"headroom-min-mib", set_headroom_min},
  {"headroom-percent", set_headroom_percent},
  {"page-cache", set_page_cache},
  {"use-qmp", set_use_qmp},
  {"hold-deadline-s", set_hold_deadline},
  {"agent-timeout-ms", set_agent_timeout},
};

static gboolean
set_key (BalConfig *self, GKeyFile *file, const char *name, const char *path, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].name, name) == 0)
      {
        g_autofree char *text = g_key_file_get_value (file, GROUP, name, NULL);

        if (keys[i].set (self, g_strstrip (text), error))
          return TRUE;
        g_prefix_error (error, "%s: [" GROUP "] %s: ", path, name);
        return FALSE;
      }
  return fail (error, "%s: [" GROUP "] has no key \"%s\", nothing was touched", path, name);
}

static gboolean
read_key_file (BalConfig *self, GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_auto (GStrv) names = NULL;

  for (guint i = 0; groups[i]; i++)
    if (strcmp (groups[i], GROUP) != 0)
      return fail (error, "%s: there is no group [%s], nothing was touched", path, groups[i]);
  names = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (guint i = 0; names && names[i]; i++)
    if (!set_key (self, file, names[i], path, error))
      return FALSE;
  return TRUE;
}

gboolean
bal_config_parse (
  const char *text, gsize length_bytes, const char *path, BalConfig *out, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) syntax = NULL;
  g_auto (BalConfig) self = {0};

  bal_config_init (&self);
  *out = (BalConfig){0};
  if (length_bytes > 0
      && !g_key_file_load_from_data (file, text, length_bytes, G_KEY_FILE_NONE, &syntax))
    return fail (error, "%s: %s, nothing was touched", path, syntax->message);
  if (!read_key_file (&self, file, path, error))
    return FALSE;
  *out = self;
  self = (BalConfig){0};
  return TRUE;
}

gboolean
bal_config_load (const char *path, gboolean must_exist, BalConfig *out, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *text = NULL;
  gsize length_bytes = 0;
  struct stat status;

  *out = (BalConfig){0};
  if (stat (path, &status) == 0
      && (!S_ISREG (status.st_mode) || (guint64) status.st_size > BAL_CONFIG_MAX_BYTES))
    return fail (error, "%s is not a file of at most %u bytes, nothing was touched", path,
                 BAL_CONFIG_MAX_BYTES);
  if (g_file_get_contents (path, &text, &length_bytes, &failure))
    return bal_config_parse (text, length_bytes, path, out, error);
  if (!must_exist && g_error_matches (failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      bal_config_init (out);
      return TRUE;
    }
  return fail (error, "%s, nothing was touched", failure->message);
}
