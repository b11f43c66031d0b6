/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/breakpoint.h"

#include "test-root.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <unistd.h>

static void
set_up (TestRoot *root, gconstpointer user_data)
{
  test_root_set_up (root, NULL);
  g_assert_true (g_setenv ("BALLAST_BREAKPOINT_DIR", root->path, TRUE));
}

static void
tear_down (TestRoot *root, gconstpointer user_data)
{
  test_root_tear_down (root, NULL);
  g_unsetenv ("BALLAST_BREAKPOINT_DIR");
}

static void
test_passes_when_not_set (TestRoot *root, gconstpointer user_data)
{
  BAL_BREAKPOINT ("released");
  g_assert_cmpuint (test_root_count (root, ""), ==, 0);

  test_root_put (root, "released", "");
  BAL_BREAKPOINT ("another");
  g_unsetenv ("BALLAST_BREAKPOINT_DIR");
  BAL_BREAKPOINT ("released");
  g_assert_cmpuint (test_root_count (root, ""), ==, 1);
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
test_waits_and_goes_on (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *path = test_root_path (root, "released");
  g_autofree char *hit_path = test_root_path (root, "released.hit");
  int passed = 0;
  struct sigaction action = {.sa_handler = on_signal};
  sigaction (SIGUSR1, &action, NULL);
  test_root_put (root, "released", "");

  GThread *thread = g_thread_new ("stops", stop_there, &passed);
  while (!g_file_test (hit_path, G_FILE_TEST_EXISTS))
    g_usleep (1000);
  g_autofree char *pid = test_root_get (root, "released.hit");
  g_assert_cmpint (atoi (pid), ==, getpid ());

  /* A signal that the program handles does not end the wait. */
  kill (getpid (), SIGUSR1);
  g_usleep (20000);
  g_assert_cmpint (g_atomic_int_get (&passed), ==, 0);

  g_unlink (path);
  g_thread_join (thread);
  g_assert_cmpint (passed, ==, 1);
  g_assert_cmpuint (test_root_count (root, ""), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/breakpoint/passes-when-not-set", TestRoot, NULL, set_up, test_passes_when_not_set,
              tear_down);
  g_test_add ("/breakpoint/waits-and-goes-on", TestRoot, NULL, set_up, test_waits_and_goes_on,
              tear_down);
  return g_test_run ();
}
