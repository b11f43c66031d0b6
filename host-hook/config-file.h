/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration file: what Ballast's configurations (config.h, vf-config.h) have in common: they
 * are key files, of limited length, and a missing one means the defaults.
 *
 * Ownership: the caller's. Failure: BAL_CONFIG_ERROR with one sentence naming the file.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Largest file that is read. */
#define BAL_CONFIG_MAX_BYTES (64u * 1024u)

#define BAL_CONFIG_ERROR (bal_config_error_quark ())
GQuark bal_config_error_quark (void);

typedef enum
{
  BAL_CONFIG_ERROR_INVALID, /* unreadable, syntax, unknown group or key, bad value */
} BalConfigError;

/* @path, which without @must_exist may be missing: then it is as an empty one. */
GKeyFile *bal_config_file_load (const char *path, gboolean must_exist, GError **error);

/* The same from text; @path is for the errors only. */
GKeyFile *
bal_config_file_parse (const char *text, gsize length_bytes, const char *path, GError **error);

G_END_DECLS
