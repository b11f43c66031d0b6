/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Link: ballastd's connection to this host's libvirt, opened again whenever it breaks. A thread of
 * its own opens it, because that blocks; events come by libvirt's event thread. Both are told on
 * the default main context.
 *
 * libvirtd carries out five requests of a connection at a time and reads no more until one is done,
 * keep-alive among them: what may block for long has a link of its own.
 *
 * Ownership: the creator frees it. Failure: none; without libvirt it goes on trying.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/daemon-history.h"
#include "host-hook/domain-xml.h"

G_BEGIN_DECLS

typedef struct
{
  /* A connection, lent; events from before it are lost. */
  void (*up) (virConnectPtr connection, gpointer user_data);
  void (*down) (gpointer user_data);
  /* libvirt is not reached, and @reason says why, without a full stop: told when it is another one
   * than at the last try. NULL: nobody wants to know. */
  void (*away) (const char *reason, gpointer user_data);
  /* @event and @detail: virDomainEventType and what belongs to it. NULL, as all that follow then:
   * no events are asked for. */
  void (*lifecycle) (const char *uuid, int event, int detail, gpointer user_data);
  /* Memory flows in a migration away from here: told again and again. */
  void (*leaving) (const char *uuid, gpointer user_data);
  /* A migration, here or away, has failed or was cancelled; its job may last a moment yet. NB: may
   * be a saved image or a dump. */
  void (*failed) (const char *uuid, gpointer user_data);
  /* A migration away from here has succeeded. */
  void (*migrated) (const char *uuid, const BalMigrationFigures *figures, gpointer user_data);
} BalLinkHandlers;

typedef struct _BalLink BalLink;

/* bal_connection_start_events() must have been called. @handlers lives as long as the process.
 * @root is that of /run. */
BalLink *bal_link_new (const char *root,
                       const char *uri,
                       const BalLinkHandlers *handlers,
                       gpointer user_data);

/* Nothing is told after this; the thread ends when libvirt lets it. */
void bal_link_free (BalLink *self);

G_END_DECLS
