/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: requests and entries for the tests of what is made of them. Ownership: what is returned
 * is the caller's. Failure: the test aborts.
 */
#pragma once

#include "host-hook/vf-reserve.h"
#include "vf-tree.h"

#define VF_BOOT_ID "11111111-2222-4333-8444-555555555555"
#define VF_OTHER_BOOT_ID "11111111-2222-4333-8444-666666666666"

/* The UUID of domain number @domain; good until the next call but three. */
const char *vf_uuid (guint domain);

/* Port "net0" of that domain; bal_vf_request_clear() it. */
BalVfRequest vf_request (guint domain, guint bandwidth_mbps);

/* That request on a VF of the tree's numbering (vf-tree.h), capacity 10000, in this boot. */
BalVfEntry *vf_entry (guint domain, guint bandwidth_mbps, guint pf, guint vf);

/* Of the last line of the ledger below @root. */
guint64 vf_ledger_generation (const TestRoot *root);

/* Microsecond 1000000 of that boot. */
BalVfClock vf_clock (void);
