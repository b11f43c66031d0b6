/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon domains: carries out what domain-states.h says for each domain: starts and stops its task,
 * tries again later what cannot be done now, and keeps in mind what is told while that is at work.
 *
 * Domains that are idle are not kept.
 *
 * Main context only. Ownership: the creator frees it; it borrows the book, which lives longer,
 * and has its share of configuration (bal_config_new()) and connection. Failure: none; what cannot
 * be done now is tried again.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/config.h"
#include "host-hook/daemon-book.h"
#include "host-hook/domain-states.h"

G_BEGIN_DECLS

typedef struct _BalDomains BalDomains;

BalDomains *bal_domains_new (const char *root, const BalConfig *config, BalBook *book);
void bal_domains_free (BalDomains *self);

void bal_domains_set_config (BalDomains *self, const BalConfig *config);

/* NULL while libvirt is away: then nothing is begun. */
void bal_domains_set_connection (BalDomains *self, virConnectPtr connection);

/* The same may be told again and again. */
void bal_domains_tell (BalDomains *self, const char *uuid, BalEvent event);

/* All that are not idle. */
void bal_domains_tell_all (BalDomains *self, BalEvent event);

/* The same of one that may have arrived while nobody looked: it is settled as soon as it can be. */
void bal_domains_tell_unsettled (BalDomains *self, const char *uuid, BalEvent event);

gboolean bal_domains_is_idle (const BalDomains *self, const char *uuid);

G_END_DECLS
