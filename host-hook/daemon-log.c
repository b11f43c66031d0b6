/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-log.h"

#include <stdio.h>
#include <unistd.h>

#include "protocol/codec.h"

struct _BalLogFields
{
  GArray *fields; /* of GLogField, whose values are ours */
};

static const char *
priority (GLogLevelFlags level)
{
  return level == G_LOG_LEVEL_WARNING ? "4" : level == G_LOG_LEVEL_MESSAGE ? "5" : "6";
}

static void
field_clear (gpointer data)
{
  GLogField *field = data;

  g_free ((gpointer)field->value);
}

BalLogFields *
bal_log_fields_new (void)
{
  BalLogFields *self = g_new (BalLogFields, 1);

  self->fields = g_array_new (FALSE, FALSE, sizeof (GLogField));
  g_array_set_clear_func (self->fields, field_clear);
  return self;
}

void
bal_log_fields_free (BalLogFields *self)
{
  g_array_unref (self->fields);
  g_free (self);
}

void
bal_log_fields_add (BalLogFields *self, const char *name, const char *value)
{
  GLogField field = {name, bal_escape_whole (value), -1};

  g_array_append_val (self->fields, field);
}

void
bal_log_fields_add_number (BalLogFields *self, const char *name, guint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  bal_log_fields_add (self, name, text);
}

/* Takes ownership of @text. */
static void
write_line (GLogLevelFlags level, const char *uuid, const BalLogFields *more, char *text)
{
  g_autofree char *owned = text;
  g_autofree char *shown = bal_escape_whole (owned);
  g_autofree char *line = uuid ? g_strdup_printf ("domain %s: %s", uuid, shown) : g_strdup (shown);
  g_autoptr (GArray) fields = g_array_new (FALSE, FALSE, sizeof (GLogField));
  const GLogField own[] = {
    {"MESSAGE", line, -1},
    {"PRIORITY", priority (level), -1},
    {"SYSLOG_IDENTIFIER", "ballastd", -1},
    {"BALLAST_DOMAIN", uuid, -1},
  };

  g_array_append_vals (fields, own, uuid ? 4 : 3);
  if (more)
    g_array_append_vals (fields, more->fields->data, more->fields->len);
  if (g_log_writer_is_journald (STDERR_FILENO)
      && g_log_writer_journald (level, (const GLogField *)(gpointer)fields->data, fields->len, NULL)
           == G_LOG_WRITER_HANDLED)
    return;
  fprintf (stderr, "%s: %s\n", g_get_prgname () ? g_get_prgname () : "ballastd", line);
}

void
bal_daemon_log (GLogLevelFlags level, const char *uuid, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  write_line (level, uuid, NULL, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

void
bal_daemon_log_with (
  GLogLevelFlags level, const char *uuid, const BalLogFields *more, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  write_line (level, uuid, more, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}
