/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Marks: puts the window tag on domains, one after the other in a thread of its own: libvirt
 * answers a client's calls only a few at once, and one that meets a job waits half a minute.
 *
 * Main context only. Ownership: the creator frees it; nothing is told then any more, whatever is
 * still under way. Failure: is logged; whoever sees later that the tag is missing adds the domain
 * again.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/domain-xml.h"

G_BEGIN_DECLS

typedef struct _BalMarks BalMarks;

/* Called from the default main context when a domain's turn is over, marked or not. */
typedef void (*BalMarkFunc) (const char *uuid, gpointer user_data);

BalMarks *bal_marks_new (BalMarkFunc func, gpointer user_data);
void bal_marks_free (BalMarks *self);

/* A second later. Takes a reference of @connection. A domain that does not run, or that a job
 * holds, is left out. */
void bal_marks_add (BalMarks *self, virConnectPtr connection, const char *uuid);

G_END_DECLS
