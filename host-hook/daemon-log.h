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

G_END_DECLS
