/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Format: sizes and times for people to read, the same in every locale.
 *
 * Ownership: strings are the caller's. Nothing here fails.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "0 B", "512 B", "64.0 KiB", "3.1 GiB", "12.0 TiB": one decimal from KiB on, rounded to nearest.
 */
char *bal_format_bytes (guint64 bytes);

/* "0 ms", "320 ms", "2.4 s", "3 min 05 s", "2 h 10 min". */
char *bal_format_duration_ms (guint64 duration_ms);

G_END_DECLS
