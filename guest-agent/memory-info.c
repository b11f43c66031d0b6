/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/memory-info.h"

#include "guest-agent/hold-policy.h"
#include "guest-agent/proc-files.h"

#include <string.h>
#include <unistd.h>

static guint64
subtract (guint64 from, guint64 amount)
{
  return from > amount ? from - amount : 0;
}

guint64
bal_memory_info_clean_cache (const char *meminfo)
{
  guint64 cache =
    subtract (bal_meminfo_bytes (meminfo, "Cached:") + bal_meminfo_bytes (meminfo, "Buffers:"),
              bal_meminfo_bytes (meminfo, "Shmem:"));
  guint64 file_lru =
    bal_meminfo_bytes (meminfo, "Active(file):") + bal_meminfo_bytes (meminfo, "Inactive(file):");
  guint64 dirty = bal_meminfo_bytes (meminfo, "Dirty:") + bal_meminfo_bytes (meminfo, "Writeback:");

  return subtract (MIN (cache, file_lru), dirty);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" */
static gboolean
psi_total (const char *text, const char *kind, guint64 *out)
{
  const char *line = text;

  while (line != NULL && !g_str_has_prefix (line, kind))
    {
      line = strchr (line, '\n');
      line = line != NULL ? line + 1 : NULL;
    }
  const char *total = line != NULL ? strstr (line, "total=") : NULL;
  if (total == NULL)
    return FALSE;
  *out = g_ascii_strtoull (total + strlen ("total="), NULL, 10);
  return TRUE;
}

/* With psi=0 the file is there but cannot be read. */
static void
read_psi (const char *root, BalMemoryInfo *out)
{
  g_autofree char *text = bal_proc_read (root, "/proc/pressure/memory", NULL);

  out->has_psi = text != NULL && psi_total (text, "some ", &out->psi_some_total_us)
                 && psi_total (text, "full ", &out->psi_full_total_us);
}

static void
read_block_size (const char *root, BalMemoryInfo *out)
{
  g_autofree char *text = bal_proc_read (root, "/sys/devices/system/memory/block_size_bytes", NULL);

  if (text != NULL)
    out->block_bytes = g_ascii_strtoull (text, NULL, 16);
}

static gboolean
read_settings (const char *root, BalMemoryInfo *out, GError **error)
{
  gint64 kill_allocating = 0;

  if (!bal_proc_read_integer (root, "/proc/sys/vm/overcommit_memory", &out->overcommit_mode, error)
      || !bal_proc_read_integer (root, "/proc/sys/vm/panic_on_oom", &out->panic_on_oom, error)
      || !bal_proc_read_integer (root, "/proc/sys/vm/oom_kill_allocating_task", &kill_allocating,
                                 error))
    return FALSE;
  out->oom_kill_allocating_task = kill_allocating != 0;
  out->boot_id = bal_proc_read (root, "/proc/sys/kernel/random/boot_id", error);
  if (out->boot_id == NULL)
    return FALSE;
  g_strstrip (out->boot_id);
  return TRUE;
}

static void
read_meminfo (const char *meminfo, BalMemoryInfo *out)
{
  out->total_bytes = bal_meminfo_bytes (meminfo, "MemTotal:");
  out->free_bytes = bal_meminfo_bytes (meminfo, "MemFree:");
  out->available_bytes = bal_meminfo_bytes (meminfo, "MemAvailable:");
  out->swap_total_bytes = bal_meminfo_bytes (meminfo, "SwapTotal:");
  out->swap_free_bytes = bal_meminfo_bytes (meminfo, "SwapFree:");
  out->clean_cache_bytes = bal_memory_info_clean_cache (meminfo);
}

static gboolean
read_files (const char *root, const BalHoldLimits *limits, BalMemoryInfo *out, GError **error)
{
  g_autofree char *meminfo = bal_proc_read (root, "/proc/meminfo", error);
  BalZones zones;

  if (meminfo == NULL || !bal_zones_read (root, &zones, error) || !read_settings (root, out, error))
    return FALSE;
  read_meminfo (meminfo, out);
  read_psi (root, out);
  read_block_size (root, out);
  out->page_bytes = (guint64)sysconf (_SC_PAGESIZE);
  out->holdable_bytes =
    bal_hold_policy_holdable (&zones, out->page_bytes,
                              bal_hold_policy_headroom (out->total_bytes,
                                                        limits->headroom_min_bytes,
                                                        limits->headroom_percent));
  return TRUE;
}

gboolean
bal_memory_info_read (const char *root,
                      const BalKernelFacts *facts,
                      const BalHoldLimits *limits,
                      guint64 held_bytes,
                      BalMemoryInfo *out,
                      GError **error)
{
  g_autoptr (GError) failure = NULL;

  *out = (BalMemoryInfo){.held_bytes = held_bytes,
                         .init_on_alloc = facts->init_on_alloc,
                         .init_on_free = facts->init_on_free,
                         .page_poisoning = facts->page_poisoning};
  if (read_files (root, limits, out, &failure))
    return TRUE;
  bal_memory_info_clear (out);
  g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC, "%s.", failure->message);
  return FALSE;
}
