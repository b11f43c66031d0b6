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

/* NB: libvirt's test driver takes a close callback and never lets go of what belongs to it: a link
 * that was connected is never freed to the last, which a leak checker would mind. */
static void
keep_reachable (BalLink *link)
{
  static BalLink *links[2];

  links[links[0] != NULL] = link;
}

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

typedef struct
{
  GPtrArray *reasons;
  virConnectPtr connection;
} Seen;

static void
on_seen_up (virConnectPtr connection, gpointer user_data)
{
  Seen *seen = user_data;

  virConnectRef (connection);
  seen->connection = connection;
}

static void
on_seen_away (const char *reason, gpointer user_data)
{
  const Seen *seen = user_data;

  g_ptr_array_add (seen->reasons, g_strdup (reason));
}

/* Until there are so many reasons, or a connection, or for @wait_us. */
static void
iterate (const Seen *seen, guint n_reasons, gint64 wait_us)
{
  gint64 end_us = g_get_monotonic_time () + wait_us;

  while (seen->reasons->len < n_reasons && !seen->connection && g_get_monotonic_time () < end_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
}

static void
stop_driver (pid_t driver)
{
  kill (driver, SIGKILL);
  g_assert_cmpint (waitpid (driver, NULL, 0), ==, driver);
}

static void
test_away (TestRoot *root, gconstpointer unused)
{
  static const BalLinkHandlers handlers = {.up = on_seen_up, .away = on_seen_away};
  g_autoptr (GPtrArray) reasons = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *path = test_root_path (root, "node.xml");
  g_autofree char *uri = g_strconcat ("test://", path, NULL);
  Seen seen = {.reasons = reasons};
  BalLink *link = bal_link_new (root->path, uri, &handlers, &seen);
  pid_t driver;

  iterate (&seen, 1, WAIT_US);
  driver = start_driver (root);
  iterate (&seen, 2, WAIT_US);
  /* Two more tries, at least. */
  iterate (&seen, 3, 5 * G_TIME_SPAN_SECOND / 2);
  g_assert_cmpuint (reasons->len, ==, 2);
  g_assert_nonnull (strstr (reasons->pdata[0], "neither libvirtd nor virtqemud runs"));
  g_assert_nonnull (strstr (reasons->pdata[1], uri));
  g_assert_nonnull (strstr (reasons->pdata[1], "libvirt says"));
  test_root_put (root, "node.xml", "<node/>");
  iterate (&seen, G_MAXUINT, WAIT_US);
  g_assert_nonnull (seen.connection);
  g_assert_cmpuint (reasons->len, ==, 2);
  bal_link_free (link);
  keep_reachable (link);
  virConnectClose (seen.connection);
  stop_driver (driver);
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
  keep_reachable (link);
  virConnectClose (connection);
  stop_driver (driver);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_main_context_acquire (NULL);
  g_assert_true (bal_connection_start_events (NULL));
  TEST_ROOT_ADD ("/daemon-link/without-events", test_without_events);
  TEST_ROOT_ADD ("/daemon-link/away", test_away);
  return g_test_run ();
}
