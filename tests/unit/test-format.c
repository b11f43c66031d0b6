/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/format.h"

#include <locale.h>

#define KIB G_GUINT64_CONSTANT (1024)
#define MIB (KIB * KIB)
#define GIB (MIB * KIB)

static void
test_bytes (void)
{
  static const struct
  {
    guint64 bytes;
    const char *text;
  } cases[] = {
    {0, "0 B"},
    {1023, "1023 B"},
    {1024, "1.0 KiB"},
    {64 * KIB, "64.0 KiB"},
    {1024 * KIB - 1, "1.0 MiB"},
    {1023 * KIB + 900, "1023.9 KiB"},
    {1024 * KIB - 52, "1023.9 KiB"},
    {1024 * KIB - 51, "1.0 MiB"},
    {1023 * MIB, "1023.0 MiB"},
    {3 * GIB + 100 * MIB, "3.1 GiB"},
    {3 * GIB + 1000 * MIB, "4.0 GiB"},
    {12 * 1024 * GIB, "12.0 TiB"},
    {G_MAXUINT64, "16.0 EiB"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = bal_format_bytes (cases[i].bytes);
      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_duration (void)
{
  static const struct
  {
    guint64 ms;
    const char *text;
  } cases[] = {
    {0, "0 ms"},
    {999, "999 ms"},
    {1000, "1.0 s"},
    {2449, "2.4 s"},
    {2450, "2.5 s"},
    {59949, "59.9 s"},
    {59950, "1 min 00 s"},
    {185000, "3 min 05 s"},
    {3599499, "59 min 59 s"},
    {3599500, "1 h 00 min"},
    {7800000, "2 h 10 min"},
    {G_MAXUINT64, "5124095576030 h 26 min"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = bal_format_duration_ms (cases[i].ms);
      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/format/bytes", test_bytes);
  g_test_add_func ("/format/duration", test_duration);
  return g_test_run ();
}
