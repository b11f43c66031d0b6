/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/trim.h"

#include "guest-agent/memory-info.h"
#include "guest-agent/proc-files.h"

#include <errno.h>

#define SLICE_BYTES (G_GUINT64_CONSTANT (64) * 1024 * 1024)
#define TRIM_MAX_US (1 * G_USEC_PER_SEC)

#define RECLAIM_PATH "/sys/fs/cgroup/memory.reclaim"
#define DROP_CACHES_PATH "/proc/sys/vm/drop_caches"

typedef enum
{
  RECLAIM_UNSUPPORTED,
  RECLAIM_DONE,
} ReclaimOutcome;

static gboolean
read_caches (const char *root, guint64 *clean_bytes, gboolean *has_swap, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *meminfo = bal_proc_read (root, "/proc/meminfo", &failure);

  if (meminfo == NULL)
    {
      g_set_error (error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC, "%s.", failure->message);
      return FALSE;
    }
  *clean_bytes = bal_memory_info_clean_cache (meminfo);
  *has_swap = bal_meminfo_bytes (meminfo, "SwapTotal:") > 0;
  return TRUE;
}

/* Until the clean cache has really fallen by @bytes: the kernel reclaims more, or other memory,
 * than it was asked for. EAGAIN: less than a slice was reclaimed, there is no more to be had
 * cheaply. */
static ReclaimOutcome
reclaim (const char *root, guint64 before_bytes, guint64 bytes, gboolean has_swap)
{
  gint64 end_us = g_get_monotonic_time () + TRIM_MAX_US;
  guint64 clean_bytes = before_bytes;
  guint64 floor_bytes = before_bytes - bytes;
  gboolean any = FALSE;

  while (clean_bytes > floor_bytes && g_get_monotonic_time () < end_us)
    {
      guint64 slice = MIN (clean_bytes - floor_bytes, SLICE_BYTES);
      g_autofree char *request =
        g_strdup_printf ("%" G_GUINT64_FORMAT "%s", slice, has_swap ? " swappiness=0" : "");
      guint64 last_bytes = clean_bytes;
      int error_number = 0;
      gboolean ignored;

      if (!bal_proc_write (root, RECLAIM_PATH, request, &error_number))
        return error_number == EAGAIN || any ? RECLAIM_DONE : RECLAIM_UNSUPPORTED;
      any = TRUE;
      if (!read_caches (root, &clean_bytes, &ignored, NULL) || clean_bytes >= last_bytes)
        break;
    }
  return RECLAIM_DONE;
}

gboolean
bal_trim (const char *root, guint64 bytes, BalTrim *out, GError **error)
{
  guint64 before = 0;
  guint64 after = 0;
  gboolean has_swap = FALSE;
  const char *method = "memory.reclaim";
  int error_number = 0;

  *out = (BalTrim){0};
  if (!read_caches (root, &before, &has_swap, error))
    return FALSE;
  bytes = MIN (bytes, before);
  if (bytes > 0 && reclaim (root, before, bytes, has_swap) == RECLAIM_UNSUPPORTED)
    {
      method = "drop_caches";
      if (!bal_proc_write (root, DROP_CACHES_PATH, "1", &error_number))
        {
          g_set_error (
            error, BAL_PROTOCOL_ERROR, BAL_PROTOCOL_ERROR_GENERIC,
            "Cannot trim the page cache by memory.reclaim nor by drop_caches: %s; it was "
            "left as it is.",
            g_strerror (error_number));
          return FALSE;
        }
    }
  if (!read_caches (root, &after, &has_swap, error))
    return FALSE;
  out->trimmed_bytes = before > after ? before - after : 0;
  out->method = g_strdup (method);
  return TRUE;
}
