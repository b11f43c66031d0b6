/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF entry: what the ledger remembers of one port: what was asked, which VF it got, how far that
 * has come, and what has to be put back.
 *
 * Ownership: entries are the caller's; bal_vf_entry_free() frees all in them. Failure: the JSON of
 * an entry that is not one is BAL_VF_ERROR_INVALID. No I/O.
 */
#pragma once

#include "host-hook/vf-settings.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_VF_RESERVED,  /* the VF is the domain's; settings may be made */
  BAL_VF_ATTACHED,  /* the domain has it; removed so, it is the domain's alone */
  BAL_VF_FAILED,    /* attaching failed: the VF stays the domain's, it is tried again */
  BAL_VF_RELEASING, /* being taken away and put back; nothing but removal follows */
} BalVfState;

#define BAL_VF_STATES 4

const char *bal_vf_state_name (BalVfState state);

typedef struct
{
  BalVfRequest request;   /* its domain and port are the entry's key */
  gboolean from_metadata; /* the domain's metadata asked */
  BalVfState state;

  char pf_netdev[32]; /* its name when the VF was reserved */
  char pf_pci[32];
  guint capacity_mbps; /* the PF's when the VF was reserved */
  guint vf_index;
  char vf_pci[32];

  guint set;            /* which settings Ballast made, or was about to make; BAL_VF_SET_... */
  guint refused;        /* which of them the NIC refused */
  BalVfSettings before; /* to go back to; says nothing while `set` is 0 */

  gint64 created_us; /* real time, for people */
  gint64 changed_us;
  char boot_id[37];  /* of the host when the VF was reserved: settings and uses end with a boot */
  gint64 expires_us; /* CLOCK_BOOTTIME of that boot: a step of the host's clock frees nothing.
                        Before it the entry is not freed for want of a user */

  char *why; /* a sentence about what failed last; NULL: nothing */
} BalVfEntry;

/* Empty, with the request copied. */
BalVfEntry *bal_vf_entry_new (const BalVfRequest *request);
BalVfEntry *bal_vf_entry_copy (const BalVfEntry *self);

/* The same entry, for one more owner; nobody changes it any more. Any thread may free it. */
BalVfEntry *bal_vf_entry_share (const BalVfEntry *self);
void bal_vf_entry_free (BalVfEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfEntry, bal_vf_entry_free)

/* @why may be NULL. */
void bal_vf_entry_set_why (BalVfEntry *self, const char *why);

JsonObject *bal_vf_entry_build (const BalVfEntry *self);
BalVfEntry *bal_vf_entry_read (const BalJsonReader *reader, GError **error);

G_END_DECLS
