/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Journal and ledger on a disk that fails: each call that the disk has a part in fails once, or it
 * and all behind it. After that the record is what it was or what it was to become, nothing else,
 * and what was said to be written is there.
 */
#include "host-hook/journal.h"
#include "host-hook/vf-ledger.h"
#include "vf-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* So many calls there are at least, without any failing: if none of them came here, nothing would
 * be tested. */
#define SAVE_CALLS 6u
#define REMOVE_CALLS 3u
#define PUT_CALLS 2u
#define OPEN_CALLS 2u

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"

/* --- the disk --- */

static struct
{
  gboolean armed;
  guint at;       /* the call that fails */
  gboolean stays; /* and all behind it */
  int error_number;
  guint calls;       /* so far */
  gboolean unsynced; /* an fsync() has failed: what was written may be lost */
} fault;

static void
arm (guint at, gboolean stays, int error_number)
{
  fault.at = at;
  fault.stays = stays;
  fault.error_number = error_number;
  fault.calls = 0;
  fault.unsynced = FALSE;
  fault.armed = TRUE;
}

/* FALSE when there were not so many calls. */
static gboolean
disarm (void)
{
  fault.armed = FALSE;
  return fault.calls >= fault.at;
}

static gboolean
strikes (void)
{
  if (!fault.armed)
    return FALSE;
  fault.calls++;
  errno = fault.error_number;
  return fault.calls == fault.at || (fault.stays && fault.calls > fault.at);
}

int
open (const char *path, int flags, ...)
{
  va_list arguments;
  mode_t mode;

  va_start (arguments, flags);
  mode = (flags & O_CREAT) != 0 ? va_arg (arguments, mode_t) : 0;
  va_end (arguments);
  return strikes () ? -1 : (int)syscall (SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Half of it is on the disk then. */
ssize_t
write (int fd, const void *data, size_t length)
{
  if (!strikes ())
    return syscall (SYS_write, fd, data, length);
  syscall (SYS_write, fd, data, length / 2);
  errno = fault.error_number;
  return -1;
}

int
fsync (int fd)
{
  if (!strikes ())
    return (int)syscall (SYS_fsync, fd);
  fault.unsynced = TRUE;
  return -1;
}

int
rename (const char *from, const char *to)
{
  return strikes () ? -1 : (int)syscall (SYS_rename, from, to);
}

int
unlink (const char *path)
{
  return strikes () ? -1 : (int)syscall (SYS_unlink, path);
}

/* Runs @test with each call failing in turn, until there are no more. */
static void
with_each_fault (const TestRoot *root,
                 void (*test) (const TestRoot *root, guint at, gboolean stays, int error_number))
{
  static const int errors[] = {ENOSPC, EIO};

  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    for (guint at = 1; at < 30; at++)
      {
        test (root, at, FALSE, errors[i]);
        test (root, at, TRUE, errors[i]);
      }
}

/* --- the journal --- */

static BalJournalEntry *
new_entry (BalJournalStage stage)
{
  BalJournalEntry *entry = bal_journal_entry_new ();

  entry->uuid = g_strdup (UUID);
  entry->incarnation = (BalIncarnation){4711, 123456};
  entry->migration_id = g_strdup ("nonce-1");
  entry->boot_id = g_strdup (VF_BOOT_ID);
  entry->created_us = 1;
  entry->domain_name = g_strdup ("d");
  entry->source_uri = g_strdup ("qemu:///system");
  entry->owner = (BalIncarnation){99, 1};
  entry->has_balloon = TRUE;
  entry->balloon_original_kib = 4194304;
  entry->stage = stage;
  return entry;
}

/* The one entry's stage, or -1 when there is none. */
static int
read_stage (const TestRoot *root)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = bal_journal_list (root->path, UUID, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (items->len, <=, 1);
  if (items->len == 0)
    return -1;
  const BalJournalItem *item = items->pdata[0];
  g_assert_no_error (item->error);
  return (int)item->entry->stage;
}

static void
check (gboolean ok, const GError *error)
{
  g_assert_true (ok == (error == NULL));
}

static void
save_and_remove (const TestRoot *root, guint at, gboolean stays, int error_number)
{
  g_autoptr (BalJournalEntry) planned = new_entry (BAL_JOURNAL_PLANNED);
  g_autoptr (BalJournalEntry) released = new_entry (BAL_JOURNAL_RELEASED);
  g_autoptr (GError) save_error = NULL;
  g_autoptr (GError) remove_error = NULL;

  g_assert_true (bal_journal_save (root->path, planned, NULL));
  arm (at, stays, error_number);
  gboolean saved = bal_journal_save (root->path, released, &save_error);
  gboolean was_hit = disarm ();
  check (saved, save_error);
  g_assert_true (saved ? !fault.unsynced : was_hit);
  g_assert_true (was_hit || at > SAVE_CALLS);
  int stage = read_stage (root);
  g_assert_true (stage == BAL_JOURNAL_RELEASED || (!saved && stage == BAL_JOURNAL_PLANNED));

  arm (at, stays, error_number);
  gboolean removed = bal_journal_remove (root->path, released, &remove_error);
  g_assert_true (disarm () || at > REMOVE_CALLS);
  check (removed, remove_error);
  g_assert_false (removed && fault.unsynced);
  stage = read_stage (root);
  g_assert_true (stage == -1 || (!removed && stage != -1));
  g_assert_true (bal_journal_remove (root->path, released, NULL));
  g_assert_cmpint (read_stage (root), ==, -1);
}

static void
test_journal (TestRoot *root, gconstpointer data)
{
  with_each_fault (root, save_and_remove);
}

/* --- the ledger --- */

static const BalVfEntry *
find (const BalVfLedger *ledger, guint domain)
{
  return bal_vf_book_find (bal_vf_ledger_book (ledger), vf_uuid (domain), "net0");
}

static gboolean
has_port (const BalVfLedger *ledger, guint domain)
{
  return find (ledger, domain) != NULL;
}

static void
free_port (BalVfLedger *ledger, guint domain)
{
  g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (find (ledger, domain));
  g_autoptr (GError) error = NULL;

  entry->state = BAL_VF_RELEASING;
  bal_vf_ledger_put (ledger, entry, &error);
  g_assert_no_error (error);
  bal_vf_ledger_remove (ledger, entry->request.uuid, "net0", &error);
  g_assert_no_error (error);
}

static BalVfLedger *
open_ledger (const TestRoot *root)
{
  g_autoptr (GError) error = NULL;
  BalVfLedger *ledger = bal_vf_ledger_open (root->path, &error);

  g_assert_no_error (error);
  return ledger;
}

static void
put_one (const TestRoot *root, guint at, gboolean stays, int error_number)
{
  BalVfLedger *ledger = open_ledger (root);
  g_autoptr (BalVfEntry) first = vf_entry (1, 500, 3, 0);
  g_autoptr (BalVfEntry) second = vf_entry (2, 500, 3, 1);
  g_autoptr (GError) error = NULL;

  if (!has_port (ledger, 1))
    g_assert_true (bal_vf_ledger_put (ledger, first, NULL));
  arm (at, stays, error_number);
  gboolean is_put = bal_vf_ledger_put (ledger, second, &error);
  gboolean was_hit = disarm ();
  check (is_put, error);
  g_assert_true (is_put ? !fault.unsynced : was_hit);
  g_assert_true (was_hit || at > PUT_CALLS);
  g_assert_true (has_port (ledger, 2) == is_put);
  bal_vf_ledger_free (ledger);

  ledger = open_ledger (root);
  g_assert_true (has_port (ledger, 1));
  /* Where the undoing failed as well it may be there, and nobody was told. */
  g_assert_true (has_port (ledger, 2) == is_put || (stays && !is_put));
  if (has_port (ledger, 2))
    free_port (ledger, 2);
  bal_vf_ledger_free (ledger);
}

static void
test_ledger (TestRoot *root, gconstpointer data)
{
  with_each_fault (root, put_one);
}

/* A ledger that cannot be opened for want of a disk opens when there is one. */
static void
open_it (const TestRoot *root, guint at, gboolean stays, int error_number)
{
  g_autoptr (GError) error = NULL;

  arm (at, stays, error_number);
  BalVfLedger *ledger = bal_vf_ledger_open (root->path, &error);
  gboolean was_hit = disarm ();
  check (ledger != NULL, error);
  g_assert_true (ledger != NULL || was_hit);
  g_assert_true (was_hit || at > OPEN_CALLS);
  g_clear_pointer (&ledger, bal_vf_ledger_free);
  ledger = open_ledger (root);
  g_assert_true (has_port (ledger, 1));
  bal_vf_ledger_free (ledger);
}

static void
test_opening (TestRoot *root, gconstpointer data)
{
  BalVfLedger *ledger = open_ledger (root);
  g_autoptr (BalVfEntry) first = vf_entry (1, 500, 3, 0);

  g_assert_true (bal_vf_ledger_put (ledger, first, NULL));
  bal_vf_ledger_free (ledger);
  with_each_fault (root, open_it);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/io-faults/journal", test_journal);
  TEST_ROOT_ADD ("/io-faults/ledger", test_ledger);
  TEST_ROOT_ADD ("/io-faults/opening-the-ledger", test_opening);
  return g_test_run ();
}
