/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-json.h"

#include <string.h>

gboolean
bal_vf_read_string (const BalJsonReader *reader,
                    BalPresence presence,
                    const char *name,
                    BalVfParse parse,
                    char **out,
                    GError **error)
{
  JsonNode *node = json_object_get_member (reader->object, name);
  g_autoptr (GError) cause = NULL;

  if (node == NULL)
    return presence == BAL_OPTIONAL || bal_read_fail (reader, error, "\"%s\" is missing", name);
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return bal_read_fail (reader, error, "\"%s\" is not a string", name);
  if (parse (name, json_node_get_string (node), out, &cause))
    return TRUE;
  /* The reader says in which domain. */
  return bal_read_fail (reader, error, "%s", cause->message);
}

gboolean
bal_vf_read_into (const BalJsonReader *reader,
                  const char *name,
                  BalVfParse parse,
                  char *out,
                  gsize size,
                  GError **error)
{
  g_autofree char *value = NULL;

  if (!bal_vf_read_string (reader, BAL_REQUIRED, name, parse, &value, error))
    return FALSE;
  g_assert (value != NULL);
  if (strlen (value) >= size)
    return bal_read_fail (reader, error, "\"%s\" is too long", name);
  g_strlcpy (out, value, size);
  return TRUE;
}

gboolean
bal_vf_read_number (const BalJsonReader *reader,
                    BalPresence presence,
                    const char *name,
                    guint min,
                    guint max,
                    guint *out,
                    GError **error)
{
  guint64 value = *out;

  if (!bal_read_uint (reader, presence, name, min, max, &value, error))
    return FALSE;
  *out = (guint)value;
  return TRUE;
}

gboolean
bal_vf_read_switch (const BalJsonReader *reader, const char *name, BalVfSwitch *out, GError **error)
{
  gboolean on = FALSE;

  if (!bal_read_bool (reader, BAL_OPTIONAL, name, &on, error))
    return FALSE;
  if (json_object_has_member (reader->object, name))
    *out = on ? BAL_VF_ON : BAL_VF_OFF;
  return TRUE;
}

gboolean
bal_vf_read_name (const BalJsonReader *reader,
                  const char *name,
                  const char *const *names,
                  guint n_names,
                  guint *out,
                  GError **error)
{
  g_autofree char *text = NULL;

  if (!bal_read_token (reader, BAL_REQUIRED, name, &text, error))
    return FALSE;
  for (guint i = 0; i < n_names; i++)
    if (strcmp (names[i], text) == 0)
      {
        *out = i;
        return TRUE;
      }
  return bal_read_fail (reader, error, "\"%s\" is not known", name);
}

void
bal_vf_set_string (JsonObject *object, const char *name, const char *value)
{
  if (value != NULL)
    json_object_set_string_member (object, name, value);
}

void
bal_vf_set_switch (JsonObject *object, const char *name, BalVfSwitch value)
{
  if (value != BAL_VF_UNSET)
    json_object_set_boolean_member (object, name, value == BAL_VF_ON);
}
