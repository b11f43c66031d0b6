/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/hook-pipe.h"

#include "host-hook/daemon-client.h"
#include "host-hook/file-io.h"

#include <poll.h>
#include <unistd.h>

#define READ_STEP_BYTES 65536

enum
{
  ARG_DOMAIN = 1,
  ARG_OPERATION,
  ARG_SUB_OPERATION,
  ARG_EXTRA,
  ARG_COUNT,
};

gboolean
bal_hook_is (int argc, char **argv, const char *operation, const char *sub_operation)
{
  return argc == ARG_COUNT && g_str_equal (argv[ARG_OPERATION], operation)
         && g_str_equal (argv[ARG_SUB_OPERATION], sub_operation);
}

/* A pipe that can be read does not block, for however much is asked. */
static gboolean
wait_for_input (int fd, gint64 deadline_us, GError **error)
{
  for (;;)
    {
      gint64 left_us = deadline_us - g_get_monotonic_time ();
      struct pollfd waiter = {.fd = fd, .events = POLLIN};
      if (left_us <= 0)
        break;
      if (poll (&waiter, 1, (int)MIN (left_us / 1000 + 1, G_MAXINT)) > 0)
        return TRUE;
    }
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                       "The domain XML on stdin did not end in time: it was not passed on");
  return FALSE;
}

GBytes *
bal_hook_read_input (int fd, gint64 deadline_us, GError **error)
{
  g_autoptr (GByteArray) input = g_byte_array_new ();
  for (;;)
    {
      guint length = input->len;
      if (!wait_for_input (fd, deadline_us, error))
        return NULL;
      g_byte_array_set_size (input, length + READ_STEP_BYTES);
      gssize n = bal_read (fd, input->data + length, READ_STEP_BYTES, "stdin", error);
      if (n < 0)
        return NULL;
      g_byte_array_set_size (input, length + (guint)n);
      if (n == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&input));
      if (input->len > BAL_DAEMON_PAYLOAD_MAX_BYTES)
        {
          g_set_error_literal (
            error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
            "The domain XML on stdin is longer than 1 MiB: it was not passed on");
          return NULL;
        }
    }
}

JsonNode *
bal_hook_exchange (
  int fd, const char *hook, char **argv, GBytes *xml, gint64 deadline_us, GError **error)
{
  BalHookCall call = {
    .hook = (char *)hook,
    .domain = argv[ARG_DOMAIN],
    .operation = argv[ARG_OPERATION],
    .sub_operation = argv[ARG_SUB_OPERATION],
    .extra = argv[ARG_EXTRA],
    .xml = xml,
  };
  g_autoptr (GBytes) request = bal_daemon_build_hook (&call, error);
  return request != NULL ? bal_daemon_client_exchange (fd, request, deadline_us, error) : NULL;
}

JsonNode *
bal_hook_pass (const char *root, const char *hook, char **argv, gint64 deadline_us, GError **error)
{
  BAL_AUTO_FD fd = bal_daemon_client_connect (root, deadline_us, error);
  if (fd < 0)
    return NULL;
  g_autoptr (GBytes) input = bal_hook_read_input (STDIN_FILENO, deadline_us, error);
  return input != NULL ? bal_hook_exchange (fd, hook, argv, input, deadline_us, error) : NULL;
}
