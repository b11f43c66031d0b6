/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-lock.h"

#include "host-hook/file-io.h"
#include "test-root.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCK_FOLDER "run/ballast/locks"
#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define OTHER_UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e60"

static BalDomainLock *
take (TestRoot *root, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  BalDomainLock *lock = bal_domain_lock_try (root->path, uuid, NULL, &error);
  g_assert_no_error (error);
  return lock;
}

static void
assert_busy (TestRoot *root, pid_t expected_owner)
{
  pid_t owner = -1;
  g_autoptr (GError) error = NULL;
  g_autoptr (BalDomainLock) lock = bal_domain_lock_try (root->path, UUID, &owner, &error);
  g_assert_null (lock);
  g_assert_error (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY);
  g_assert_cmpint (owner, ==, expected_owner);
}

/* A child that holds the lock until it is killed, at the latest by the end of a test that fails. */
static pid_t
start_holder (TestRoot *root)
{
  int ready[2];
  g_assert_cmpint (pipe (ready), ==, 0);
  pid_t child = fork ();
  if (child == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      g_autoptr (BalDomainLock) lock = bal_domain_lock_try (root->path, UUID, NULL, NULL);
      if (lock != NULL && write (ready[1], "x", 1) == 1)
        pause ();
      _exit (1);
    }
  char byte;
  close (ready[1]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  return child;
}

static void
stop_holder (pid_t child)
{
  int status;
  kill (child, SIGKILL);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
}

static void
test_one_owner (TestRoot *root, gconstpointer user_data)
{
  pid_t child = start_holder (root);
  assert_busy (root, child);
  g_autoptr (BalDomainLock) other = take (root, OTHER_UUID);
  g_assert_nonnull (other);
  stop_holder (child);
  g_assert_cmpuint (test_root_count (root, LOCK_FOLDER), ==, 2);
}

static void
test_free_when_owner_dies (TestRoot *root, gconstpointer user_data)
{
  stop_holder (start_holder (root));
  g_autoptr (BalDomainLock) lock = take (root, UUID);
  g_assert_nonnull (lock);
}

static void
test_free_after_free (TestRoot *root, gconstpointer user_data)
{
  bal_domain_lock_free (take (root, UUID));
  bal_domain_lock_free (take (root, UUID));
}

/* Also in one process: a process lock alone would let the second one in, and would be lost when the
 * second descriptor is closed. */
static void
test_busy_in_one_process (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalDomainLock) lock = take (root, UUID);
  g_assert_nonnull (lock);
  assert_busy (root, 0);
  assert_busy (root, 0);

  pid_t child = fork ();
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BalDomainLock) second = bal_domain_lock_try (root->path, UUID, NULL, &error);
      _exit (second == NULL ? 0 : 1);
    }
  int status;
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpuint (test_root_count (root, LOCK_FOLDER), ==, 1);
}

static void
name_process (TestRoot *root, pid_t pid, const char *comm)
{
  g_autofree char *path = g_strdup_printf ("proc/%d/comm", (int)pid);
  test_root_put (root, path, comm);
}

static gpointer
stop_holder_later (gpointer data)
{
  g_usleep (300 * 1000);
  stop_holder (GPOINTER_TO_INT (data));
  return NULL;
}

static void
test_take_waits_for_the_daemon (TestRoot *root, gconstpointer user_data)
{
  pid_t child = start_holder (root);
  name_process (root, child, "ballastd\n");
  GThread *thread = g_thread_new ("stop", stop_holder_later, GINT_TO_POINTER (child));
  g_autoptr (GError) error = NULL;
  g_autoptr (BalDomainLock) lock = bal_domain_lock_take (root->path, UUID, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (lock);
  g_thread_join (thread);
}

static void
assert_refused_at_once (TestRoot *root, BalCancel *cancel)
{
  gint64 began_us = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BalDomainLock) lock = bal_domain_lock_take (root->path, UUID, cancel, &error);
  g_assert_null (lock);
  g_assert_error (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY);
  g_assert_cmpint (g_get_monotonic_time () - began_us, <,
                   BAL_DOMAIN_LOCK_PATIENCE_MS * G_TIME_SPAN_MILLISECOND / 2);
}

static void
test_take_waits_for_nobody_else (TestRoot *root, gconstpointer user_data)
{
  static const char *const names[] = {"ballast\n", "ballastd2\n", "ballastd", ""};
  pid_t child = start_holder (root);
  assert_refused_at_once (root, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      name_process (root, child, names[i]);
      assert_refused_at_once (root, NULL);
    }
  stop_holder (child);
}

static void
test_take_is_cancelled (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalCancel) cancel = bal_cancel_new_without_signals (NULL);
  pid_t child = start_holder (root);
  name_process (root, child, "ballastd\n");
  bal_cancel_request (cancel);
  assert_refused_at_once (root, cancel);
  stop_holder (child);
}

static void
test_file_stays (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *path = test_root_path (root, LOCK_FOLDER "/" UUID);
  GStatBuf before;
  GStatBuf after;
  bal_domain_lock_free (take (root, UUID));
  g_assert_cmpint (g_stat (path, &before), ==, 0);
  bal_domain_lock_free (take (root, UUID));
  g_assert_cmpint (g_stat (path, &after), ==, 0);
  g_assert_cmpuint (before.st_ino, ==, after.st_ino);
  g_assert_cmpuint (test_root_count (root, LOCK_FOLDER), ==, 1);
}

static void
test_no_folder (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalDomainLock) lock = bal_domain_lock_try ("/dev/null", UUID, NULL, &error);
  g_assert_null (lock);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST_ROOT_ADD ("/domain-lock/one-owner", test_one_owner);
  TEST_ROOT_ADD ("/domain-lock/free-when-owner-dies", test_free_when_owner_dies);
  TEST_ROOT_ADD ("/domain-lock/free-after-free", test_free_after_free);
  TEST_ROOT_ADD ("/domain-lock/busy-in-one-process", test_busy_in_one_process);
  TEST_ROOT_ADD ("/domain-lock/take/daemon", test_take_waits_for_the_daemon);
  TEST_ROOT_ADD ("/domain-lock/take/others", test_take_waits_for_nobody_else);
  TEST_ROOT_ADD ("/domain-lock/take/cancelled", test_take_is_cancelled);
  TEST_ROOT_ADD ("/domain-lock/file-stays", test_file_stays);
  TEST_ROOT_ADD ("/domain-lock/no-folder", test_no_folder);
  return g_test_run ();
}
