/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/libvirt-start.h"

#include "host-hook/file-io.h"

/* Lines "DAEMON ID". */
#define BEFORE_HOOKS_PATH "/var/lib/ballast/libvirt-before-hooks"

/* systemd's links to each running unit's InvocationID; it removes a unit's when that has ended
 * (unit_export_invocation_id() and unit_unlink_state_files()). */
#define UNITS_FOLDER "/run/systemd/units"

/* As a line of that file, or NULL. */
static char *
present_start (const char *root, const char *daemon)
{
  g_autofree char *folder = bal_root_path (root, UNITS_FOLDER);
  g_autofree char *path = g_strdup_printf ("%s/invocation:%s.service", folder, daemon);
  g_autofree char *id = g_file_read_link (path, NULL);

  return id ? g_strdup_printf ("%s %s", daemon, id) : NULL;
}

const char *
bal_libvirt_start_due (const char *root)
{
  static const char *const daemons[] = {"libvirtd", "virtqemud"};
  g_autofree char *path = bal_root_path (root, BEFORE_HOOKS_PATH);
  g_autofree char *text = NULL;
  g_auto (GStrv) before = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  before = g_strsplit (text, "\n", -1);
  for (gsize i = 0; i < G_N_ELEMENTS (daemons); i++)
    {
      g_autofree char *start = present_start (root, daemons[i]);

      if (start && g_strv_contains ((const char *const *)before, start))
        return daemons[i];
    }
  return NULL;
}
