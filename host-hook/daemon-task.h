/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks: what ballastd does about one domain, in a thread of its own, because libvirt and guest
 * agents block. Nothing here runs on the main loop but the telling of events.
 *
 * A release lasts until it is stopped: it keeps the hold's lease, and the domain's lock, so that
 * nobody else begins with the domain meanwhile.
 *
 * Ownership: the creator frees a task, after the event that ends it or before: a task that is freed
 * early is stopped, ends by itself and tells nothing any more. It holds a reference of the
 * connection and copies the rest. Failure: told by the event; warnings are logged with the domain's
 * name.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/config.h"
#include "host-hook/daemon-history.h"
#include "host-hook/domain-states.h"

G_BEGIN_DECLS

typedef struct
{
  const char *root;
  const BalConfig *config; /* of bal_config_new(); a task has its share */
  virConnectPtr connection;
} BalTaskHost;

typedef struct _BalTask BalTask;

/* Called from the default main context. */
typedef void (*BalTaskFunc) (BalTask *task, BalEvent event, gpointer user_data);

/* Events: maybe BAL_EVENT_RELEASED; at the end BAL_EVENT_RELEASE_ENDED or BAL_EVENT_NOT_LEAVING. */
BalTask *
bal_task_release (const BalTaskHost *host, const char *uuid, BalTaskFunc func, gpointer user_data);

/* Events: at the end BAL_EVENT_RESTORED or BAL_EVENT_NOT_RESTORED. @has_just_arrived: of what an
 * agent holds there may be no record here. */
BalTask *bal_task_restore (const BalTaskHost *host,
                           const char *uuid,
                           gboolean has_just_arrived,
                           BalTaskFunc func,
                           gpointer user_data);

/* From within the callback for an event of a release: what it has come to by then. Valid while the
 * callback runs, also when that frees the task. */
const BalReleaseResult *bal_task_result (const BalTask *self);

void bal_task_stop (BalTask *self);
void bal_task_free (BalTask *self);

G_END_DECLS
