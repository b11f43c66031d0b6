/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemon status: what ballastd answers to `status`, as JSON for the socket and as sentences for
 * people, for both of its ends. docs/design-memory.md, "The socket", has the members.
 *
 * Ownership: what is returned is the caller's; structs that are read are cleared by the caller.
 * Failure: none: a member that is missing or odd counts as not told. Sentences are not escaped. No
 * I/O.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "host-hook/daemon-history.h"
#include "host-hook/domain-states.h"

G_BEGIN_DECLS

/* A reply has a limited length, and a host may run thousands of domains: so many are listed, those
 * that are not idle first. With names as long and odd as they may be that is below 1 MiB. */
#define BAL_STATUS_DOMAINS_MAX 400u

typedef struct
{
  char *uuid;
  char *name;      /* NULL: not known */
  BalState state;  /* when it is read: BAL_STATE_IDLE for one that this version does not know */
  gint64 since_us; /* real time; unless it is idle */
  gboolean has_released;
  guint64 released_bytes;
  gboolean has_window; /* it carries the window tag */
} BalDomainStatus;

void bal_domain_status_clear (BalDomainStatus *self);

JsonNode *bal_domain_status_to_json (const BalDomainStatus *self);
void bal_domain_status_from_json (JsonNode *node, BalDomainStatus *out);

/* "releasing since 2.1 s"; @now_us: real time. */
char *bal_domain_status_describe (const BalDomainStatus *self, gint64 now_us);

JsonNode *bal_past_migration_to_json (const BalPastMigration *self);
void bal_past_migration_from_json (JsonNode *node, BalPastMigration *out);

/* "left: released 1.2 GiB of 1.3 GiB in 1.1 s; sent 312.0 MiB in 2.5 s, downtime 60 ms". */
char *bal_past_migration_describe (const BalPastMigration *self);

const char *bal_migration_outcome_name (BalMigrationOutcome outcome);

G_END_DECLS
