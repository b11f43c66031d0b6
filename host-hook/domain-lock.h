/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain lock: who owns the release of a domain's memory on this host.
 *
 * One file a domain, <root>/run/ballast/locks/<uuid>, with an open file description lock. The
 * kernel drops it when the owner dies, however it dies. The file is never removed (it goes with
 * /run), so that no two processes can hold locks on two files of one name.
 *
 * Ownership: the lock is the caller's; freeing it unlocks. NB: a child made by fork() alone shares
 * it; exec closes it. Failure: BAL_DOMAIN_LOCK_ERROR_BUSY, or G_IO_ERROR, with one sentence.
 */
#pragma once

#include "host-hook/cancel.h"

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

#define BAL_DOMAIN_LOCK_ERROR (bal_domain_lock_error_quark ())
GQuark bal_domain_lock_error_quark (void);

typedef enum
{
  BAL_DOMAIN_LOCK_ERROR_BUSY, /* somebody has it: another process, or this one */
} BalDomainLockError;

typedef struct _BalDomainLock BalDomainLock;

/* Takes the lock or fails at once. @uuid: canonical, lower case. @owner_pid (may be NULL) is set,
 * on BAL_DOMAIN_LOCK_ERROR_BUSY only, to the owner's pid as the kernel tells it; 0 when it cannot
 * tell: in another pid namespace, or in the instant between the owner's two system calls. */
BalDomainLock *
bal_domain_lock_try (const char *root, const char *uuid, pid_t *owner_pid, GError **error);

/* How long ballastd is waited for: after an arrival it gives back what the guest's agent holds,
 * which takes it a second or two. */
#define BAL_DOMAIN_LOCK_PATIENCE_MS 10000u

/* The same for a program that somebody has just started: while ballastd of this host has the lock
 * it waits, at most BAL_DOMAIN_LOCK_PATIENCE_MS and not once @cancel (may be NULL) is requested.
 * Any other owner is no reason to wait. */
BalDomainLock *
bal_domain_lock_take (const char *root, const char *uuid, BalCancel *cancel, GError **error);
void bal_domain_lock_free (BalDomainLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalDomainLock, bal_domain_lock_free)

G_END_DECLS
