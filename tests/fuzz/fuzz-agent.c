/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent, from the bytes that a host sends to the bytes that it answers, on a made-up guest.
 *
 * All of it is the agent's own but for the holder process: the one here holds nothing, says that it
 * has all it was told to take, and ends when it is killed. Each line gets one reply that a host can
 * read, and whatever a host said, all comes back in the end. An empty line is a pause, in which the
 * agent hears of its holder.
 */
#include "fuzz.h"

#include "guest-agent/dispatch.h"
#include "guest-agent/holder.h"
#include "guest-agent/privileges.h"
#include "tests/unit/test-agent-fixture.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Longer lines are too long, so that short inputs can hold some. */
#define LINE_MAX_BYTES 1024u

/* --- in place of the holder process, and of the privileges that it needs --- */

static guint n_holders;

gboolean
bal_privileges_can_lock (void)
{
  return TRUE;
}

gboolean
bal_holder_spawn (const char *root, BalHolder *out, GError **error)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
  *out = (BalHolder){.pid = 1, .pidfd = eventfd (0, EFD_CLOEXEC), .socket_fd = pair[0]};
  /* Its other end is the first "decoy". */
  out->decoys[0] = pair[1];
  n_holders++;
  return TRUE;
}

static gboolean
is_killed (const BalHolder *self)
{
  struct pollfd entry = {.fd = self->pidfd, .events = POLLIN};

  return poll (&entry, 1, 0) > 0;
}

gboolean
bal_holder_order (const BalHolder *self, const BalHolderOrder *order)
{
  BalHolderReport report = {.held_bytes = order->target_bytes,
                            .target_bytes = order->target_bytes,
                            .reason = BAL_HOLD_REASON_TARGET};

  g_assert_false (is_killed (self));
  g_assert_cmpuint (order->target_bytes, <=, BAL_ADDRESS_LIMIT);
  return send (self->decoys[0], &report, sizeof report, MSG_DONTWAIT) == (gssize)sizeof report;
}

gboolean
bal_holder_next_report (const BalHolder *self, BalHolderReport *out)
{
  return recv (self->socket_fd, out, sizeof *out, MSG_DONTWAIT) == (gssize)sizeof *out;
}

void
bal_holder_kill (const BalHolder *self)
{
  eventfd_write (self->pidfd, 1);
}

gboolean
bal_holder_reap (BalHolder *self, const char *root, guint timeout_ms, gboolean *killed)
{
  if (!is_killed (self))
    return FALSE;
  if (killed != NULL)
    *killed = TRUE;
  close (self->pidfd);
  close (self->socket_fd);
  close (self->decoys[0]);
  *self = (BalHolder){0};
  n_holders--;
  return TRUE;
}

/* --- the guest --- */

static const char *
made_up_guest (void)
{
  static gboolean is_made;
  guint64 pages[512];

  if (!is_made)
    {
      TestRoot root = {.path = (char *)fuzz_root ()};

      agent_fixture_put_guest (&root);
      for (guint i = 0; i < G_N_ELEMENTS (pages); i++)
        pages[i] = i % 8 < 4 ? G_GUINT64_CONSTANT (1) << 10 : 0;
      fuzz_put ("/proc/kpageflags", pages, sizeof pages);
      fuzz_put ("/proc/sys/vm/drop_caches", "", 0);
      is_made = TRUE;
    }
  return fuzz_root ();
}

/* --- the conversation --- */

static void
answer (BalAgentState *state, const char *line, gsize line_bytes)
{
  g_autofree char *exact = line == NULL ? NULL : fuzz_bytes ((const guint8 *)line, line_bytes);
  gsize length = 0;
  g_autofree char *reply = bal_dispatch (state, exact, line_bytes, &length);
  gsize skipped = (guint8)*reply == 0xff ? 1 : 0;
  g_autoptr (JsonObject) object = NULL;

  g_assert_cmpuint (length, <=, BAL_REPLY_LINE_MAX_BYTES);
  g_assert_cmpint (reply[length - 1], ==, '\n');
  object = bal_json_parse_line (reply + skipped, length - skipped - 1, NULL);
  g_assert_nonnull (object);
  g_assert_true (json_object_has_member (object, "return")
                 != json_object_has_member (object, "error"));
  while (line_bytes == 0 && g_main_context_iteration (NULL, FALSE))
    ;
}

static void
converse (BalAgentState *state, const guint8 *data, size_t size)
{
  g_autoptr (BalFramer) framer = bal_framer_new (LINE_MAX_BYTES);
  BalFrame frame;

  bal_framer_feed (framer, data, size);
  do
    {
      g_autofree char *line = NULL;
      gsize length = 0;

      frame = bal_framer_next (framer, &line, &length);
      if (frame != BAL_FRAME_NONE)
        answer (state, frame == BAL_FRAME_LINE ? line : NULL, length);
    }
  while (frame != BAL_FRAME_NONE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  const char *root = made_up_guest ();
  char *block[] = {(char *)BAL_COMMAND_TRIM, NULL};
  BalAgentConfig config = {.hold = {.headroom_min_bytes = BAL_HEADROOM_MIN_BYTES,
                                    .headroom_percent = BAL_HEADROOM_PERCENT,
                                    .deadline_max_ms = 900000,
                                    .lease_ms = BAL_HOLD_LEASE_DEFAULT_MS}};
  BalHold *hold = bal_hold_new (root, &config.hold);
  BalAgentState state = {.root = root, .config = &config, .hold = hold};

  /* The first bit says whether the guest's administrator forbids a command. */
  if (size > 0 && (data[0] & 1) == 0)
    config.block = block;
  converse (&state, data, size);
  g_assert_cmpuint (n_holders, <=, 1);
  bal_hold_free (hold);
  g_assert_cmpuint (n_holders, ==, 0);
  return 0;
}
