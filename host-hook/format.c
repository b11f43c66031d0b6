/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/format.h"

char *
bal_format_bytes (guint64 bytes)
{
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  guint unit = 0;
  guint64 scale = 1024;

  if (bytes < 1024)
    return g_strdup_printf ("%u B", (guint)bytes);

  /* Integers, because the locale may have a decimal comma. Up by one unit also where rounding would
   * give 1024.0 of the smaller one. */
  while (unit + 1 < G_N_ELEMENTS (units) && bytes / scale >= 1023
         && bytes >= 1024 * scale - scale / 20)
    {
      scale *= 1024;
      unit++;
    }
  guint64 whole = bytes / scale;
  guint64 tenths = ((bytes % scale) / (scale / 1024) * 10 + 512) / 1024;
  if (tenths == 10)
    {
      whole++;
      tenths = 0;
    }
  return g_strdup_printf ("%u.%u %s", (guint)whole, (guint)tenths, units[unit]);
}

char *
bal_format_duration_ms (guint64 duration_ms)
{
  if (duration_ms < 1000)
    return g_strdup_printf ("%u ms", (guint)duration_ms);

  guint64 tenths = duration_ms / 100 + (duration_ms % 100 >= 50);
  if (tenths < 600)
    return g_strdup_printf ("%u.%u s", (guint)(tenths / 10), (guint)(tenths % 10));

  guint64 seconds = duration_ms / 1000 + (duration_ms % 1000 >= 500);
  if (seconds < 3600)
    return g_strdup_printf ("%u min %02u s", (guint)(seconds / 60), (guint)(seconds % 60));

  guint64 minutes = duration_ms / 60000 + (duration_ms % 60000 >= 30000);
  return g_strdup_printf ("%" G_GUINT64_FORMAT " h %02u min", minutes / 60, (guint)(minutes % 60));
}
