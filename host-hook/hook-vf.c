/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballast-hook-vf: libvirt's hook for domains that ask for virtual functions (VFs) in their
 * metadata.
 *
 *   prepare begin                 the VFs are reserved, or the domain does not start
 *   migrate begin, restore begin  the same, and the XML with this host's VFs goes to stdout
 *   release end                   the VFs are given up
 *
 * Every other operation, and a domain whose XML does not name the metadata's namespace, ends at
 * once with code 0. Where VFs are asked for and cannot be had, which includes that no ballastd
 * answers, one sentence goes to stderr, where libvirt finds it, and the code is 1. `release end` is
 * 0 whatever happens: the ledger and the next ballastd see to the rest.
 */
#include "host-hook/daemon-client.h"
#include "host-hook/file-io.h"
#include "host-hook/hook-pipe.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As a host boots, libvirt may start domains before ballastd listens; and it may just be started
 * anew. */
#define WAIT_MS 5000
#define WAIT_STEP_MS 50

/* All of it. The answer takes some milliseconds. */
#define DEADLINE_MS 20000

static gboolean
asks_for_vfs (GBytes *xml)
{
  gsize length;
  const char *text = g_bytes_get_data (xml, &length);

  return text != NULL
         && memmem (text, length, BAL_VF_METADATA_URI, strlen (BAL_VF_METADATA_URI)) != NULL;
}

/* What libvirt is to go on with, where the answer says so. */
static gboolean
print_xml (JsonNode *result, GError **error)
{
  JsonNode *node = json_object_get_member (json_node_get_object (result), "xml");

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING
      || fputs (json_node_get_string (node), stdout) == EOF || fflush (stdout) == EOF)
    {
      g_set_error_literal (
        error, G_IO_ERROR, G_IO_ERROR_FAILED,
        "The domain XML with this host's VFs could not be passed on to libvirt, and their "
        "reservation ends by itself");
      return FALSE;
    }
  return TRUE;
}

static JsonNode *
ask_once (char **argv, GBytes *xml, gint64 deadline_us, GError **error)
{
  BAL_AUTO_FD fd = bal_daemon_client_connect ("", deadline_us, error);

  return fd >= 0 ? bal_hook_exchange (fd, "vf", argv, xml, deadline_us, error) : NULL;
}

/* A ballastd that is not there, or ends over the question, is waited for a while: a successor may
 * be asked again, because what is asked here may be asked twice. */
static JsonNode *
ask (char **argv, GBytes *xml, gint64 deadline_us, guint wait_ms, GError **error)
{
  gint64 wait_end_us = g_get_monotonic_time () + wait_ms * G_TIME_SPAN_MILLISECOND;

  for (;;)
    {
      GError *failure = NULL;
      JsonNode *result = ask_once (argv, xml, deadline_us, &failure);

      if (result != NULL)
        return result;
      if (g_get_monotonic_time () >= wait_end_us
          || !(g_error_matches (failure, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT)
               || g_error_matches (failure, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_BROKEN)))
        {
          g_propagate_error (error, failure);
          return NULL;
        }
      g_error_free (failure);
      g_usleep (WAIT_STEP_MS * G_TIME_SPAN_MILLISECOND);
    }
}

static gboolean
pass (char **argv, gboolean is_release, gboolean has_answer, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
  g_autoptr (GBytes) xml = bal_hook_read_input (STDIN_FILENO, deadline_us, error);

  if (xml == NULL)
    return FALSE;
  if (!asks_for_vfs (xml))
    return TRUE;
  g_autoptr (JsonNode) result = ask (argv, xml, deadline_us, is_release ? 0 : WAIT_MS, error);
  return result != NULL && (!has_answer || print_xml (result, error));
}

int
main (int argc, char **argv)
{
  gboolean is_release = bal_hook_is (argc, argv, "release", "end");
  gboolean has_answer =
    bal_hook_is (argc, argv, "migrate", "begin") || bal_hook_is (argc, argv, "restore", "begin");
  g_autoptr (GError) error = NULL;

  if (!is_release && !has_answer && !bal_hook_is (argc, argv, "prepare", "begin"))
    return 0;

  /* Nobody may be reading stderr, or stdout. */
  signal (SIGPIPE, SIG_IGN);
  setlocale (LC_ALL, "");
  if (pass (argv, is_release, has_answer, &error))
    return 0;
  if (is_release)
    {
      g_printerr ("ballast-hook-vf: %s; the domain's VFs stay reserved until ballastd, which goes "
                  "through its ledger as long as it can use that, finds it gone\n",
                  error->message);
      return 0;
    }
  /* What ballastd refuses says so itself. */
  g_printerr ("ballast-hook-vf: %s%s\n", error->message,
              error->domain == BAL_VF_ERROR
                ? ""
                : "; the domain asks for VFs and does not come up without them");
  return 1;
}
