/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballast-hook-memory: libvirt's hook at the destination of a migration.
 *
 * `migrate begin` runs before the source lets memory flow, and libvirt waits for it. The hook asks
 * ballastd, which holds its answer back while the source releases memory. Every other operation,
 * and every failure, ends at once: a migration without Ballast is better than none.
 *
 * The exit code is always 0, for any other aborts the migration (or, at `reconnect`, kills the
 * guest), and stdout stays empty: of a chain of hooks, the next one would read it as the XML.
 */
#include "host-hook/hook-pipe.h"

#include <locale.h>
#include <signal.h>

/* Longer than ballastd holds any window open (10 s). */
#define DEADLINE_MS 11000

int
main (int argc, char **argv)
{
  if (!bal_hook_is (argc, argv, "migrate", "begin"))
    return 0;

  /* Nobody may be reading stderr: the sentence is lost then, not the migration. */
  signal (SIGPIPE, SIG_IGN);
  setlocale (LC_ALL, "");
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) result = bal_hook_pass ("", "memory", argv, deadline_us, &error);
  if (result == NULL && !g_error_matches (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT))
    g_printerr ("ballast-hook-memory: %s; the migration goes on without it\n", error->message);
  return 0;
}
