/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virsh migrate's options, as flags and typed parameters of libvirt's migration API, so that people
 * can put `ballast` where they wrote `virsh`. Each option means what virsh(1) says.
 *
 * Ownership: the struct is the caller's; _clear() frees what it points to.
 * Failure: G_OPTION_ERROR with one sentence; the struct is then cleared.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

typedef enum
{
  BAL_TIMEOUT_SUSPEND, /* virsh's default */
  BAL_TIMEOUT_POSTCOPY,
} BalTimeoutAction;

typedef struct
{
  char *domain;
  char *destination_uri;
  char *destination_name; /* --dname, or NULL */
  unsigned int flags;     /* VIR_MIGRATE_* */
  virTypedParameterPtr params;
  int n_params;
  gboolean has_destination_xml;
  gboolean direct;
  gboolean verbose;
  gboolean postcopy_after_precopy;
  guint timeout_s; /* 0: none */
  BalTimeoutAction timeout_action;

  /* Private to the parser. */
  int params_allocated;
  gboolean timeout_suspend;
  gboolean timeout_postcopy;
} BalMigrateOptions;

void bal_migrate_options_clear (BalMigrateOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalMigrateOptions, bal_migrate_options_clear)

/* A group that fills @out, which must be zeroed and outlive the parsing. */
GOptionGroup *bal_migrate_options_group (BalMigrateOptions *out);

/* Call after parsing: @arguments are the words that are not options (NULL-terminated): domain,
 * destination URI, then migrateuri, graphicsuri, listen-address and dname as virsh takes them.
 * Checks what belongs together. */
gboolean bal_migrate_options_finish (BalMigrateOptions *self, char **arguments, GError **error);

G_END_DECLS
