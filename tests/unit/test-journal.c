/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/journal.h"

#include "host-hook/file-io.h"
#include "protocol/codec.h"
#include "test-root.h"

#include <string.h>
#include <unistd.h>

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define OTHER_UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e60"
#define BOOT_ID "11111111-2222-4333-8444-555555555555"
#define FILE_NAME UUID ".4711-123456.nonce-1.json"

static BalJournalEntry *
new_entry (const char *uuid, const char *migration_id)
{
  BalJournalEntry *entry = bal_journal_entry_new ();
  entry->uuid = g_strdup (uuid);
  entry->incarnation = (BalIncarnation){4711, 123456};
  entry->migration_id = g_strdup (migration_id);
  entry->boot_id = g_strdup (BOOT_ID);
  entry->domain_name = g_strdup ("a domain/\"with\" \xc3\xa9");
  entry->source_uri = g_strdup ("qemu:///system");
  entry->dest_uri = g_strdup ("qemu+tcp://dst/system");
  entry->owner = (BalIncarnation){99, G_MAXUINT64};
  entry->has_balloon = TRUE;
  entry->balloon_original_kib = 4194304;
  entry->balloon_set_kib = 4194304;
  bal_journal_entry_add_virtio_mem (entry, "virtiomem0", 3145728, 3145728);
  return entry;
}

static void
save (TestRoot *root, const BalJournalEntry *entry)
{
  g_autoptr (GError) error = NULL;
  bal_journal_save (root->path, entry, &error);
  g_assert_no_error (error);
}

static void
assert_not_saved (TestRoot *root, const BalJournalEntry *entry, int code)
{
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_journal_save (root->path, entry, &error));
  g_assert_error (error, BAL_JOURNAL_ERROR, code);
}

static BalJournalEntry *
load (TestRoot *root)
{
  g_autoptr (GError) error = NULL;
  BalJournalEntry *entry = bal_journal_load (root->path, FILE_NAME, &error);
  g_assert_no_error (error);
  return entry;
}

static void
put (TestRoot *root, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (BAL_JOURNAL_FOLDER, name, NULL);
  test_root_put (root, path, text);
}

static GPtrArray *
list (TestRoot *root, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *items = bal_journal_list (root->path, uuid, &error);
  g_assert_no_error (error);
  return items;
}

static void
test_round_trip (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  entry->dest_name = g_strdup ("new name");
  entry->hold_token = g_strdup ("t.1");
  entry->hold_bytes = G_GUINT64_CONSTANT (12) << 40;
  entry->stage = BAL_JOURNAL_MIGRATING;
  save (root, entry);

  g_autoptr (BalJournalEntry) again = load (root);
  g_assert_cmpstr (again->uuid, ==, UUID);
  g_assert_true (bal_incarnation_equal (&again->incarnation, &entry->incarnation));
  g_assert_cmpstr (again->migration_id, ==, "nonce-1");
  g_assert_cmpstr (again->boot_id, ==, BOOT_ID);
  g_assert_cmpint (again->created_us, ==, entry->created_us);
  g_assert_cmpstr (again->domain_name, ==, entry->domain_name);
  g_assert_cmpstr (again->source_uri, ==, "qemu:///system");
  g_assert_cmpstr (again->dest_uri, ==, "qemu+tcp://dst/system");
  g_assert_cmpstr (again->dest_name, ==, "new name");
  g_assert_true (bal_incarnation_equal (&again->owner, &entry->owner));
  g_assert_cmpint (again->stage, ==, BAL_JOURNAL_MIGRATING);
  g_assert_cmpstr (again->hold_token, ==, "t.1");
  g_assert_cmpuint (again->hold_bytes, ==, entry->hold_bytes);
  g_assert_false (again->by_qmp);
  g_assert_true (again->has_balloon);
  g_assert_cmpuint (again->balloon_original_kib, ==, 4194304);
  g_assert_cmpuint (again->virtio_mem->len, ==, 1);
  const BalJournalVirtioMem *device = &g_array_index (again->virtio_mem, BalJournalVirtioMem, 0);
  g_assert_cmpstr (device->alias, ==, "virtiomem0");
  g_assert_cmpuint (device->original_kib, ==, 3145728);
}

static void
test_private_file (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  save (root, entry);
  g_autofree char *folder = test_root_path (root, BAL_JOURNAL_FOLDER);
  g_autofree char *path = g_build_filename (folder, FILE_NAME, NULL);
  GStatBuf info;
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  g_assert_cmpint (g_stat (folder, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0700);
}

static void
test_without_extras (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  entry->has_balloon = FALSE;
  entry->by_qmp = TRUE;
  g_clear_pointer (&entry->dest_uri, g_free);
  g_clear_pointer (&entry->virtio_mem, g_array_unref);
  entry->balloon_original_kib = 0;
  save (root, entry);
  g_autoptr (BalJournalEntry) again = load (root);
  g_assert_false (again->has_balloon);
  g_assert_true (again->by_qmp);
  g_assert_null (again->dest_uri);
  g_assert_null (again->hold_token);
  g_assert_null (again->virtio_mem);
  save (root, again);
}

static void
test_progress_is_saved (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  save (root, entry);
  entry->stage = BAL_JOURNAL_RELEASED;
  entry->owner.pid = 100;
  entry->balloon_set_kib = 1048576;
  g_array_index (entry->virtio_mem, BalJournalVirtioMem, 0).set_kib = 0;
  entry->hold_token = g_strdup ("t");
  entry->hold_bytes = 4096;
  save (root, entry);

  g_autoptr (BalJournalEntry) again = load (root);
  g_assert_cmpint (again->stage, ==, BAL_JOURNAL_RELEASED);
  g_assert_cmpint (again->owner.pid, ==, 100);
  g_assert_cmpuint (again->balloon_set_kib, ==, 1048576);
  g_assert_cmpuint (g_array_index (again->virtio_mem, BalJournalVirtioMem, 0).set_kib, ==, 0);
  g_assert_cmpstr (again->hold_token, ==, "t");
}

typedef void (*Change) (BalJournalEntry *entry);

static void
change_balloon (BalJournalEntry *entry)
{
  entry->balloon_original_kib = 1048576;
}

static void
drop_balloon (BalJournalEntry *entry)
{
  entry->has_balloon = FALSE;
}

static void
change_device (BalJournalEntry *entry)
{
  g_array_index (entry->virtio_mem, BalJournalVirtioMem, 0).original_kib = 0;
}

static void
add_device (BalJournalEntry *entry)
{
  bal_journal_entry_add_virtio_mem (entry, "virtiomem1", 2048, 2048);
}

static void
drop_device (BalJournalEntry *entry)
{
  g_clear_pointer (&entry->virtio_mem, g_array_unref);
}

static void
change_token (BalJournalEntry *entry)
{
  g_free (entry->hold_token);
  entry->hold_token = g_strdup ("other");
}

static void
drop_token (BalJournalEntry *entry)
{
  g_clear_pointer (&entry->hold_token, g_free);
}

static void
change_time (BalJournalEntry *entry)
{
  entry->created_us++;
}

static void
test_originals_stay (TestRoot *root, gconstpointer user_data)
{
  static const Change changes[] = {change_balloon, drop_balloon, change_device, add_device,
                                   drop_device,    change_token, drop_token,    change_time};
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  entry->hold_token = g_strdup ("t");
  save (root, entry);
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (BalJournalEntry) changed = load (root);
      changes[i](changed);
      assert_not_saved (root, changed, BAL_JOURNAL_ERROR_ORIGINALS);
      g_autoptr (BalJournalEntry) again = load (root);
      g_assert_cmpuint (again->balloon_original_kib, ==, 4194304);
      g_assert_cmpstr (again->hold_token, ==, "t");
    }
}

static void
test_corrupt_is_not_overwritten (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  put (root, FILE_NAME, "{\"version\":1,");
  assert_not_saved (root, entry, BAL_JOURNAL_ERROR_INVALID);
}

static void
test_unusable_entry_is_not_saved (TestRoot *root, gconstpointer user_data)
{
  static const char *const bad_ids[] = {"", "../../x", "a b"};
  for (gsize i = 0; i < G_N_ELEMENTS (bad_ids); i++)
    {
      g_autoptr (BalJournalEntry) entry = new_entry (UUID, bad_ids[i]);
      assert_not_saved (root, entry, BAL_JOURNAL_ERROR_INVALID);
    }
  g_autoptr (BalJournalEntry) entry = new_entry ("../" UUID, "nonce-1");
  assert_not_saved (root, entry, BAL_JOURNAL_ERROR_INVALID);
  g_autoptr (BalJournalEntry) incomplete = new_entry (UUID, "nonce-1");
  g_clear_pointer (&incomplete->source_uri, g_free);
  assert_not_saved (root, incomplete, BAL_JOURNAL_ERROR_INVALID);
  g_autofree char *folder = test_root_path (root, BAL_JOURNAL_FOLDER);
  g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));
}

static void
test_list (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GPtrArray) empty = list (root, NULL);
  g_assert_cmpuint (empty->len, ==, 0);

  g_autoptr (BalJournalEntry) later = new_entry (UUID, "a");
  g_autoptr (BalJournalEntry) earlier = new_entry (UUID, "b");
  g_autoptr (BalJournalEntry) other = new_entry (OTHER_UUID, "c");
  later->created_us = 3000;
  earlier->created_us = 1000;
  other->created_us = 2000;
  save (root, later);
  save (root, earlier);
  save (root, other);
  put (root, UUID ".1-1.bad.json", "garbage");
  put (root, "." UUID ".4711-123456.a.json.tmp-12345678", "{");
  put (root, "README", "of somebody else's");

  g_autoptr (GPtrArray) all = list (root, NULL);
  g_assert_cmpuint (all->len, ==, 4);
  static const char *const order[] = {"b", "c", "a"};
  for (guint i = 0; i < 3; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (all, i);
      g_assert_no_error (item->error);
      g_assert_cmpstr (item->entry->migration_id, ==, order[i]);
    }
  const BalJournalItem *bad = g_ptr_array_index (all, 3);
  g_assert_null (bad->entry);
  g_assert_error (bad->error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_INVALID);
  g_assert_cmpstr (bad->file_name, ==, UUID ".1-1.bad.json");

  g_autoptr (GPtrArray) one = list (root, OTHER_UUID);
  g_assert_cmpuint (one->len, ==, 1);
}

static void
test_remove (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  g_autoptr (GError) error = NULL;
  save (root, entry);
  g_assert_true (bal_journal_remove (root->path, entry, &error));
  g_assert_true (bal_journal_remove (root->path, entry, &error));
  g_assert_no_error (error);
  g_autoptr (GPtrArray) items = list (root, NULL);
  g_assert_cmpuint (items->len, ==, 0);
}

static void
test_name_must_fit (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-2");
  g_autofree char *text = bal_journal_entry_to_json (entry);
  put (root, FILE_NAME, text);
  g_autoptr (GError) error = NULL;
  g_autoptr (BalJournalEntry) none = bal_journal_load (root->path, FILE_NAME, &error);
  g_assert_null (none);
  g_assert_error (error, BAL_JOURNAL_ERROR, BAL_JOURNAL_ERROR_INVALID);
}

/* Each member of a good entry in turn is taken out or replaced by something that it cannot be. */
static void
test_hostile_members (void)
{
  static const char *const values[] = {NULL,        "null",
                                       "[]",        "{}",
                                       "{\"x\":1}", "-1",
                                       "1.5",       "9007199254740993000",
                                       "\"\"",      "[{\"alias\":\"a\",\"original-kib\":1}]",
                                       "[1]"};
  static const char *const may_be_missing[] = {"dest-uri", "dest-name", "hold", "balloon", NULL};
  g_autoptr (BalJournalEntry) entry = new_entry (UUID, "nonce-1");
  entry->hold_token = g_strdup ("t");
  entry->dest_name = g_strdup ("n");
  g_autofree char *text = bal_journal_entry_to_json (entry);
  g_autoptr (JsonObject) good = bal_json_parse_line (text, strlen (text), NULL);
  g_autoptr (GList) names = json_object_get_members (good);
  g_assert_cmpuint (g_list_length (names), ==, 15);

  for (GList *name = names; name != NULL; name = name->next)
    for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
      {
        gboolean optional_away = values[i] == NULL && g_strv_contains (may_be_missing, name->data);
        gboolean fits = g_str_equal (name->data, "virtio-mem") && g_strcmp0 (values[i], "[]") == 0;
        gboolean any_time = g_str_equal (name->data, "created-us");
        if (optional_away || fits || (any_time && values[i] != NULL))
          continue;
        g_autoptr (JsonObject) object = bal_json_parse_line (text, strlen (text), NULL);
        json_object_remove_member (object, name->data);
        if (values[i] != NULL)
          json_object_set_member (object, name->data, json_from_string (values[i], NULL));
        gsize length_bytes;
        g_autofree char *line = bal_json_to_line (object, FALSE, &length_bytes);
        g_autoptr (GError) error = NULL;
        g_test_message ("%s = %s", (char *)name->data, values[i]);
        g_autoptr (BalJournalEntry) none = bal_journal_entry_from_json (line, length_bytes, &error);
        g_assert_null (none);
        g_assert_true (error->domain == BAL_JOURNAL_ERROR);
      }
}

static void
test_hostile_text (void)
{
  static const struct
  {
    const char *text;
    int code;
  } cases[] = {
    {"", BAL_JOURNAL_ERROR_INVALID},
    {"[]", BAL_JOURNAL_ERROR_INVALID},
    {"{}", BAL_JOURNAL_ERROR_INVALID},
    {"{\"version\":2,\"sizes\":[]}", BAL_JOURNAL_ERROR_VERSION},
    {"{\"version\":1,\"version\":1}", BAL_JOURNAL_ERROR_INVALID},
    {"{\"version\":1,\"surprise\":1}", BAL_JOURNAL_ERROR_INVALID},
    {"{\"version\":\"1\"}", BAL_JOURNAL_ERROR_INVALID},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BalJournalEntry) none =
        bal_journal_entry_from_json (cases[i].text, strlen (cases[i].text), &error);
      g_assert_null (none);
      g_assert_error (error, BAL_JOURNAL_ERROR, cases[i].code);
    }
}

static void
test_huge_file (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *huge = g_strnfill (BAL_JOURNAL_FILE_MAX_BYTES + 1, ' ');
  put (root, FILE_NAME, huge);
  g_autoptr (GError) error = NULL;
  g_autoptr (BalJournalEntry) none = bal_journal_load (root->path, FILE_NAME, &error);
  g_assert_null (none);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, FILE_NAME));
  g_assert_true (g_str_has_suffix (error->message, "then remove the file"));
}

static void
test_item_matches (void)
{
  g_autoptr (BalJournalEntry) entry = bal_journal_entry_new ();
  BalJournalItem good = {.file_name = (char *)"u-1.0-0.x.json", .entry = entry};
  BalJournalItem unreadable = {.file_name = (char *)"u-1.0-0.x.json"};

  entry->uuid = g_strdup ("u-1");
  entry->domain_name = g_strdup ("db-7");
  g_assert_true (bal_journal_item_matches (&good, NULL));
  g_assert_true (bal_journal_item_matches (&good, "u-1"));
  g_assert_true (bal_journal_item_matches (&good, "db-7"));
  g_assert_false (bal_journal_item_matches (&good, "db"));
  g_assert_true (bal_journal_item_matches (&unreadable, NULL));
  g_assert_true (bal_journal_item_matches (&unreadable, "u-1"));
  g_assert_false (bal_journal_item_matches (&unreadable, "u-"));
  g_assert_false (bal_journal_item_matches (&unreadable, ""));
  g_assert_false (bal_journal_item_matches (&unreadable, "db-7"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/journal/round-trip", test_round_trip);
  TEST_ROOT_ADD ("/journal/private-file", test_private_file);
  TEST_ROOT_ADD ("/journal/without-extras", test_without_extras);
  TEST_ROOT_ADD ("/journal/progress-is-saved", test_progress_is_saved);
  TEST_ROOT_ADD ("/journal/originals-stay", test_originals_stay);
  TEST_ROOT_ADD ("/journal/corrupt-is-not-overwritten", test_corrupt_is_not_overwritten);
  TEST_ROOT_ADD ("/journal/unusable-entry-is-not-saved", test_unusable_entry_is_not_saved);
  TEST_ROOT_ADD ("/journal/list", test_list);
  TEST_ROOT_ADD ("/journal/remove", test_remove);
  TEST_ROOT_ADD ("/journal/name-must-fit", test_name_must_fit);
  TEST_ROOT_ADD ("/journal/huge-file", test_huge_file);
  g_test_add_func ("/journal/hostile-members", test_hostile_members);
  g_test_add_func ("/journal/hostile-text", test_hostile_text);
  g_test_add_func ("/journal/item-matches", test_item_matches);
  return g_test_run ();
}
