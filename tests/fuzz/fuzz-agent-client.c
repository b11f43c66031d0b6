/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's end of the channel, and a guest that has said all before it is asked.
 *
 * The client's ids are not random here: the sync's is 1, those of the calls behind it count on, so
 * that inputs can hold the answers to them.
 */
#include "fuzz.h"

#include "host-hook/agent-client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Never waited for: the guest has left. */
#define TIMEOUT_MS 5000

/* In place of glib's, for the ids. */
guint32
g_random_int (void)
{
  return 0;
}

static void
check_failure (gboolean accepted, const GError *error)
{
  fuzz_check_error (accepted, error);
  g_assert_true (accepted || error->domain == BAL_AGENT_ERROR);
}

#define CALL(call)                                                                                 \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autoptr (GError) error = NULL;                                                               \
    gboolean accepted = (call);                                                                    \
                                                                                                   \
    check_failure (accepted, error);                                                               \
  }                                                                                                \
  G_STMT_END

static void
converse (BalAgentClient *client)
{
  BalHoldArguments hold = {.bytes = 1 << 30, .token = (char *)"fuzz"};
  g_auto (BalGuestInfo) info = {0};
  g_auto (BalMemoryInfo) memory = {0};
  g_autoptr (BalRanges) ranges = NULL;
  g_auto (BalHoldStatus) held = {0};
  g_auto (BalHoldStatus) status = {0};
  g_auto (BalHoldStatus) returned = {0};
  g_auto (BalTrim) trim = {0};

  CALL (bal_agent_client_info (client, TIMEOUT_MS, &info, &error));
  CALL (bal_agent_client_memory_info (client, TIMEOUT_MS, &memory, &error));
  CALL ((ranges = bal_agent_client_free_ranges (client, 4096, TIMEOUT_MS, &error)) != NULL);
  CALL (bal_agent_client_hold (client, &hold, TIMEOUT_MS, &held, &error));
  CALL (bal_agent_client_hold_status (client, TIMEOUT_MS, &status, &error));
  CALL (bal_agent_client_return (client, TIMEOUT_MS, &returned, &error));
  CALL (bal_agent_client_trim (client, 4096, TIMEOUT_MS, &trim, &error));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autoptr (BalAgentClient) client = NULL;
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  g_assert_cmpint (send (pair[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL), ==, (int)size);
  shutdown (pair[1], SHUT_WR);
  CALL ((client = bal_agent_client_open_fd (pair[0], TIMEOUT_MS, &error)) != NULL);
  if (client != NULL)
    converse (client);
  close (pair[1]);
  return 0;
}
