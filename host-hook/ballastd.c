/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ballastd's main: options, configuration, signals. */
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/daemon-notify.h"
#include "host-hook/daemon.h"
#include "host-hook/failure.h"
#include "host-hook/report.h"
#include "host-hook/vf-config.h"

typedef struct
{
  char *config_path;
  char *vf_config_path;
  char *uri;
  gboolean version;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->config_path);
  g_free (self->vf_config_path);
  g_free (self->uri);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
parse (Options *self, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &self->config_path,
     "Configuration (default " BAL_CONFIG_PATH ")", "FILE"},
    {"vf-config", 0, 0, G_OPTION_ARG_FILENAME, &self->vf_config_path,
     "Configuration of VFs (default " BAL_VF_CONFIG_PATH ")", "FILE"},
    {"connect", 'c', 0, G_OPTION_ARG_STRING, &self->uri, "This host's libvirt", "URI"},
    {"version", 0, 0, G_OPTION_ARG_NONE, &self->version, "Print the version", NULL},
    {0},
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (
    context, "Releases free memory of the domains that libvirt migrates away from this host, and "
             "gives it\nback where they arrive. Hands out virtual functions of this host's NICs.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc == 1)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "There is no argument \"%s\"",
               argv[1]);
  return FALSE;
}

typedef struct
{
  const Options *options;
  GMainLoop *loop;
  BalDaemon *daemon;
} Service;

static gboolean
on_end (gpointer user_data)
{
  Service *self = user_data;

  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

static BalConfig *
load_config (const Options *options, GError **error)
{
  return bal_config_new (options->config_path ? options->config_path : BAL_CONFIG_PATH,
                         options->config_path != NULL, error);
}

static gboolean
on_reload (gpointer user_data)
{
  Service *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BalConfig) config = load_config (self->options, &error);

  if (config)
    {
      bal_daemon_set_config (self->daemon, config);
      bal_daemon_log (G_LOG_LEVEL_MESSAGE, NULL, "the configuration was read again");
    }
  else
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s; the configuration stays as it was",
                    error->message);
  bal_daemon_reload_vf (self->daemon);
  return G_SOURCE_CONTINUE;
}

static gboolean
serve (const Options *options, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (BalNotify) notify = NULL;
  g_autoptr (BalConfig) config = load_config (options, error);
  Service self = {.options = options, .loop = loop};

  /* NB: libvirt's event thread runs the default main context as well (virEventRunDefaultImpl(), by
   * glib). It would call what is not made yet, or freed already. */
  g_main_context_acquire (NULL);
  if (!config || !bal_connection_start_events (error))
    return FALSE;
  self.daemon = bal_daemon_new ("", options->uri ? options->uri : "qemu:///system", config,
                                options->vf_config_path, error);
  if (!self.daemon)
    return FALSE;
  g_unix_signal_add (SIGTERM, on_end, &self);
  g_unix_signal_add (SIGINT, on_end, &self);
  g_unix_signal_add (SIGHUP, on_reload, &self);
  notify = bal_notify_new ();
  bal_daemon_log (G_LOG_LEVEL_MESSAGE, NULL, "version " BAL_VERSION " runs");
  g_main_loop_run (loop);
  bal_daemon_free (self.daemon);
  return TRUE;
}

static gboolean
require_root (GError **error)
{
  if (geteuid () == 0)
    return TRUE;
  g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_FAILED,
                       "This host's domains are root's: run this as root, nothing was touched");
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_auto (Options) options = {0};
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  signal (SIGPIPE, SIG_IGN);
  if (parse (&options, argc, argv, &error))
    {
      if (options.version)
        puts ("ballastd " BAL_VERSION);
      else if (require_root (&error))
        serve (&options, &error);
    }
  if (error)
    bal_say (stderr, "ballastd: %s", error->message);
  return bal_failure_exit_code (error);
}
