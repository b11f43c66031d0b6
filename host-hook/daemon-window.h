/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Window: holds the destination's `migrate begin` hook for a while, so that the source's ballastd
 * can release before memory flows. Nobody tells the destination when the source has done so: the
 * wait has a fixed length, is made only for a domain that carries the window tag, and only for a
 * few at once, because libvirt waits with the hook.
 *
 * Ownership: the creator frees it; calls that wait are then let go at once. Failure: none.
 */
#pragma once

#include "host-hook/daemon-server.h"

G_BEGIN_DECLS

/* Calls that wait at once; others are let go at once. */
#define BAL_WINDOWS_MAX 4u

typedef struct _BalWindows BalWindows;

BalWindows *bal_windows_new (guint window_ms);
void bal_windows_free (BalWindows *self);

/* For calls that come from now on. */
void bal_windows_set_length (BalWindows *self, guint window_ms);

/* Answers @request, a hook's call, now or when its time is over. */
void bal_windows_open (BalWindows *self, BalDaemonRequest *request, const BalHookCall *call);

G_END_DECLS
