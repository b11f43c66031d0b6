/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shared parts of guest-tool (see guest-tool.c). Nothing here owns memory beyond the life
 * of the process; functions returning int return an exit status and have already printed
 * the reason of a failure to stderr.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB ((size_t)1024 * 1024)

struct fill_options
{
  uint64_t mib; /* ignored with all */
  uint64_t seed;
  bool all;      /* down to a small reserve, never into the OOM killer */
  bool verify;   /* read everything back */
  bool hold;     /* keep it in a background process */
  bool fragment; /* as hold, but of every 256 KiB keep the first 64 KiB only */
};

/* xorshift64: about as fast as memory under emulation.
 * @state must not be 0; noise_seed() never returns 0. */
uint64_t noise_next (uint64_t *state);
uint64_t noise_seed (uint64_t a, uint64_t b);

/* The whole of @text as an unsigned decimal; false when it is anything else. */
bool parse_u64 (const char *text, uint64_t *value);

/* Forks. The child goes on with a session of its own, without the caller's stdout; the
 * parent waits until the child calls background_ready() and then exits 0 after printing
 * the child's pid, or exits 1 when the child dies first. Returns in the child only: a
 * descriptor for background_ready(), or -1 when fork failed. */
int background (void);
void background_ready (int ready_fd);

/* Makes @line the only one of @status_file, by rename, so that a reader never sees half of it.
 * Where that fails the file stays as it was. */
void write_status (const char *status_file, const char *line);

/* Writes into each cache line of anonymous memory one pseudo-random word of @options->seed: no page
 * is one of zeros, which is all that a migration without compression looks at. */
int fill (const struct fill_options *options);

/* Keeps @mib of memory whose content follows from @seed and a version number per block,
 * rewrites @rewrites blocks of 64 KiB a hundred times a second and verifies all of them, round
 * after round, in the background. 1 is about 6 MB/s, which any migration outruns. @status_file
 * holds one line: "ok ROUNDS" or "CORRUPT block ...", after which it stops. The memory is not
 * locked, so it may be swapped. */
int canary (uint64_t mib, uint64_t seed, const char *status_file, uint64_t rewrites);

/* Flushes the TLB of every CPU a hundred times a second, in the background.
 *
 * QEMU's software emulation sizes its TLB by the pages in use between two flushes, and an idle
 * guest never flushes: after some gigabytes were written it has tens of thousands of entries.
 * QEMU before 9.0 walks all of them for each page of RAM when a migration begins (see
 * tests/bed/qemu-odd-size), which takes longer than the migration; KVM knows nothing alike. */
int flush_tlb (void);

/* Wakes each millisecond, and keeps in @status_file the longest that it was away, in the
 * background: "GAP-US AT-US", both in microseconds, AT-US being when that gap ended since the
 * probe began.
 *
 * By CLOCK_MONOTONIC, which stands still while QEMU has the guest stopped: a gap is what the guest
 * itself did to the process (memory being allocated, a processor taken away), or the emulator; the
 * switch-over's downtime, which no clock of the guest shows, comes on top and is libvirt's to tell.
 */
int stall (const char *status_file);

/* Serves shell commands on the virtio-serial port called @port_name, for ever.
 *
 * Request: ID SP base64(command) LF; reply: ID SP exit-status SP base64(output) LF, output
 * being stdout and stderr together and the status 128+N after signal N. One command runs
 * at a time; a new request kills a running one (process group) and drops its reply: the
 * host has given up on it. An unfinished line is forgotten when the host disconnects. */
int serve (const char *port_name);
