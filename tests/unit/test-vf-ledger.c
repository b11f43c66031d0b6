/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-ledger.h"

#include "host-hook/vf-error.h"
#include "vf-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILE_PATH BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME

static BalVfLedger *
open_ledger (const TestRoot *root)
{
  g_autoptr (GError) error = NULL;
  BalVfLedger *ledger = bal_vf_ledger_open (root->path, &error);
  g_assert_no_error (error);
  return ledger;
}

static void
assert_does_not_open (const TestRoot *root, const char *named)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfLedger) ledger = bal_vf_ledger_open (root->path, &error);
  g_assert_null (ledger);
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_LEDGER);
  if (strstr (error->message, named) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, named);
}

/* Consumes @entry. */
static void
put (BalVfLedger *ledger, BalVfEntry *entry)
{
  g_autoptr (BalVfEntry) owned = entry;
  g_autoptr (GError) error = NULL;
  bal_vf_ledger_put (ledger, owned, &error);
  g_assert_no_error (error);
}

static const BalVfEntry *
find (BalVfLedger *ledger, guint domain)
{
  return bal_vf_book_find (bal_vf_ledger_book (ledger), vf_uuid (domain), "net0");
}

static void
put_state (BalVfLedger *ledger, guint domain, BalVfState state)
{
  BalVfEntry *entry = bal_vf_entry_copy (find (ledger, domain));
  entry->state = state;
  put (ledger, entry);
}

static void
free_port (BalVfLedger *ledger, guint domain)
{
  g_autoptr (GError) error = NULL;
  put_state (ledger, domain, BAL_VF_RELEASING);
  bal_vf_ledger_remove (ledger, vf_uuid (domain), "net0", &error);
  g_assert_no_error (error);
}

/* All that a book holds, to be compared. */
static char *
describe (BalVfLedger *ledger)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (ledger), NULL);
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];
      g_string_append_printf (text, "%s %s %s %u;", entry->request.uuid,
                              bal_vf_state_name (entry->state), entry->vf_pci, entry->set);
    }
  return g_string_free (text, FALSE);
}

static void
test_survives (TestRoot *root, gconstpointer data)
{
  g_autofree char *before = NULL;
  guint64 generation;
  {
    g_autoptr (BalVfLedger) ledger = open_ledger (root);
    put (ledger, vf_entry (1, 500, 3, 0));
    put (ledger, vf_entry (2, 600, 3, 1));
    put_state (ledger, 1, BAL_VF_ATTACHED);
    put (ledger, vf_entry (3, 700, 3, 2));
    free_port (ledger, 2);
    before = describe (ledger);
    generation = vf_ledger_generation (root);
    g_assert_cmpuint (generation, ==, 6);
  }
  g_autoptr (BalVfLedger) ledger = open_ledger (root);
  g_autofree char *after = describe (ledger);
  g_assert_cmpstr (after, ==, before);
  g_assert_cmpuint (vf_ledger_generation (root), ==, generation);
  g_assert_cmpuint (bal_vf_book_allocated_mbps (bal_vf_ledger_book (ledger), "0000:03:00.0"), ==,
                    1200);
  put (ledger, vf_entry (2, 600, 3, 1));
  g_assert_cmpuint (vf_ledger_generation (root), ==, generation + 1);
}

static void
test_a_refusal_changes_nothing (TestRoot *root, gconstpointer data)
{
  g_autoptr (BalVfLedger) ledger = open_ledger (root);
  g_autoptr (GError) error = NULL;
  put (ledger, vf_entry (1, 9000, 3, 0));
  g_autofree char *before = test_root_get (root, FILE_PATH);
  g_autoptr (BalVfEntry) too_much = vf_entry (2, 1000, 3, 1);
  g_assert_false (bal_vf_ledger_put (ledger, too_much, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  g_clear_error (&error);
  g_assert_false (bal_vf_ledger_remove (ledger, vf_uuid (1), "net0", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
  g_clear_error (&error);
  g_assert_false (bal_vf_ledger_remove (ledger, vf_uuid (7), "net0", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
  g_autofree char *after = test_root_get (root, FILE_PATH);
  g_assert_cmpstr (after, ==, before);
}

/* A crash in the middle of a write: the file cut off at each byte there is. What was told before
 * that write is there, and the ledger goes on from it. */
static void
test_cut_off_anywhere (TestRoot *root, gconstpointer data)
{
  g_autoptr (GArray) lengths = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autoptr (GPtrArray) stands = g_ptr_array_new_with_free_func (g_free);
  BalVfLedger *ledger = open_ledger (root);

  for (guint step = 0; step < 7; step++)
    {
      if (step == 1 || step == 2)
        put (ledger, vf_entry (step, 500, 3, step));
      if (step == 3)
        put_state (ledger, 1, BAL_VF_RELEASING);
      if (step == 5)
        put_state (ledger, 2, BAL_VF_ATTACHED);
      if (step == 4 || step == 6)
        g_assert_true (bal_vf_ledger_remove (ledger, vf_uuid (step == 4 ? 1 : 2), "net0", NULL));
      g_autofree char *text = test_root_get (root, FILE_PATH);
      gsize length = strlen (text);
      g_array_append_val (lengths, length);
      g_ptr_array_add (stands, describe (ledger));
    }
  bal_vf_ledger_free (ledger);

  g_autofree char *whole = test_root_get (root, FILE_PATH);
  guint step = 0;
  for (gsize cut = g_array_index (lengths, gsize, 0); cut <= strlen (whole); cut++)
    {
      while (step + 1 < lengths->len && g_array_index (lengths, gsize, step + 1) <= cut)
        step++;
      test_root_put_bytes (root, FILE_PATH, whole, cut);
      g_autoptr (BalVfLedger) again = open_ledger (root);
      g_autofree char *stand = describe (again);
      g_assert_cmpstr (stand, ==, stands->pdata[step]);
      put (again, vf_entry (9, 100, 3, 9));
      bal_vf_ledger_free (g_steal_pointer (&again));
      again = open_ledger (root);
      g_assert_nonnull (find (again, 9));
    }
  g_assert_cmpuint (step, ==, 6);
}

static void
test_unreadable (TestRoot *root, gconstpointer data)
{
  bal_vf_ledger_free (open_ledger (root));
  BalVfLedger *ledger = open_ledger (root);
  put (ledger, vf_entry (1, 9000, 3, 0));
  put (ledger, vf_entry (2, 500, 3, 1));
  bal_vf_ledger_free (ledger);
  g_autofree char *good = test_root_get (root, FILE_PATH);
  g_auto (GStrv) lines = g_strsplit (good, "\n", -1);
  g_autofree char *twice = g_strdup_printf ("%s\n%s\n%s\n", lines[0], lines[1], lines[1]);
  g_autofree char *left_out = g_strdup_printf ("%s\n%s\n", lines[0], lines[2]);
  g_autofree char *headless = g_strdup_printf ("%s\n%s\n", lines[1], lines[2]);
  g_auto (GStrv) halves = g_strsplit (good, ":\"500Mbit\"", 2);
  g_autofree char *too_much = g_strdup_printf ("%s:\"5000Mbit\"%s", halves[0], halves[1]);
  g_auto (GStrv) vf_halves = g_strsplit (good, "0000:03:10.1", 2);
  g_autofree char *vf_twice = g_strdup_printf ("%s0000:03:10.0%s", vf_halves[0], vf_halves[1]);
  g_auto (GStrv) set_halves = g_strsplit (good, "\"set\":0", 2);
  g_autofree char *no_mac =
    g_strdup_printf ("%s\"set\":1,\"before\":{\"mac\":0}%s", set_halves[0], set_halves[1]);
  g_autofree char *garbled = g_strdup (good);
  garbled[strlen (lines[0]) + 20] = '\1';
  g_autofree char *longer = g_strdup_printf ("%s{\"generation\":3}\n", good);
  g_autofree char *unknown = g_strdup_printf ("%s{\"generation\":3,\"move\":{}}\n", good);

  const struct
  {
    const char *text;
    const char *named;
  } cases[] = {
    {"", "empty"},
    {"\n", "line 1"},
    {"{\"version\":1", "empty"},
    {"{\"version\":2,\"generation\":0,\"new\":1}\n", "another version"},
    {"{\"version\":1,\"generation\":0,\"new\":1}\n", "line 1"},
    {twice, "line 3"},
    {left_out, "line 2"},
    {headless, "line 1"},
    {too_much, "line 3"},
    {vf_twice, "line 3"},
    {garbled, "line 2"},
    {no_mac, "\"mac\""},
    {longer, "line 4"},
    {unknown, "line 4"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("case %u", i);
      test_root_put (root, FILE_PATH, cases[i].text);
      assert_does_not_open (root, cases[i].named);
      g_autofree char *after = test_root_get (root, FILE_PATH);
      g_assert_cmpstr (after, ==, cases[i].text);
    }
  g_autofree char *path = test_root_path (root, FILE_PATH);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  assert_does_not_open (root, "ledger");
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

static void
test_one_at_a_time (TestRoot *root, gconstpointer data)
{
  BalVfLedger *ledger = open_ledger (root);
  assert_does_not_open (root, "another process");
  bal_vf_ledger_free (ledger);
  bal_vf_ledger_free (open_ledger (root));
}

/* Ports come and go; the file stays as long as what it says is. */
static void
test_is_shortened (TestRoot *root, gconstpointer data)
{
  g_autoptr (BalVfLedger) ledger = open_ledger (root);
  g_autofree char *path = test_root_path (root, FILE_PATH);
  GStatBuf info = {0};
  goffset longest = 0;
  BalVfEntry *attached = vf_entry (1, 500, 3, 0);
  put (ledger, attached);
  put_state (ledger, 1, BAL_VF_ATTACHED);
  for (guint i = 0; i < 1000; i++)
    {
      put (ledger, vf_entry (2, 500, 3, 1));
      free_port (ledger, 2);
      g_assert_cmpint (g_stat (path, &info), ==, 0);
      longest = MAX (longest, info.st_size);
    }
  for (guint i = 0; i < 2000; i++)
    {
      put_state (ledger, 1, BAL_VF_ATTACHED);
      g_assert_cmpint (g_stat (path, &info), ==, 0);
      longest = MAX (longest, info.st_size);
    }
  g_assert_cmpuint (vf_ledger_generation (root), >, 5000);
  g_assert_cmpint (longest, <, 600 * 1024);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  g_autofree char *before = describe (ledger);
  bal_vf_ledger_free (g_steal_pointer (&ledger));
  ledger = open_ledger (root);
  g_autofree char *after = describe (ledger);
  g_assert_cmpstr (after, ==, before);
  g_assert_cmpint (find (ledger, 1)->state, ==, BAL_VF_ATTACHED);
}

static void
test_leftovers_go (TestRoot *root, gconstpointer data)
{
  test_root_put (root, BAL_VF_LEDGER_FOLDER "/.ledger.tmp-0011223344556677", "half a ledger");
  g_autoptr (BalVfLedger) ledger = open_ledger (root);
  g_assert_cmpuint (test_root_count (root, BAL_VF_LEDGER_FOLDER), ==, 2);
}

static void
limit_file_size (rlim_t bytes)
{
  struct rlimit limit;
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static void
assert_not_put (BalVfLedger *ledger, BalVfEntry *entry)
{
  g_autoptr (BalVfEntry) owned = entry;
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_vf_ledger_put (ledger, owned, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_LEDGER);
}

/* The disk is full: half a line is in the file, and must not stay there. */
static void
test_full_disk (TestRoot *root, gconstpointer data)
{
  g_autofree char *text = NULL;
  BalVfLedger *ledger = open_ledger (root);
  put (ledger, vf_entry (1, 500, 3, 0));
  put (ledger, vf_entry (2, 500, 3, 1));
  free_port (ledger, 2);
  g_autofree char *before = describe (ledger);
  text = test_root_get (root, FILE_PATH);

  signal (SIGXFSZ, SIG_IGN);
  limit_file_size (strlen (text) + 100);
  assert_not_put (ledger, vf_entry (3, 500, 3, 2));
  limit_file_size (RLIM_INFINITY);
  g_autofree char *after = describe (ledger);
  g_assert_cmpstr (after, ==, before);
  put (ledger, vf_entry (4, 500, 3, 3));
  g_clear_pointer (&before, g_free);
  before = describe (ledger);

  /* Not even the shorter file can be written: no more changes while that is so. */
  limit_file_size (100);
  assert_not_put (ledger, vf_entry (3, 500, 3, 2));
  assert_not_put (ledger, vf_entry (3, 500, 3, 2));
  g_clear_pointer (&after, g_free);
  after = describe (ledger);
  g_assert_cmpstr (after, ==, before);
  limit_file_size (RLIM_INFINITY);
  put (ledger, vf_entry (3, 500, 3, 2));
  g_clear_pointer (&before, g_free);
  before = describe (ledger);
  bal_vf_ledger_free (ledger);
  ledger = open_ledger (root);
  g_autofree char *reopened = describe (ledger);
  g_assert_cmpstr (reopened, ==, before);
  bal_vf_ledger_free (ledger);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/vf-ledger/survives", test_survives);
  TEST_ROOT_ADD ("/vf-ledger/a-refusal-changes-nothing", test_a_refusal_changes_nothing);
  TEST_ROOT_ADD ("/vf-ledger/cut-off-anywhere", test_cut_off_anywhere);
  TEST_ROOT_ADD ("/vf-ledger/unreadable", test_unreadable);
  TEST_ROOT_ADD ("/vf-ledger/one-at-a-time", test_one_at_a_time);
  TEST_ROOT_ADD ("/vf-ledger/is-shortened", test_is_shortened);
  TEST_ROOT_ADD ("/vf-ledger/leftovers-go", test_leftovers_go);
  TEST_ROOT_ADD ("/vf-ledger/full-disk", test_full_disk);
  return g_test_run ();
}
