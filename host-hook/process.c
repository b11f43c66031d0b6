/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/process.h"

#include "host-hook/file-io.h"

#include <string.h>

#define LIBVIRT_RUN_FOLDER "/run/libvirt/qemu"

/* Largest /proc file read; a command line of QEMU with many devices has some 10 KiB. */
#define PROC_FILE_MAX_BYTES (2u * 1024u * 1024u)

G_DEFINE_QUARK (bal_process_error, bal_process_error)

gboolean
bal_incarnation_equal (const BalIncarnation *a, const BalIncarnation *b)
{
  return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

char *
bal_incarnation_to_string (const BalIncarnation *self)
{
  return g_strdup_printf ("%d-%" G_GUINT64_FORMAT, (int)self->pid, self->start_ticks);
}

gboolean
bal_incarnation_from_string (const char *text, BalIncarnation *out)
{
  guint64 pid;
  guint64 start_ticks;
  g_auto (GStrv) parts = g_strsplit (text, "-", 3);

  if (g_strv_length (parts) != 2
      || !g_ascii_string_to_unsigned (parts[0], 10, 0, G_MAXINT32, &pid, NULL)
      || !g_ascii_string_to_unsigned (parts[1], 10, 0, G_MAXUINT64, &start_ticks, NULL))
    return FALSE;
  out->pid = (pid_t)pid;
  out->start_ticks = start_ticks;
  return TRUE;
}

static char *
read_proc_file (const char *root, pid_t pid, const char *name, gsize *length_bytes, GError **error)
{
  g_autofree char *file = g_strdup_printf ("/proc/%d/%s", (int)pid, name);
  g_autofree char *path = bal_root_path (root, file);
  g_autoptr (GError) local_error = NULL;

  char *content = bal_read_file (path, PROC_FILE_MAX_BYTES, length_bytes, &local_error);
  if (content == NULL)
    {
      /* ESRCH, when the process ends between open and read, is no code of G_IO_ERROR. */
      gboolean denied = g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
      g_set_error (error, BAL_PROCESS_ERROR,
                   denied ? BAL_PROCESS_ERROR_DENIED : BAL_PROCESS_ERROR_GONE,
                   denied ? "Process %d may not be looked at" : "There is no process %d", (int)pid);
    }
  return content;
}

static gboolean
fail_invalid (GError **error, pid_t pid, const char *name)
{
  g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_INVALID,
               "/proc/%d/%s does not read like the kernel's", (int)pid, name);
  return FALSE;
}

/* State and start time from /proc/<pid>/stat. The command in parentheses may hold anything, so that
 * fields are counted from the last parenthesis. */
static gboolean
read_stat (const char *root, pid_t pid, char *state, guint64 *start_ticks, GError **error)
{
  enum
  {
    STATE = 0,
    START_TIME = 19, /* field 22, counted from field 3 */
  };
  g_autofree char *stat = read_proc_file (root, pid, "stat", NULL, error);
  if (stat == NULL)
    return FALSE;

  const char *end = strrchr (stat, ')');
  if (end == NULL || end[1] != ' ')
    return fail_invalid (error, pid, "stat");
  g_auto (GStrv) fields = g_strsplit (end + 2, " ", START_TIME + 2);
  if (g_strv_length (fields) != START_TIME + 2
      || !g_ascii_string_to_unsigned (fields[START_TIME], 10, 0, G_MAXUINT64, start_ticks, NULL))
    return fail_invalid (error, pid, "stat");
  *state = fields[STATE][0];
  return TRUE;
}

gboolean
bal_process_incarnation (const char *root, pid_t pid, BalIncarnation *out, GError **error)
{
  char state;
  guint64 start_ticks;

  if (!read_stat (root, pid, &state, &start_ticks, error))
    return FALSE;
  out->pid = pid;
  out->start_ticks = start_ticks;
  return TRUE;
}

gboolean
bal_process_is_alive (const char *root, const BalIncarnation *self)
{
  char state;
  guint64 start_ticks;

  return self->pid > 0 && read_stat (root, self->pid, &state, &start_ticks, NULL)
         && start_ticks == self->start_ticks && state != 'Z' && state != 'X';
}

static gboolean
read_pid_file (const char *root, const char *name, pid_t *pid, GError **error)
{
  if (*name == '\0' || strchr (name, '/') != NULL)
    {
      g_set_error_literal (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_INVALID,
                           "A domain's name cannot be empty or hold a slash");
      return FALSE;
    }
  g_autofree char *file = g_strdup_printf (LIBVIRT_RUN_FOLDER "/%s.pid", name);
  g_autofree char *path = bal_root_path (root, file);
  g_autofree char *text = bal_read_file (path, 64, NULL, NULL);
  guint64 number = 0;
  if (text == NULL
      || !g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, G_MAXINT32, &number, NULL))
    {
      g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE,
                   "libvirt has no pid file of a running QEMU at %s", path);
      return FALSE;
    }
  *pid = (pid_t)number;
  return TRUE;
}

/* Arguments in /proc/<pid>/cmdline are separated by NUL. */
static gboolean
has_argument_pair (const char *arguments, gsize length_bytes, const char *first, const char *second)
{
  const char *end = arguments + length_bytes;
  const char *previous = "";
  for (const char *argument = arguments; argument < end; argument += strlen (argument) + 1)
    {
      if (strcmp (previous, first) == 0 && g_ascii_strcasecmp (argument, second) == 0)
        return TRUE;
      previous = argument;
    }
  return FALSE;
}

gboolean
bal_process_find_qemu (
  const char *root, const char *name, const char *uuid, BalIncarnation *out, GError **error)
{
  pid_t pid;
  gsize length_bytes;
  BalIncarnation found;
  BalIncarnation after;

  /* Start time before and after, so that the command line belongs to it. */
  if (!read_pid_file (root, name, &pid, error)
      || !bal_process_incarnation (root, pid, &found, error))
    return FALSE;
  g_autofree char *arguments = read_proc_file (root, pid, "cmdline", &length_bytes, error);
  if (arguments == NULL || !bal_process_incarnation (root, pid, &after, error))
    return FALSE;
  if (!has_argument_pair (arguments, length_bytes, "-uuid", uuid)
      || !bal_incarnation_equal (&found, &after))
    {
      g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE,
                   "Process %d, which libvirt's pid file names, is not the QEMU of domain %s",
                   (int)pid, uuid);
      return FALSE;
    }
  *out = found;
  return TRUE;
}

/* A line "Name:\t    1234 kB" of /proc/<pid>/status; kernels leave out what they do not count. */
static gboolean
read_status_field (const char *status, const char *name, guint64 *out_bytes)
{
  g_autofree char *key = g_strdup_printf ("\n%s:", name);
  const char *line = strstr (status, key);
  if (line == NULL)
    {
      *out_bytes = 0;
      return TRUE;
    }
  char *end = NULL;
  const char *value = line + strlen (key);
  guint64 kib = g_ascii_strtoull (value, &end, 10);
  if (end == value || !g_str_has_prefix (end, " kB") || kib > G_MAXUINT64 / 1024)
    return FALSE;
  *out_bytes = kib * 1024;
  return TRUE;
}

gboolean
bal_process_memory (const char *root,
                    const BalIncarnation *process,
                    BalProcessMemory *out,
                    GError **error)
{
  BalProcessMemory memory;
  BalIncarnation now;

  g_autofree char *status = read_proc_file (root, process->pid, "status", NULL, error);
  if (status == NULL || !bal_process_incarnation (root, process->pid, &now, error))
    return FALSE;
  if (!bal_incarnation_equal (process, &now))
    {
      g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE,
                   "Process %d is another one now", (int)process->pid);
      return FALSE;
    }
  /* A zombie has no VmRSS. */
  if (strstr (status, "\nVmRSS:") == NULL || !read_status_field (status, "VmRSS", &memory.rss_bytes)
      || !read_status_field (status, "RssAnon", &memory.rss_anon_bytes)
      || !read_status_field (status, "RssShmem", &memory.rss_shmem_bytes)
      || !read_status_field (status, "VmSwap", &memory.swap_bytes)
      || !read_status_field (status, "HugetlbPages", &memory.hugetlb_bytes))
    return fail_invalid (error, process->pid, "status");
  *out = memory;
  return TRUE;
}

char *
bal_host_boot_id (const char *root, GError **error)
{
  g_autofree char *path = bal_root_path (root, "/proc/sys/kernel/random/boot_id");
  g_autofree char *text = bal_read_file (path, 64, NULL, error);
  if (text == NULL)
    return NULL;
  if (!g_uuid_string_is_valid (g_strstrip (text)))
    {
      g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_INVALID,
                   "%s does not read like the kernel's", path);
      return NULL;
    }
  return g_steal_pointer (&text);
}
