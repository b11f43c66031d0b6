/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure: tells when the guest needs the memory that is held. Exists only while something is
 * held; an idle agent watches nothing.
 *
 * With PSI the kernel wakes the agent when tasks stall on memory
 * (Documentation/accounting/psi.rst). That says nothing of a guest that swaps calmly, and it may
 * not be there (not built in, psi=0, no right to set a trigger), so two files are polled as well. A
 * hold never makes the guest swap, so swap-out while the guest as a whole reclaims memory means
 * that something else runs short (a container that swaps at its own limit needs nothing of what is
 * held, and its scanning is in none of vmstat's pgscan counters); once the hold has stopped
 * growing, available memory fallen to half is taken as the same; and without PSI so is any direct
 * reclaim. To give back early costs little: what was held is zeros to the host until the guest uses
 * it.
 *
 * Ownership: bal_pressure_free() ends the watch. Failure: none.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BalPressure BalPressure;
typedef void (*BalPressureFunc) (gpointer user_data);

/* Calls @func at most once, from the main loop. It may free the watch. */
BalPressure *bal_pressure_new (const char *root, BalPressureFunc func, gpointer user_data);
void bal_pressure_free (BalPressure *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalPressure, bal_pressure_free)

/* The hold takes, or has stopped taking, more memory. */
void bal_pressure_set_growing (BalPressure *self, gboolean growing);

/* What is polled; for the decision below. */
typedef struct
{
  guint64 swapped_pages;   /* swapped out since boot, for whatever reason */
  guint64 scanned_pages;   /* looked at since boot because the guest as a whole was short */
  guint64 stalls;          /* allocation stalls, and pages scanned by direct reclaim, since boot */
  guint64 available_bytes; /* MemAvailable */
} BalPressureSample;

gboolean bal_pressure_sample (const char *root, BalPressureSample *out);

/* Pure: whether @now means pressure, seen from @before. */
gboolean bal_pressure_decide (const BalPressureSample *before,
                              const BalPressureSample *now,
                              gboolean growing,
                              gboolean has_psi);

G_END_DECLS
