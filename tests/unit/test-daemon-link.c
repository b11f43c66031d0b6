/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ballastd's connection, with libvirt's test driver, which has no events of QEMU. */
#include "host-hook/connection.h"
#include "host-hook/daemon-link.h"
#include "test-root.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_US (10 * G_TIME_SPAN_SECOND)

static void
on_up (virConnectPtr connection, gpointer user_data)
{
  virConnectPtr *up = user_data;

  virConnectRef (connection);
  *up = connection;
}

/* As libvirt's driver does it as long as it runs. One's own lock does not show. */
static pid_t
start_driver (const TestRoot *root)
{
  g_autofree char *path = test_root_path (root, "run/libvirt/qemu/driver.pid");
  int ready[2];
  pid_t child;
  char byte;

  test_root_put (root, "run/libvirt/qemu/driver.pid", "");
  g_assert_no_errno (pipe (ready));
  child = fork ();
  if (child == 0)
    {
      struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
      int fd = open (path, O_RDWR | O_CLOEXEC);

      if (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && fcntl (fd, F_SETLK, &lock) == 0
          && write (ready[1], "", 1) == 1)
        pause ();
      _exit (1);
    }
  g_assert_cmpint (child, >, 0);
  close (ready[1]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  return child;
}

static void
test_without_events (TestRoot *root, gconstpointer unused)
{
  static const BalLinkHandlers handlers = {.up = on_up};
  gint64 end_us = g_get_monotonic_time () + WAIT_US;
  virConnectPtr connection = NULL;
  pid_t driver = start_driver (root);
  BalLink *link = bal_link_new (root->path, "test:///default", &handlers, &connection);

  while (!connection && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  g_assert_nonnull (connection);
  g_assert_cmpint (virConnectIsAlive (connection), ==, 1);
  bal_link_free (link);
  virConnectClose (connection);
  kill (driver, SIGKILL);
  g_assert_cmpint (waitpid (driver, NULL, 0), ==, driver);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_main_context_acquire (NULL);
  g_assert_true (bal_connection_start_events (NULL));
  TEST_ROOT_ADD ("/daemon-link/without-events", test_without_events);
  return g_test_run ();
}
