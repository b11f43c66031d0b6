/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holder: the process that owns the held memory.
 *
 * A child of the agent's, so that giving back is killing it: whatever happens to either process,
 * the kernel frees the memory. The agent sends BalHolderOrders over a socketpair; the holder maps,
 * locks and populates free pages chunk by chunk and answers with a BalHolderReport after each. It
 * takes nothing before the first order.
 *
 * Decoys stand by while it lives, children like it that hold nothing. When the OOM killer has
 * killed the holder, the kernel takes the victim's memory for freed a little before it is:
 * exit_mmap() sets MMF_OOM_SKIP, and huge pages still wait in its mmu_gather. An allocation that
 * fails in between makes the OOM killer choose again, and without decoys it would choose a program
 * of the guest's. As decoys have the same oom_score_adj they are chosen before all others. They end
 * when the holder has ended.
 *
 * Ownership: BalHolder is plain data of the agent's; bal_holder_kill() and bal_holder_reap() end
 * it.
 */
#pragma once

#include "protocol/messages.h"

#include <sys/types.h>

G_BEGIN_DECLS

#define BAL_HOLDER_DECOYS 8u

typedef struct
{
  guint64 target_bytes; /* to hold altogether; less than is held changes nothing */
  guint64 headroom_bytes;
} BalHolderOrder;

typedef struct
{
  guint64 held_bytes;
  guint64 base;         /* virtual address of the region that held memory lies in... */
  guint64 span_bytes;   /* ...and how much of it is in use */
  guint64 target_bytes; /* of the order that this report is about */
  gint32 reason;        /* BalHoldReason: NONE (growing), TARGET, HEADROOM or FAILED */
  gint32 error_number;  /* errno of what failed */
} BalHolderReport;

typedef struct
{
  pid_t pid; /* 0: no holder */
  int pidfd; /* readable when it is dead */
  int socket_fd;
  pid_t decoys[BAL_HOLDER_DECOYS];
} BalHolder;

/* Starts a holder that holds nothing yet, and its decoys. HoldRefused when a safeguard cannot be
 * put in place; no process is left behind then. */
gboolean bal_holder_spawn (const char *root, BalHolder *out, GError **error);

/* Never blocks. FALSE when the holder is gone or has not read its last orders yet. */
gboolean bal_holder_order (const BalHolder *self, const BalHolderOrder *order);

/* Never blocks. FALSE when there is no report to read. */
gboolean bal_holder_next_report (const BalHolder *self, BalHolderReport *out);

/* SIGKILL; the memory is free once the process can be reaped. */
void bal_holder_kill (const BalHolder *self);

/* Waits up to @timeout_ms for its end, releases everything and clears @self. FALSE when it still
 * runs. *@killed: by a signal. */
gboolean bal_holder_reap (BalHolder *self, const char *root, guint timeout_ms, gboolean *killed);

/* The body of the process, a BalChildFunc. */
void bal_holder_run (const char *root, int socket_fd) G_GNUC_NORETURN;

G_END_DECLS
