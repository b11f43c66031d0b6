/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures that decide the exit code: a GError in the domain BAL_FAILURE has a BalExitCode as its
 * code and one sentence for the operator as its message. A busy lock, a bad option and a bad config
 * have codes of their own too; errors of any other domain end with BAL_EXIT_FAILED.
 */
#pragma once

#include <glib.h>

#include "host-hook/exit-codes.h"

G_BEGIN_DECLS

#define BAL_FAILURE (bal_failure_quark ())
GQuark bal_failure_quark (void);

/* The exit code for @error; NULL is BAL_EXIT_OK. */
BalExitCode bal_failure_exit_code (const GError *error);

/* Sets @error to `@format: what libvirt says`. Call right behind the libvirt call that failed, in
 * the same thread. Returns FALSE, for `return`. */
gboolean bal_failure_libvirt (GError **error, BalExitCode code, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

G_END_DECLS
