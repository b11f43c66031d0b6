/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port info: what a management system is told of a port that has a VF. protocol/vf-schema.json
 * documents its JSON; a test compares the two.
 *
 * Read generously: unknown members are ignored, each known one is checked.
 *
 * Ownership: structs are the caller's, bal_vf_port_info_clear() frees what they point to. Failure:
 * the reader's, with the output left cleared. No I/O.
 */
#pragma once

#include "host-hook/vf-entry.h"

G_BEGIN_DECLS

/* How far a setting is the NIC's doing. */
typedef enum
{
  BAL_VF_NOT_ENFORCED, /* not set, or not yet */
  BAL_VF_ENFORCED,
  BAL_VF_NOT_SUPPORTED, /* the NIC refused it */
} BalVfEnforced;

/* As JSON has it. */
const char *bal_vf_enforced_name (BalVfEnforced enforced);

typedef struct
{
  char *uuid;
  char *port;
  BalVfState state;
  char *pf;
  char *pf_pci;
  guint vf_index;
  char *vf_pci;
  char *mac;     /* NULL: none was asked for */
  guint vlan;    /* 0: none */
  char *network; /* NULL: none was asked for */
  guint bandwidth_mbps;
  BalVfEnforced max_rate; /* at most that bandwidth */
  BalVfEnforced min_rate; /* at least that bandwidth */
  BalVfEnforced link_state;
  BalVfSwitch trust;
  BalVfSwitch spoofchk;
  char *why; /* what failed last; NULL: nothing */
} BalVfPortInfo;

void bal_vf_port_info_from_entry (const BalVfEntry *entry, BalVfPortInfo *out);
void bal_vf_port_info_clear (BalVfPortInfo *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalVfPortInfo, bal_vf_port_info_clear)

JsonObject *bal_vf_port_info_build (const BalVfPortInfo *self);
gboolean bal_vf_port_info_read (const BalJsonReader *reader, BalVfPortInfo *out, GError **error);

G_END_DECLS
