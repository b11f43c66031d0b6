/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Child: processes that the agent forks to be killed.
 *
 * A child is the first that the kernel's OOM killer takes (oom_score_adj 1000), dies with the agent
 * (PR_SET_PDEATHSIG), keeps CAP_IPC_LOCK alone and one descriptor at most, and lives in a cgroup of
 * its own where that can be had.
 *
 * Ownership: the caller kills and reaps it.
 * Failure: BAL_PROTOCOL_ERROR_HOLD_REFUSED when a safeguard cannot be put in place; no process is
 * left behind then.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* The body of the child; never returns. @fd is the one that was kept, or -1. */
typedef void (*BalChildFunc) (const char *root, int fd);

/* @name: at most 15 characters, for ps and the kernel's log. @keep_fd: -1 for none. Gives the pid,
 * or -1. The child may already run @func when its safeguards are put in place: it must not take
 * memory before the caller tells it to. */
pid_t bal_child_spawn (
  const char *root, const char *name, int keep_fd, BalChildFunc func, GError **error);

/* SIGKILL, and waits for its end: for children that hold nothing, whose end takes no time. */
void bal_child_end (pid_t pid);

/* Removes the children's cgroup if nothing is left in it. */
void bal_child_remove_cgroup (const char *root);

G_END_DECLS
