/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/report.h"

#include <stdio.h>

#include "host-hook/failure.h"
#include "host-hook/format.h"

struct _BalReport
{
  gboolean json;
  gboolean progress;
  gboolean line_is_open; /* a progress line without newline stands on the terminal */
  gboolean in_phase;
  BalPhase phase;
  gint64 phase_began_us;
  GPtrArray *warnings;
  BalReportFunc warn; /* NULL: to stderr */
  gpointer user_data;
  BalSummary summary;
};

static const char *const phase_names[BAL_N_PHASES] = {"survey", "release", "migrate", "give-back"};

BalReport *
bal_report_new (gboolean json, gboolean progress)
{
  BalReport *self = g_new0 (BalReport, 1);

  self->json = json;
  self->progress = progress;
  self->warnings = g_ptr_array_new_with_free_func (g_free);
  return self;
}

BalReport *
bal_report_new_silent (BalReportFunc warn, gpointer user_data)
{
  BalReport *self = bal_report_new (FALSE, FALSE);

  self->warn = warn;
  self->user_data = user_data;
  return self;
}

void
bal_report_free (BalReport *self)
{
  g_free (self->summary.domain);
  g_free (self->summary.destination_uri);
  g_free (self->summary.why_nothing);
  g_ptr_array_unref (self->warnings);
  g_free (self);
}

BalSummary *
bal_report_summary (BalReport *self)
{
  return &self->summary;
}

static void
clear_line (BalReport *self)
{
  if (self->line_is_open)
    fputs ("\r\033[K", stderr);
  self->line_is_open = FALSE;
}

void
bal_say (FILE *stream, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *shown = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  shown = bal_escape_whole (text);
  fprintf (stream, "%s\n", shown);
}

void
bal_report_warning (BalReport *self, const char *format, ...)
{
  va_list arguments;
  char *sentence;

  va_start (arguments, format);
  sentence = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  clear_line (self);
  if (self->warn)
    self->warn (sentence, self->user_data);
  else
    bal_say (stderr, "ballast: warning: %s", sentence);
  g_ptr_array_add (self->warnings, sentence);
}

const char *
bal_report_last_warning (const BalReport *self)
{
  guint n = self->warnings->len;

  return n > 0 ? g_ptr_array_index (self->warnings, n - 1) : NULL;
}

void
bal_report_progress (BalReport *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (!self->progress)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  clear_line (self);
  fputs (text, stderr);
  self->line_is_open = TRUE;
}

void
bal_report_phases_end (BalReport *self)
{
  if (self->in_phase)
    self->summary.phase_us[self->phase] += g_get_monotonic_time () - self->phase_began_us;
  self->in_phase = FALSE;
}

void
bal_report_phase (BalReport *self, BalPhase phase)
{
  bal_report_phases_end (self);
  self->in_phase = TRUE;
  self->phase = phase;
  self->phase_began_us = g_get_monotonic_time ();
}

guint64
bal_summary_released_bytes (const BalSummary *self)
{
  guint64 bytes = 0;

  for (guint i = 0; i < BAL_N_MECHANISMS; i++)
    if (i != BAL_MECHANISM_TRIM)
      bytes += self->released_bytes[i];
  return bytes;
}

static void
print_released (const BalSummary *summary)
{
  g_autofree char *total = bal_format_bytes (bal_summary_released_bytes (summary));
  g_autofree char *gain = bal_format_bytes (summary->gain_bytes);

  if (bal_summary_released_bytes (summary) == 0)
    {
      bal_say (stdout, "  released    nothing%s%s", summary->why_nothing ? ": " : "",
               summary->why_nothing ? summary->why_nothing : "");
      return;
    }
  printf ("  released    %s (free and backed by the host: %s)", total, gain);
  for (guint i = 0; i < BAL_N_MECHANISMS; i++)
    if (summary->released_bytes[i] > 0)
      {
        g_autofree char *bytes = bal_format_bytes (summary->released_bytes[i]);

        printf (", %s %s", bal_mechanism_name (i), bytes);
      }
  putchar ('\n');
}

static void
print_text (const BalSummary *summary, const char *outcome)
{
  g_autofree char *sent = bal_format_bytes (summary->sent_bytes);
  g_autofree char *headroom = bal_format_bytes (summary->headroom_bytes);
  g_autofree char *downtime = bal_format_duration_ms (summary->downtime_ms);

  bal_say (stdout, "%s", outcome);
  print_released (summary);
  printf ("  headroom    %s\n", headroom);
  if (summary->has_transfer)
    printf ("  sent        %s\n", sent);
  printf ("  times      ");
  for (guint i = 0; i < BAL_N_PHASES; i++)
    {
      g_autofree char *duration = bal_format_duration_ms ((guint64)summary->phase_us[i] / 1000);

      printf (" %s %s%s", phase_names[i], duration, i + 1 < BAL_N_PHASES ? "," : "\n");
    }
  if (summary->has_downtime)
    printf ("  downtime    %s\n", downtime);
}

static void
add_member (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64)value);
}

static void
add_figures (JsonBuilder *builder, const BalSummary *summary)
{
  add_member (builder, "gain-bytes", summary->gain_bytes);
  add_member (builder, "headroom-bytes", summary->headroom_bytes);
  add_member (builder, "released-bytes", bal_summary_released_bytes (summary));
  json_builder_set_member_name (builder, "released");
  json_builder_begin_object (builder);
  for (guint i = 0; i < BAL_N_MECHANISMS; i++)
    add_member (builder, bal_mechanism_name (i), summary->released_bytes[i]);
  json_builder_end_object (builder);
  bal_json_add_text (builder, "why-nothing", summary->why_nothing);
  if (summary->has_transfer)
    add_member (builder, "sent-bytes", summary->sent_bytes);
  if (summary->has_downtime)
    add_member (builder, "downtime-ms", summary->downtime_ms);
  json_builder_set_member_name (builder, "phases-ms");
  json_builder_begin_object (builder);
  for (guint i = 0; i < BAL_N_PHASES; i++)
    add_member (builder, phase_names[i], (guint64)summary->phase_us[i] / 1000);
  json_builder_end_object (builder);
}

void
bal_json_add_text (JsonBuilder *builder, const char *name, const char *text)
{
  /* NB: what names a file need not be UTF-8. */
  g_autofree char *valid = text ? g_utf8_make_valid (text, -1) : NULL;

  json_builder_set_member_name (builder, name);
  if (valid)
    json_builder_add_string_value (builder, valid);
  else
    json_builder_add_null_value (builder);
}

void
bal_print_json (JsonNode *root)
{
  g_autofree char *text = json_to_string (root, TRUE);

  printf ("%s\n", text);
}

static void
print_json (BalReport *self, const char *outcome, const GError *failure)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  bal_json_add_text (builder, "domain", self->summary.domain);
  bal_json_add_text (builder, "destination-uri", self->summary.destination_uri);
  bal_json_add_text (builder, "outcome", outcome);
  json_builder_set_member_name (builder, "moved");
  json_builder_add_boolean_value (builder, self->summary.moved);
  bal_json_add_text (builder, "error", failure ? failure->message : NULL);
  add_member (builder, "exit-code", bal_failure_exit_code (failure));
  add_figures (builder, &self->summary);
  json_builder_set_member_name (builder, "warnings");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->warnings->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (self->warnings, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
}

void
bal_report_finish (BalReport *self, const char *outcome, const GError *failure)
{
  bal_report_phases_end (self);
  clear_line (self);
  if (self->json)
    print_json (self, outcome, failure);
  else if (!failure)
    print_text (&self->summary, outcome);
}
