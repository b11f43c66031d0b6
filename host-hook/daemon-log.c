/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-log.h"

#include <stdio.h>
#include <unistd.h>

#include "protocol/codec.h"

static const char *
priority (GLogLevelFlags level)
{
  return level == G_LOG_LEVEL_WARNING ? "4" : level == G_LOG_LEVEL_MESSAGE ? "5" : "6";
}

void
bal_daemon_log (GLogLevelFlags level, const char *uuid, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *shown = NULL;
  g_autofree char *line = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  shown = bal_escape_whole (text);
  line = uuid ? g_strdup_printf ("domain %s: %s", uuid, shown) : g_strdup (shown);

  const GLogField fields[] = {
    {"MESSAGE", line, -1},
    {"PRIORITY", priority (level), -1},
    {"SYSLOG_IDENTIFIER", "ballastd", -1},
    {"BALLAST_DOMAIN", uuid, -1},
  };
  if (g_log_writer_is_journald (STDERR_FILENO)
      && g_log_writer_journald (level, fields, uuid ? 4 : 3, NULL) == G_LOG_WRITER_HANDLED)
    return;
  fprintf (stderr, "ballastd: %s\n", line);
}
