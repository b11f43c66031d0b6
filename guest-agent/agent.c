/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/agent.h"

#include "guest-agent/channel.h"
#include "guest-agent/dispatch.h"
#include "guest-agent/privileges.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

typedef struct
{
  GMainLoop *loop;
  BalAgentState state;
  gboolean channel_lost;
} Agent;

static char *
on_answer (const char *line, gsize length_bytes, gsize *reply_length_bytes, gpointer user_data)
{
  Agent *self = user_data;

  return bal_dispatch (&self->state, line, length_bytes, reply_length_bytes);
}

static void
on_gone (gpointer user_data)
{
  Agent *self = user_data;

  self->channel_lost = TRUE;
  g_main_loop_quit (self->loop);
}

static gboolean
on_signal (int fd, GIOCondition condition, gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

/* A signalfd, because g_unix_signal_add() would start a thread. A host that leaves must not end the
 * agent by SIGPIPE. Gives the descriptor, or -1. */
static int
take_signals (void)
{
  sigset_t stop;

  sigemptyset (&stop);
  sigaddset (&stop, SIGTERM);
  sigaddset (&stop, SIGINT);
  signal (SIGPIPE, SIG_IGN);
  if (sigprocmask (SIG_BLOCK, &stop, NULL) != 0)
    return -1;
  return signalfd (-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

static gboolean
serve (Agent *self, const char *channel_path, GError **error)
{
  BalChannelClient client = {.answer = on_answer, .gone = on_gone, .user_data = self};
  g_autoptr (BalChannel) channel = bal_channel_open (channel_path, &client, error);

  if (channel == NULL)
    return FALSE;
  g_main_loop_run (self->loop);
  return TRUE;
}

gboolean
bal_agent_run (const char *channel_path, const BalAgentConfig *config, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (BalHold) hold = bal_hold_new ("", &config->hold);
  Agent self = {.loop = loop, .state = {.root = "", .config = config, .hold = hold}};
  struct utsname system;
  int signal_fd = take_signals ();

  if (signal_fd < 0 || uname (&system) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   "Cannot watch for signals: %s; the agent does not start.", g_strerror (errno));
      return FALSE;
    }
  g_log_writer_default_set_use_stderr (TRUE);
  bal_kernel_facts_read ("", system.release, &self.state.facts);
  if (!bal_privileges_drop (error))
    {
      close (signal_fd);
      return FALSE;
    }
  guint source_id = g_unix_fd_add_full (G_PRIORITY_HIGH, signal_fd, G_IO_IN, on_signal, loop, NULL);
  gboolean served = serve (&self, channel_path, error);
  g_source_remove (source_id);
  close (signal_fd);
  g_clear_pointer (&hold, bal_hold_free);
  /* Unplugged, which is no failure: a unit that ends so is stopped, not failed. */
  if (self.channel_lost)
    g_message ("Channel %s is gone; what was held is given back.", channel_path);
  return served;
}
