/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/journal.h"

#include "host-hook/file-io.h"

#include <string.h>
#include <unistd.h>

#define FILE_SUFFIX ".json"

/* --- names --- */

static char *
folder_of (const char *root)
{
  return bal_root_path (root, BAL_JOURNAL_FOLDER);
}

static char *
file_name_of (const BalJournalEntry *entry)
{
  g_autofree char *incarnation = bal_incarnation_to_string (&entry->incarnation);
  return g_strdup_printf ("%s.%s.%s" FILE_SUFFIX, entry->uuid, incarnation, entry->migration_id);
}

/* --- what may not change --- */

static gboolean
same_devices (const GArray *a, const GArray *b)
{
  guint n_a = a == NULL ? 0 : a->len;
  guint n_b = b == NULL ? 0 : b->len;

  for (guint i = 0; n_a == n_b && i < n_a; i++)
    {
      const BalJournalVirtioMem *first = &g_array_index (a, BalJournalVirtioMem, i);
      const BalJournalVirtioMem *second = &g_array_index (b, BalJournalVirtioMem, i);
      if (strcmp (first->alias, second->alias) != 0 || first->original_kib != second->original_kib)
        return FALSE;
    }
  return n_a == n_b;
}

static gboolean
keeps_originals (const BalJournalEntry *before, const BalJournalEntry *after)
{
  return strcmp (before->boot_id, after->boot_id) == 0 && before->created_us == after->created_us
         && before->by_qmp == after->by_qmp && before->has_balloon == after->has_balloon
         && before->balloon_original_kib == after->balloon_original_kib
         && same_devices (before->virtio_mem, after->virtio_mem)
         && (before->hold_token == NULL || g_strcmp0 (before->hold_token, after->hold_token) == 0);
}

static gboolean
check_existing (const char *root,
                const char *file_name,
                const BalJournalEntry *entry,
                GError **error)
{
  g_autoptr (GError) load_error = NULL;
  g_autoptr (BalJournalEntry) before = bal_journal_load (root, file_name, &load_error);

  if (before == NULL && g_error_matches (load_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  if (before == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&load_error));
      return FALSE;
    }
  if (keeps_originals (before, entry))
    return TRUE;
  g_set_error (error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_ORIGINALS,
               "The journal's record %s would lose the sizes to go back to; it was left as it is",
               file_name);
  return FALSE;
}

/* --- files --- */

gboolean
bal_journal_save (const char *root, const BalJournalEntry *entry, GError **error)
{
  g_autofree char *folder = folder_of (root);
  g_autofree char *file_name = file_name_of (entry);
  g_autofree char *text = bal_journal_entry_to_json (entry);

  /* What could not be read back would be of no use after a crash. */
  g_autoptr (BalJournalEntry) again = bal_journal_entry_from_json (text, strlen (text), error);
  return again != NULL && bal_make_folder (folder, 0700, error)
         && check_existing (root, file_name, entry, error)
         && bal_write_durably (folder, file_name, text, strlen (text), 0600, error);
}

static BalJournalEntry *
read_file (const char *folder, const char *file_name, GError **error)
{
  gsize length_bytes;
  g_autofree char *path = g_build_filename (folder, file_name, NULL);
  g_autofree char *text = bal_read_file (path, BAL_JOURNAL_FILE_MAX_BYTES, &length_bytes, error);
  if (text == NULL)
    return NULL;

  g_autoptr (BalJournalEntry) entry = bal_journal_entry_from_json (text, length_bytes, error);
  if (entry == NULL)
    {
      g_prefix_error (error, "The journal's record %s cannot be used: ", path);
      return NULL;
    }
  g_autofree char *expected_name = file_name_of (entry);
  if (strcmp (file_name, expected_name) != 0)
    {
      g_set_error (error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_INVALID,
                   "The journal's record %s cannot be used: it speaks of another release", path);
      return NULL;
    }
  return g_steal_pointer (&entry);
}

/* Nobody can settle what nobody can read, and its domain is left alone until a person has looked.
 */
static BalJournalEntry *
load_file (const char *folder, const char *file_name, GError **error)
{
  g_autoptr (GError) failure = NULL;
  BalJournalEntry *entry = read_file (folder, file_name, &failure);

  if (entry != NULL)
    return entry;
  if (failure->domain == BAL_JOURNAL_ERROR
      || g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
    g_set_error (error, failure->domain, failure->code,
                 "%s; look at the domain's sizes (`virsh dumpxml`), then remove the file",
                 failure->message);
  else
    g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

BalJournalEntry *
bal_journal_load (const char *root, const char *file_name, GError **error)
{
  g_autofree char *folder = folder_of (root);
  return load_file (folder, file_name, error);
}

gboolean
bal_journal_remove (const char *root, const BalJournalEntry *entry, GError **error)
{
  g_autofree char *folder = folder_of (root);
  g_autofree char *file_name = file_name_of (entry);
  return bal_remove_durably (folder, file_name, error);
}

/* --- the list --- */

static void
item_free (gpointer data)
{
  BalJournalItem *self = data;
  g_free (self->file_name);
  g_clear_pointer (&self->entry, bal_journal_entry_free);
  g_clear_error (&self->error);
  g_free (self);
}

static int
compare_items (gconstpointer a, gconstpointer b)
{
  const BalJournalItem *first = *(BalJournalItem *const *)a;
  const BalJournalItem *second = *(BalJournalItem *const *)b;

  if ((first->entry == NULL) != (second->entry == NULL))
    return first->entry == NULL ? 1 : -1;
  if (first->entry != NULL && first->entry->created_us != second->entry->created_us)
    return first->entry->created_us < second->entry->created_us ? -1 : 1;
  return strcmp (first->file_name, second->file_name);
}

static gboolean
is_about (const char *file_name, const char *uuid)
{
  return g_str_has_prefix (file_name, uuid) && file_name[strlen (uuid)] == '.';
}

/* Temporary files of a write that a crash cut short begin with a dot. */
static gboolean
is_wanted (const char *file_name, const char *uuid)
{
  return *file_name != '.' && g_str_has_suffix (file_name, FILE_SUFFIX)
         && (uuid == NULL || is_about (file_name, uuid));
}

GPtrArray *
bal_journal_list (const char *root, const char *uuid, GError **error)
{
  g_autofree char *path = folder_of (root);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (item_free);
  g_autoptr (GError) open_error = NULL;

  g_autoptr (GDir) folder = g_dir_open (path, 0, &open_error);
  if (folder == NULL && g_error_matches (open_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_steal_pointer (&items);
  if (folder == NULL)
    {
      g_set_error (error, open_error->domain, open_error->code,
                   "The journal %s cannot be read%s: %s; nothing was touched", path,
                   geteuid () == 0 ? "" : " (run this as root)", open_error->message);
      return NULL;
    }
  for (const char *name; (name = g_dir_read_name (folder)) != NULL;)
    {
      if (!is_wanted (name, uuid))
        continue;
      BalJournalItem *item = g_new0 (BalJournalItem, 1);
      item->file_name = g_strdup (name);
      item->entry = load_file (path, name, &item->error);
      g_ptr_array_add (items, item);
    }
  g_ptr_array_sort (items, compare_items);
  return g_steal_pointer (&items);
}

gboolean
bal_journal_item_matches (const BalJournalItem *self, const char *domain)
{
  if (!domain)
    return TRUE;
  if (!self->entry)
    return is_about (self->file_name, domain);
  return g_strcmp0 (self->entry->domain_name, domain) == 0
         || g_strcmp0 (self->entry->uuid, domain) == 0;
}

static guint64
less_bytes (guint64 original_kib, guint64 set_kib)
{
  return (original_kib - MIN (original_kib, set_kib)) * 1024;
}

guint64
bal_journal_entry_released_bytes (const BalJournalEntry *self)
{
  guint64 bytes = self->hold_bytes;

  if (self->has_balloon)
    bytes += less_bytes (self->balloon_original_kib, self->balloon_set_kib);
  for (guint i = 0; self->virtio_mem && i < self->virtio_mem->len; i++)
    {
      const BalJournalVirtioMem *device = &g_array_index (self->virtio_mem, BalJournalVirtioMem, i);

      bytes += less_bytes (device->original_kib, device->set_kib);
    }
  return bytes;
}

gboolean
bal_journal_entry_changes_sizes (const BalJournalEntry *self)
{
  return self->has_balloon || (self->virtio_mem && self->virtio_mem->len > 0);
}

gboolean
bal_journal_entry_has_tag (const BalJournalEntry *self)
{
  return bal_journal_entry_changes_sizes (self) && !self->by_qmp;
}
