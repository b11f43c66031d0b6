/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-lock.h"

#include "host-hook/file-io.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define OTHER_UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e60"

typedef struct
{
  char *root;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer user_data)
{
  fixture->root = g_dir_make_tmp ("ballast-lock-XXXXXX", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer user_data)
{
  static const char *const paths[] = {"run/ballast/locks/" UUID,
                                      "run/ballast/locks/" OTHER_UUID,
                                      "run/ballast/locks",
                                      "run/ballast",
                                      "run",
                                      ""};
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *path = g_build_filename (fixture->root, paths[i], NULL);
      g_remove (path);
    }
  g_assert_false (g_file_test (fixture->root, G_FILE_TEST_EXISTS));
  g_free (fixture->root);
}

static BalDomainLock *
take (Fixture *fixture, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  BalDomainLock *lock = bal_domain_lock_try (fixture->root, uuid, NULL, &error);
  g_assert_no_error (error);
  return lock;
}

static void
assert_busy (Fixture *fixture, pid_t expected_owner)
{
  pid_t owner = -1;
  g_autoptr (GError) error = NULL;
  g_autoptr (BalDomainLock) lock = bal_domain_lock_try (fixture->root, UUID, &owner, &error);
  g_assert_null (lock);
  g_assert_error (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY);
  g_assert_cmpint (owner, ==, expected_owner);
}

/* A child that holds the lock until it is killed. */
static pid_t
start_holder (Fixture *fixture)
{
  int ready[2];
  g_assert_cmpint (pipe (ready), ==, 0);
  pid_t child = fork ();
  if (child == 0)
    {
      g_autoptr (BalDomainLock) lock = bal_domain_lock_try (fixture->root, UUID, NULL, NULL);
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
test_one_owner (Fixture *fixture, gconstpointer user_data)
{
  pid_t child = start_holder (fixture);
  assert_busy (fixture, child);
  g_autoptr (BalDomainLock) other = take (fixture, OTHER_UUID);
  g_assert_nonnull (other);
  stop_holder (child);
}

static void
test_free_when_owner_dies (Fixture *fixture, gconstpointer user_data)
{
  stop_holder (start_holder (fixture));
  g_autoptr (BalDomainLock) lock = take (fixture, UUID);
  g_assert_nonnull (lock);
}

static void
test_free_after_free (Fixture *fixture, gconstpointer user_data)
{
  bal_domain_lock_free (take (fixture, UUID));
  bal_domain_lock_free (take (fixture, UUID));
}

/* Also in one process: a process lock alone would let the second one in, and would be lost when the
 * second descriptor is closed. */
static void
test_busy_in_one_process (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (BalDomainLock) lock = take (fixture, UUID);
  g_assert_nonnull (lock);
  assert_busy (fixture, 0);
  assert_busy (fixture, 0);

  pid_t child = fork ();
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BalDomainLock) second = bal_domain_lock_try (fixture->root, UUID, NULL, &error);
      _exit (second == NULL ? 0 : 1);
    }
  int status;
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
}

static void
test_file_stays (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *path = g_build_filename (fixture->root, "run/ballast/locks", UUID, NULL);
  GStatBuf before;
  GStatBuf after;
  bal_domain_lock_free (take (fixture, UUID));
  g_assert_cmpint (g_stat (path, &before), ==, 0);
  bal_domain_lock_free (take (fixture, UUID));
  g_assert_cmpint (g_stat (path, &after), ==, 0);
  g_assert_cmpuint (before.st_ino, ==, after.st_ino);
}

static void
test_no_folder (Fixture *fixture, gconstpointer user_data)
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
#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)
  ADD ("/domain-lock/one-owner", test_one_owner);
  ADD ("/domain-lock/free-when-owner-dies", test_free_when_owner_dies);
  ADD ("/domain-lock/free-after-free", test_free_after_free);
  ADD ("/domain-lock/busy-in-one-process", test_busy_in_one_process);
  ADD ("/domain-lock/file-stays", test_file_stays);
  ADD ("/domain-lock/no-folder", test_no_folder);
  return g_test_run ();
}
