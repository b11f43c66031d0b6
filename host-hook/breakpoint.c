/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/breakpoint.h"

#include <unistd.h>

#define POLL_US 5000

void
bal_breakpoint (const char *name)
{
  const char *folder = g_getenv ("BALLAST_BREAKPOINT_DIR");
  if (folder == NULL || *folder == '\0')
    return;
  g_autofree char *path = g_build_filename (folder, name, NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return;

  /* Written by rename, so that who sees the file sees the pid in it. */
  g_autofree char *hit_path = g_strconcat (path, ".hit", NULL);
  g_autofree char *pid = g_strdup_printf ("%d\n", (int)getpid ());
  g_autoptr (GError) error = NULL;
  if (!g_file_set_contents (hit_path, pid, -1, &error))
    g_warning ("Cannot tell that breakpoint %s was hit: %s", name, error->message);

  while (g_file_test (path, G_FILE_TEST_EXISTS))
    g_usleep (POLL_US);
}
