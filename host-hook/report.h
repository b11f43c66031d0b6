/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Report: what a person or a program is told of one migration or release.
 *
 * Warnings and progress go to stderr, the summary to stdout, as text or as one JSON object.
 *
 * Ownership: the creator frees it. Strings passed in are copied. Text that comes from a guest is
 * escaped by whoever received it. Failure: none.
 */
#pragma once

#include "host-hook/plan.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

G_BEGIN_DECLS

typedef enum
{
  BAL_PHASE_SURVEY,
  BAL_PHASE_RELEASE,
  BAL_PHASE_MIGRATE,
  BAL_PHASE_GIVE_BACK,
} BalPhase;
#define BAL_N_PHASES (BAL_PHASE_GIVE_BACK + 1)
#define BAL_N_MECHANISMS (BAL_MECHANISM_TRIM + 1)

typedef struct
{
  char *domain;
  gboolean moved;        /* the guest runs at the destination */
  char *destination_uri; /* NULL: no migration */
  guint64 gain_bytes;
  guint64 headroom_bytes;
  guint64 released_bytes[BAL_N_MECHANISMS];
  gboolean has_transfer;
  guint64 sent_bytes; /* what QEMU counted for memory, and disks when they were copied */
  gboolean has_downtime;
  guint64 downtime_ms;
  gint64 phase_us[BAL_N_PHASES];
  char *why_nothing; /* why nothing was released, or NULL */
} BalSummary;

/* Memory taken from the guest, by whatever mechanism; the page cache is not counted. */
guint64 bal_summary_released_bytes (const BalSummary *self);

typedef struct _BalReport BalReport;

/* @json: one object on stdout instead of text. @progress: a line that moves, on stderr. */
BalReport *bal_report_new (gboolean json, gboolean progress);
void bal_report_free (BalReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalReport, bal_report_free)

/* For a daemon: warnings go to @warn instead, and there is neither progress nor a summary on
 * stdout. */
typedef void (*BalReportFunc) (const char *warning, gpointer user_data);
BalReport *bal_report_new_silent (BalReportFunc warn, gpointer user_data);

/* The figures, to be filled in by whoever finds them. */
BalSummary *bal_report_summary (BalReport *self);

/* One sentence, without a full stop. */
void bal_report_warning (BalReport *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* NULL when there was none. */
const char *bal_report_last_warning (const BalReport *self);

/* Replaces the progress line. */
void bal_report_progress (BalReport *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Times the phase that begins now; the one before it ends. */
void bal_report_phase (BalReport *self, BalPhase phase);
void bal_report_phases_end (BalReport *self);

/* Prints the summary; @outcome is a sentence, @failure NULL after a success. */
void bal_report_finish (BalReport *self, const char *outcome, const GError *failure);

/* One line of text with a newline; control characters in it, such as those that a domain's name may
 * hold, are escaped. */
void bal_say (FILE *stream, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* The member @name of an object; @text NULL is null. */
void bal_json_add_text (JsonBuilder *builder, const char *name, const char *text);

/* Prints @root as JSON on stdout, indented. */
void bal_print_json (JsonNode *root);

G_END_DECLS
