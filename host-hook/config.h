/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration: /etc/ballast/ballast.conf, a key file. host-hook/ballast.conf documents the keys.
 *
 * A missing file means the defaults. An unknown group or key and a bad value are errors: a setting
 * that is misspelt must not be taken for a setting that works.
 *
 * Ownership: the struct is the caller's, bal_config_clear() frees what it points to. Failure:
 * BAL_CONFIG_ERROR with one sentence naming file, group and key; the output is then left cleared.
 */
#pragma once

#include "host-hook/config-file.h"
#include "host-hook/plan.h"

G_BEGIN_DECLS

#define BAL_CONFIG_PATH "/etc/ballast/ballast.conf"

typedef struct
{
  BalPolicy policy;         /* mechanisms, min-gain-mib, headroom-*, page-cache */
  gboolean use_qmp;         /* ask QEMU for its memory map (taints the domain custom-monitor) */
  guint64 hold_deadline_ms; /* a hold ends by itself after this; within the protocol's limits */
  guint agent_timeout_ms;   /* for one call to the agent; 100 to 60000 */
  gboolean cluster_wide;    /* every host that domains may migrate to runs ballastd */
  guint window_ms;          /* how long ballastd holds an arriving domain's migration; to 10000 */
} BalConfig;

/* Sets the defaults; @self need not be initialised. */
void bal_config_init (BalConfig *self);
void bal_config_clear (BalConfig *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalConfig, bal_config_clear)

/* Loads @path; with @must_exist a missing file is an error (the user named it). @out need not be
 * initialised. */
gboolean bal_config_load (const char *path, gboolean must_exist, BalConfig *out, GError **error);

/* The same from text; @path is for the errors only. */
gboolean bal_config_parse (
  const char *text, gsize length_bytes, const char *path, BalConfig *out, GError **error);

/* Loads one onto the heap, for several owners at once, in whatever threads: each frees its own, and
 * nobody changes it. NULL: it failed. */
BalConfig *bal_config_new (const char *path, gboolean must_exist, GError **error);

/* The same configuration, for one more owner. */
BalConfig *bal_config_share (const BalConfig *self);
void bal_config_free (BalConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalConfig, bal_config_free)

/* Readers of single values, for the command line too. Errors name the value and what is allowed.
 *
 * Names of mechanisms between @separator (';' in the config, ',' on the command line) in order of
 * use; one trailing separator is fine; an empty list, an unknown name and a repeated one are
 * errors. Returns a new array of BalMechanism. */
GArray *bal_config_parse_mechanisms (const char *text, char separator, GError **error);
gboolean bal_config_parse_page_cache (const char *text, BalPageCache *out, GError **error);

G_END_DECLS
