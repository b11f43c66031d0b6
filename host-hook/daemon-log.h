/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballastd's log: to the systemd journal with fields of its own when stderr leads there, to stderr
 * otherwise. From any thread. Text is escaped: names and what agents say may hold anything.
 *
 * Failure: none.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @uuid: of the domain that this is about, the field BALLAST_DOMAIN; or NULL. @level: one of
 * G_LOG_LEVEL_WARNING, _MESSAGE (shown always) and _INFO. */
void bal_daemon_log (GLogLevelFlags level, const char *uuid, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

/* Fields of one line besides those. Names are literals; values are copied, escaped. */
typedef struct _BalLogFields BalLogFields;

BalLogFields *bal_log_fields_new (void);
void bal_log_fields_free (BalLogFields *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalLogFields, bal_log_fields_free)

void bal_log_fields_add (BalLogFields *self, const char *name, const char *value);
void bal_log_fields_add_number (BalLogFields *self, const char *name, guint64 value);

void bal_daemon_log_with (GLogLevelFlags level,
                          const char *uuid,
                          const BalLogFields *more,
                          const char *format,
                          ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
