/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Journal entries as JSON text and back. */
#include "host-hook/journal.h"

#include "host-hook/domain-xml.h"
#include "protocol/codec.h"
#include "protocol/json-read.h"
#include "protocol/limits.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* A URI, a domain's name: longer than any that libvirt takes. */
#define STRING_MAX_BYTES 4096

G_DEFINE_QUARK (bal_journal_error, bal_journal_error)

static const char *const stage_names[] = {
  [BAL_JOURNAL_PLANNED] = "planned",     [BAL_JOURNAL_RELEASING] = "releasing",
  [BAL_JOURNAL_RELEASED] = "released",   [BAL_JOURNAL_MIGRATING] = "migrating",
  [BAL_JOURNAL_RESTORING] = "restoring",
};

const char *
bal_journal_stage_name (BalJournalStage stage)
{
  g_assert ((guint)stage < G_N_ELEMENTS (stage_names));
  return stage_names[stage];
}

/* --- entries --- */

static void
virtio_mem_clear (gpointer data)
{
  BalJournalVirtioMem *self = data;
  g_clear_pointer (&self->alias, g_free);
}

BalJournalEntry *
bal_journal_entry_new (void)
{
  BalJournalEntry *self = g_new0 (BalJournalEntry, 1);
  self->created_us = g_get_real_time ();
  return self;
}

void
bal_journal_entry_free (BalJournalEntry *self)
{
  g_free (self->uuid);
  g_free (self->migration_id);
  g_free (self->boot_id);
  g_free (self->domain_name);
  g_free (self->source_uri);
  g_free (self->dest_uri);
  g_free (self->dest_name);
  g_free (self->hold_token);
  g_clear_pointer (&self->virtio_mem, g_array_unref);
  g_free (self);
}

void
bal_journal_entry_add_virtio_mem (BalJournalEntry *self,
                                  const char *alias,
                                  guint64 original_kib,
                                  guint64 set_kib)
{
  BalJournalVirtioMem device = {g_strdup (alias), original_kib, set_kib};

  if (self->virtio_mem == NULL)
    {
      self->virtio_mem = g_array_new (FALSE, TRUE, sizeof (BalJournalVirtioMem));
      g_array_set_clear_func (self->virtio_mem, virtio_mem_clear);
    }
  g_array_append_val (self->virtio_mem, device);
}

/* --- writing --- */

static void
set_string (JsonObject *object, const char *name, const char *value)
{
  if (value != NULL)
    json_object_set_string_member (object, name, value);
}

static void
set_uint (JsonObject *object, const char *name, guint64 value)
{
  json_object_set_int_member (object, name, (gint64)value);
}

static void
set_incarnation (JsonObject *object, const char *name, const BalIncarnation *incarnation)
{
  g_autofree char *text = bal_incarnation_to_string (incarnation);
  json_object_set_string_member (object, name, text);
}

static JsonObject *
new_sizes (guint64 original_kib, guint64 set_kib)
{
  JsonObject *object = json_object_new ();
  set_uint (object, "original-kib", original_kib);
  set_uint (object, "set-kib", set_kib);
  return object;
}

static void
set_mechanisms (JsonObject *object, const BalJournalEntry *entry)
{
  if (entry->hold_token != NULL)
    {
      JsonObject *hold = json_object_new ();
      set_string (hold, "token", entry->hold_token);
      set_uint (hold, "bytes", entry->hold_bytes);
      json_object_set_object_member (object, "hold", hold);
    }
  if (entry->has_balloon)
    json_object_set_object_member (object, "balloon",
                                   new_sizes (entry->balloon_original_kib, entry->balloon_set_kib));

  JsonArray *devices = json_array_new ();
  for (guint i = 0; entry->virtio_mem != NULL && i < entry->virtio_mem->len; i++)
    {
      const BalJournalVirtioMem *device =
        &g_array_index (entry->virtio_mem, BalJournalVirtioMem, i);
      JsonObject *sizes = new_sizes (device->original_kib, device->set_kib);
      set_string (sizes, "alias", device->alias);
      json_array_add_object_element (devices, sizes);
    }
  json_object_set_array_member (object, "virtio-mem", devices);
  if (entry->by_qmp)
    json_object_set_boolean_member (object, "by-qmp", TRUE);
}

char *
bal_journal_entry_to_json (const BalJournalEntry *self)
{
  JsonObject *object = json_object_new ();
  set_uint (object, "version", BAL_JOURNAL_VERSION);
  set_string (object, "uuid", self->uuid);
  set_incarnation (object, "incarnation", &self->incarnation);
  set_string (object, "migration-id", self->migration_id);
  set_string (object, "boot-id", self->boot_id);
  json_object_set_int_member (object, "created-us", self->created_us);
  set_string (object, "domain-name", self->domain_name);
  set_string (object, "source-uri", self->source_uri);
  set_string (object, "dest-uri", self->dest_uri);
  set_string (object, "dest-name", self->dest_name);
  set_incarnation (object, "owner", &self->owner);
  set_string (object, "stage", bal_journal_stage_name (self->stage));
  set_mechanisms (object, self);

  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (root, object);
  g_autofree char *text = json_to_string (root, TRUE);
  return g_strconcat (text, "\n", NULL);
}

/* --- reading --- */

static gboolean
read_string (
  const BalJsonReader *reader, BalPresence presence, const char *name, char **out, GError **error)
{
  JsonNode *node = json_object_get_member (reader->object, name);
  if (node == NULL && presence == BAL_OPTIONAL)
    return TRUE;
  if (node == NULL || json_node_get_value_type (node) != G_TYPE_STRING)
    return bal_read_fail (reader, error, "\"%s\" is not a string", name);
  const char *text = json_node_get_string (node);
  if (*text == '\0' || strlen (text) > STRING_MAX_BYTES)
    return bal_read_fail (reader, error, "\"%s\" is empty or too long", name);
  *out = g_strdup (text);
  return TRUE;
}

static gboolean
read_uuid (const BalJsonReader *reader, const char *name, char **out, GError **error)
{
  if (!read_string (reader, BAL_REQUIRED, name, out, error))
    return FALSE;
  g_autofree char *lower = g_ascii_strdown (*out, -1);
  if (!g_uuid_string_is_valid (*out) || g_strcmp0 (lower, *out) != 0)
    return bal_read_fail (reader, error, "\"%s\" is not a UUID", name);
  return TRUE;
}

static gboolean
read_incarnation (const BalJsonReader *reader,
                  const char *name,
                  BalIncarnation *out,
                  GError **error)
{
  g_autofree char *text = NULL;
  if (!bal_read_token (reader, BAL_REQUIRED, name, &text, error))
    return FALSE;
  if (!bal_incarnation_from_string (text, out))
    return bal_read_fail (reader, error, "\"%s\" is not a pid and a start time", name);
  return TRUE;
}

static gboolean
read_stage (const BalJsonReader *reader, BalJournalStage *out, GError **error)
{
  g_autofree char *name = NULL;
  if (!bal_read_token (reader, BAL_REQUIRED, "stage", &name, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (stage_names); i++)
    if (strcmp (stage_names[i], name) == 0)
      {
        *out = (BalJournalStage)i;
        return TRUE;
      }
  return bal_read_fail (reader, error, "\"stage\" is not known");
}

static gboolean
read_sizes (const BalJsonReader *reader, guint64 *original_kib, guint64 *set_kib, GError **error)
{
  const guint64 max = BAL_ADDRESS_LIMIT / 1024;
  return bal_read_uint (reader, BAL_REQUIRED, "original-kib", 0, max, original_kib, error)
         && bal_read_uint (reader, BAL_REQUIRED, "set-kib", 0, max, set_kib, error);
}

static gboolean
read_hold (const BalJsonReader *reader, BalJournalEntry *entry, GError **error)
{
  static const char *const allowed[] = {"token", "bytes", NULL};
  BalJsonReader hold = {.object = NULL};

  if (!bal_read_object (reader, BAL_OPTIONAL, "hold", &hold, error))
    return FALSE;
  return hold.object == NULL
         || (bal_read_only (&hold, allowed, error)
             && bal_read_token (&hold, BAL_REQUIRED, "token", &entry->hold_token, error)
             && bal_read_uint (&hold, BAL_REQUIRED, "bytes", 0, BAL_ADDRESS_LIMIT,
                               &entry->hold_bytes, error));
}

static gboolean
read_balloon (const BalJsonReader *reader, BalJournalEntry *entry, GError **error)
{
  static const char *const allowed[] = {"original-kib", "set-kib", NULL};
  BalJsonReader balloon = {.object = NULL};

  if (!bal_read_object (reader, BAL_OPTIONAL, "balloon", &balloon, error))
    return FALSE;
  entry->has_balloon = balloon.object != NULL;
  return !entry->has_balloon
         || (bal_read_only (&balloon, allowed, error)
             && read_sizes (&balloon, &entry->balloon_original_kib, &entry->balloon_set_kib,
                            error));
}

static gboolean
read_virtio_mem (const BalJsonReader *reader,
                 JsonNode *node,
                 BalJournalEntry *entry,
                 GError **error)
{
  static const char *const allowed[] = {"alias", "original-kib", "set-kib", NULL};
  BalJsonReader device = *reader;
  g_autofree char *alias = NULL;
  guint64 original_kib;
  guint64 set_kib;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return bal_read_fail (reader, error, "\"virtio-mem\" holds something else than objects");
  device.object = json_node_get_object (node);
  if (!bal_read_only (&device, allowed, error)
      || !read_string (&device, BAL_REQUIRED, "alias", &alias, error)
      || !read_sizes (&device, &original_kib, &set_kib, error))
    return FALSE;
  for (guint i = 0; entry->virtio_mem != NULL && i < entry->virtio_mem->len; i++)
    if (g_strcmp0 (g_array_index (entry->virtio_mem, BalJournalVirtioMem, i).alias, alias) == 0)
      return bal_read_fail (reader, error, "\"virtio-mem\" names a device twice");
  bal_journal_entry_add_virtio_mem (entry, alias, original_kib, set_kib);
  return TRUE;
}

static gboolean
read_virtio_mems (const BalJsonReader *reader, BalJournalEntry *entry, GError **error)
{
  JsonArray *devices;

  if (!bal_read_array (reader, "virtio-mem", BAL_DOMAIN_XML_MEMORY_DEVICES_MAX, &devices, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (devices); i++)
    if (!read_virtio_mem (reader, json_array_get_element (devices, i), entry, error))
      return FALSE;
  return TRUE;
}

static gboolean
read_entry (const BalJsonReader *reader, BalJournalEntry *entry, GError **error)
{
  static const char *const allowed[] = {"version",  "uuid",       "incarnation", "migration-id",
                                        "boot-id",  "created-us", "domain-name", "source-uri",
                                        "dest-uri", "dest-name",  "owner",       "stage",
                                        "hold",     "balloon",    "virtio-mem",  "by-qmp",
                                        NULL};
  return bal_read_only (reader, allowed, error) && read_uuid (reader, "uuid", &entry->uuid, error)
         && read_incarnation (reader, "incarnation", &entry->incarnation, error)
         && bal_read_token (reader, BAL_REQUIRED, "migration-id", &entry->migration_id, error)
         && read_uuid (reader, "boot-id", &entry->boot_id, error)
         && bal_read_int (reader, "created-us", &entry->created_us, error)
         && read_string (reader, BAL_REQUIRED, "domain-name", &entry->domain_name, error)
         && read_string (reader, BAL_REQUIRED, "source-uri", &entry->source_uri, error)
         && read_string (reader, BAL_OPTIONAL, "dest-uri", &entry->dest_uri, error)
         && read_string (reader, BAL_OPTIONAL, "dest-name", &entry->dest_name, error)
         && read_incarnation (reader, "owner", &entry->owner, error)
         && read_stage (reader, &entry->stage, error) && read_hold (reader, entry, error)
         && read_balloon (reader, entry, error) && read_virtio_mems (reader, entry, error)
         && bal_read_bool (reader, BAL_OPTIONAL, "by-qmp", &entry->by_qmp, error);
}

BalJournalEntry *
bal_journal_entry_from_json (const char *text, gsize length_bytes, GError **error)
{
  g_autoptr (GError) syntax_error = NULL;
  g_autoptr (JsonObject) object = bal_json_parse_line (text, length_bytes, &syntax_error);
  if (object == NULL)
    {
      g_set_error_literal (error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_INVALID,
                           syntax_error->message);
      return NULL;
    }

  BalJsonReader reader = {object, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_INVALID, "Member"};
  guint64 version;
  if (!bal_read_uint (&reader, BAL_REQUIRED, "version", 0, G_MAXINT64, &version, error))
    return NULL;
  if (version != BAL_JOURNAL_VERSION)
    {
      g_set_error (error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_VERSION,
                   "It was written by another version of Ballast (%" G_GUINT64_FORMAT ")", version);
      return NULL;
    }
  g_autoptr (BalJournalEntry) entry = g_new0 (BalJournalEntry, 1);
  return read_entry (&reader, entry, error) ? g_steal_pointer (&entry) : NULL;
}
