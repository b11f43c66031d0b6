/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballastd's socket: the input is a request as a stream, whose first byte says how it is cut into
 * feeds, and a reply of one line, with what that may hold. A request that is taken survives being
 * built and taken again.
 */
#include "fuzz.h"

#include "host-hook/daemon-message.h"
#include "host-hook/vf-port-info.h"

#include <string.h>

static gboolean
take (const guint8 *data, gsize size, gsize feed_bytes, BalDaemonCall *out)
{
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();

  for (gsize at = 0; at < size; at += feed_bytes)
    if (!FUZZ_CHECK (
          bal_daemon_intake_feed (intake, data + at, MIN (feed_bytes, size - at), &error)))
      return FALSE;
  return bal_daemon_intake_take (intake, out);
}

static GBytes *
build (const BalDaemonCall *call)
{
  switch (call->command)
    {
    case BAL_DAEMON_COMMAND_HOOK:
      return bal_daemon_build_hook (&call->hook, NULL);
    case BAL_DAEMON_COMMAND_STATUS:
      return bal_daemon_build_status (call->status_domain, NULL);
    default:
      return bal_daemon_build_vf (&call->vf);
    }
}

static void
check_call (const BalDaemonCall *call)
{
  g_auto (BalDaemonCall) again = {0};
  g_autoptr (GBytes) first = build (call);
  gsize size;
  const guint8 *data;

  g_assert_nonnull (first);
  data = g_bytes_get_data (first, &size);
  g_assert_true (take (data, size, size, &again));
  g_assert_cmpint (again.command, ==, call->command);
  g_autoptr (GBytes) second = build (&again);
  g_assert_true (g_bytes_equal (first, second));
}

static void
check_request (const guint8 *data, gsize size)
{
  g_auto (BalDaemonCall) whole = {0};
  g_auto (BalDaemonCall) pieces = {0};
  gboolean is_taken = take (data + 1, size - 1, size, &whole);

  g_assert_true (take (data + 1, size - 1, 1 + data[0] % 16u, &pieces) == is_taken);
  if (is_taken)
    check_call (&whole);
}

static void
check_port_info (const BalJsonReader *reader)
{
  g_auto (BalVfPortInfo) info = {0};
  g_auto (BalVfPortInfo) again = {0};

  if (!FUZZ_CHECK (bal_vf_port_info_read (reader, &info, &error)))
    return;
  g_autoptr (JsonObject) first = bal_vf_port_info_build (&info);
  BalJsonReader second = *reader;
  second.object = first;
  g_assert_true (bal_vf_port_info_read (&second, &again, NULL));
  g_autoptr (JsonObject) third = bal_vf_port_info_build (&again);
  g_assert_true (json_object_equal (first, third));
}

static void
check_reply (const guint8 *data, gsize size)
{
  g_autofree char *exact = fuzz_bytes (data, size);
  JsonNode *result = NULL;

  if (!FUZZ_CHECK ((result = bal_daemon_parse_reply (exact, size, &error)) != NULL))
    return;
  BalJsonReader reader = bal_json_reader_reply (json_node_get_object (result));
  check_port_info (&reader);
  g_autoptr (GBytes) built = bal_daemon_build_return (result);
  g_assert_cmpuint (g_bytes_get_size (built), >, 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  if (size < 2)
    return 0;
  check_request (data, size);
  check_reply (data + 1, size - 1);
  return 0;
}
