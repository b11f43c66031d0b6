/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/kernel-facts.h"

#include "guest-agent/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Longest record of /dev/kmsg (CONSOLE_EXT_LOG_MAX). */
#define KMSG_RECORD_MAX_BYTES 8192u

static BalTri
parse_boolean (const char *value)
{
  if (strchr ("yYtT1", value[0]) != NULL && value[0] != '\0')
    return BAL_TRI_YES;
  if (strchr ("nNfF0", value[0]) != NULL && value[0] != '\0')
    return BAL_TRI_NO;
  if (g_ascii_strncasecmp (value, "on", 2) == 0)
    return BAL_TRI_YES;
  if (g_ascii_strncasecmp (value, "of", 2) == 0)
    return BAL_TRI_NO;
  return BAL_TRI_UNKNOWN;
}

BalTri
bal_cmdline_boolean (const char *cmdline, const char *parameter)
{
  g_auto (GStrv) words = g_strsplit_set (cmdline, " \t\n", -1);
  BalTri found = BAL_TRI_UNKNOWN;

  for (guint i = 0; words[i] != NULL && strcmp (words[i], "--") != 0; i++)
    {
      char *equals = strchr (words[i], '=');

      if (equals == NULL)
        continue;
      *equals = '\0';
      /* The kernel takes '-' and '_' for the same. */
      g_strdelimit (words[i], "-", '_');
      if (strcmp (words[i], parameter) == 0 && parse_boolean (equals + 1) != BAL_TRI_UNKNOWN)
        found = parse_boolean (equals + 1);
    }
  return found;
}

static BalTri
config_boolean (const char *config, const char *option)
{
  g_autofree char *set = g_strdup_printf ("\n%s=y\n", option);

  return strstr (config, set) != NULL ? BAL_TRI_YES : BAL_TRI_NO;
}

static BalTri
either (BalTri first, BalTri second)
{
  return first != BAL_TRI_UNKNOWN ? first : second;
}

/* "mem auto-init: stack:off, heap alloc:on, heap free:off" (mm/mm_init.c) */
static void
read_auto_init_line (const char *line, BalKernelFacts *out)
{
  const char *alloc = strstr (line, "heap alloc:");
  const char *freed = strstr (line, "heap free:");

  if (alloc != NULL)
    out->init_on_alloc =
      either (out->init_on_alloc, parse_boolean (alloc + strlen ("heap alloc:")));
  if (freed != NULL)
    out->init_on_free = either (out->init_on_free, parse_boolean (freed + strlen ("heap free:")));
}

/* Each read() gives one record; EPIPE says that records were overwritten meanwhile. */
static void
read_log (const char *root, BalKernelFacts *out)
{
  int fd = bal_proc_open (root, "/dev/kmsg", O_RDONLY | O_NONBLOCK, NULL);
  char record[KMSG_RECORD_MAX_BYTES + 1];

  if (fd < 0)
    return;
  for (;;)
    {
      gssize got = read (fd, record, sizeof record - 1);

      if (got < 0 && (errno == EPIPE || errno == EINTR))
        continue;
      if (got <= 0)
        break;
      record[got] = '\0';
      if (strstr (record, "mem auto-init:") != NULL)
        {
          read_auto_init_line (record, out);
          break;
        }
    }
  close (fd);
}

void
bal_kernel_facts_read (const char *root, const char *release, BalKernelFacts *out)
{
  g_autofree char *config_path = g_strdup_printf ("/boot/config-%s", release);
  g_autofree char *cmdline = bal_proc_read (root, "/proc/cmdline", NULL);
  g_autofree char *config = bal_proc_read (root, config_path, NULL);

  *out = (BalKernelFacts){BAL_TRI_UNKNOWN, BAL_TRI_UNKNOWN, BAL_TRI_UNKNOWN};
  if (cmdline != NULL)
    {
      out->init_on_alloc = bal_cmdline_boolean (cmdline, "init_on_alloc");
      out->init_on_free = bal_cmdline_boolean (cmdline, "init_on_free");
      /* Off unless asked for on the command line, in every kernel (mm/page_poison.c). */
      out->page_poisoning = either (bal_cmdline_boolean (cmdline, "page_poison"), BAL_TRI_NO);
    }
  if (config != NULL)
    {
      out->init_on_alloc =
        either (out->init_on_alloc, config_boolean (config, "CONFIG_INIT_ON_ALLOC_DEFAULT_ON"));
      out->init_on_free =
        either (out->init_on_free, config_boolean (config, "CONFIG_INIT_ON_FREE_DEFAULT_ON"));
    }
  if (out->init_on_alloc == BAL_TRI_UNKNOWN || out->init_on_free == BAL_TRI_UNKNOWN)
    read_log (root, out);
}
