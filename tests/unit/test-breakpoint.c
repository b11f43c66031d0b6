/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/breakpoint.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <unistd.h>

typedef struct
{
  char *folder;
  char *path;
  char *hit_path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer user_data)
{
  fixture->folder = g_dir_make_tmp ("ballast-breakpoint-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "released", NULL);
  fixture->hit_path = g_build_filename (fixture->folder, "released.hit", NULL);
  g_assert_true (g_setenv ("BALLAST_BREAKPOINT_DIR", fixture->folder, TRUE));
}

static void
tear_down (Fixture *fixture, gconstpointer user_data)
{
  g_unlink (fixture->path);
  g_unlink (fixture->hit_path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
  g_free (fixture->hit_path);
  g_unsetenv ("BALLAST_BREAKPOINT_DIR");
}

static void
test_passes_when_not_set (Fixture *fixture, gconstpointer user_data)
{
  BAL_BREAKPOINT ("released");
  g_assert_false (g_file_test (fixture->hit_path, G_FILE_TEST_EXISTS));

  g_assert_true (g_file_set_contents (fixture->path, "", 0, NULL));
  BAL_BREAKPOINT ("another");
  g_unsetenv ("BALLAST_BREAKPOINT_DIR");
  BAL_BREAKPOINT ("released");
  g_assert_false (g_file_test (fixture->hit_path, G_FILE_TEST_EXISTS));
}

static void
on_signal (int number)
{
}

static gpointer
stop_there (gpointer passed)
{
  BAL_BREAKPOINT ("released");
  g_atomic_int_set ((int *)passed, 1);
  return NULL;
}

static void
test_waits_and_goes_on (Fixture *fixture, gconstpointer user_data)
{
  int passed = 0;
  struct sigaction action = {.sa_handler = on_signal};
  sigaction (SIGUSR1, &action, NULL);
  g_assert_true (g_file_set_contents (fixture->path, "", 0, NULL));

  GThread *thread = g_thread_new ("stops", stop_there, &passed);
  while (!g_file_test (fixture->hit_path, G_FILE_TEST_EXISTS))
    g_usleep (1000);
  g_autofree char *pid = NULL;
  g_assert_true (g_file_get_contents (fixture->hit_path, &pid, NULL, NULL));
  g_assert_cmpint (atoi (pid), ==, getpid ());

  /* A signal that the program handles does not end the wait. */
  kill (getpid (), SIGUSR1);
  g_usleep (20000);
  g_assert_cmpint (g_atomic_int_get (&passed), ==, 0);

  g_unlink (fixture->path);
  g_thread_join (thread);
  g_assert_cmpint (passed, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/breakpoint/passes-when-not-set", Fixture, NULL, set_up, test_passes_when_not_set,
              tear_down);
  g_test_add ("/breakpoint/waits-and-goes-on", Fixture, NULL, set_up, test_waits_and_goes_on,
              tear_down);
  return g_test_run ();
}
