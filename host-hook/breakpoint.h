/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Breakpoints: places where a test can stop a program and be told that it stands there.
 *
 * BAL_BREAKPOINT ("name") is nothing unless the build has the option `breakpoints`. With it, when
 * the environment's BALLAST_BREAKPOINT_DIR is set and <dir>/<name> exists, the caller writes its
 * pid to <dir>/<name>.hit and waits until <dir>/<name> is gone. It does not fail.
 *
 * Signals: the wait is resumed after any signal that the program handles. Programs take SIGINT and
 * SIGTERM through g_unix_signal_add() or a signalfd, so that none is lost by the wait.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#ifdef BAL_WITH_BREAKPOINTS
#define BAL_BREAKPOINT(name) bal_breakpoint (name)
void bal_breakpoint (const char *name);
#else
#define BAL_BREAKPOINT(name) ((void)0)
#endif

G_END_DECLS
