/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/balloon-stats.h"

#define POLL_INTERVAL_MS 50

typedef struct
{
  guint64 value[VIR_DOMAIN_MEMORY_STAT_NR];
  gboolean known[VIR_DOMAIN_MEMORY_STAT_NR];
} Stats;

static gboolean
read_stats (virDomainPtr domain, Stats *out)
{
  virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
  int n = virDomainMemoryStats (domain, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);

  *out = (Stats){0};
  for (int i = 0; i < n; i++)
    if (stats[i].tag >= 0 && stats[i].tag < VIR_DOMAIN_MEMORY_STAT_NR)
      {
        out->value[stats[i].tag] = stats[i].val;
        out->known[stats[i].tag] = TRUE;
      }
  return n >= 0;
}

/* libvirt passes QEMU's -1 on as a huge number when the driver never said. */
static gboolean
has_size (const Stats *stats, int tag)
{
  return stats->known[tag] && stats->value[tag] < G_MAXUINT64 / 1024 / 2;
}

/* NB: the time of a report is QEMU's host's, whose clock may differ: it is only compared with that
 * of another report. */
static gboolean
is_newer (const Stats *stats, guint64 than_s)
{
  return stats->known[VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE]
         && stats->value[VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE] > than_s
         && has_size (stats, VIR_DOMAIN_MEMORY_STAT_UNUSED)
         && has_size (stats, VIR_DOMAIN_MEMORY_STAT_AVAILABLE);
}

static gboolean
wait_for_report (virDomainPtr domain, guint64 than_s, guint timeout_ms, Stats *stats)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)timeout_ms * 1000;

  do
    {
      if (!read_stats (domain, stats))
        return FALSE;
      if (is_newer (stats, than_s))
        return TRUE;
      g_usleep (POLL_INTERVAL_MS * 1000);
    }
  while (g_get_monotonic_time () < end_us);
  return FALSE;
}

gboolean
bal_balloon_stats_read (virDomainPtr domain,
                        gboolean has_period,
                        guint timeout_ms,
                        BalBalloonStats *out)
{
  guint64 last_s = 0;
  gboolean answered;
  Stats stats;

  /* A domain that polls has a report already, at most a period old. */
  if (!has_period && read_stats (domain, &stats))
    last_s = stats.value[VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE];
  if (!has_period && virDomainSetMemoryStatsPeriod (domain, 1, VIR_DOMAIN_AFFECT_LIVE) < 0)
    return FALSE;
  answered = wait_for_report (domain, last_s, timeout_ms, &stats);
  if (!has_period)
    virDomainSetMemoryStatsPeriod (domain, 0, VIR_DOMAIN_AFFECT_LIVE);
  if (!answered)
    return FALSE;

  *out = (BalBalloonStats){.free_bytes = stats.value[VIR_DOMAIN_MEMORY_STAT_UNUSED] * 1024,
                           .total_bytes = stats.value[VIR_DOMAIN_MEMORY_STAT_AVAILABLE] * 1024};
  if (has_size (&stats, VIR_DOMAIN_MEMORY_STAT_RSS))
    out->rss_bytes = stats.value[VIR_DOMAIN_MEMORY_STAT_RSS] * 1024;
  return TRUE;
}
