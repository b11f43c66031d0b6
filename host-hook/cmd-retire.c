/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-listen.h"
#include "host-hook/failure.h"
#include "host-hook/file-io.h"
#include "host-hook/recover.h"
#include "host-hook/window-tag.h"

#define USAGE                                                                                      \
  "\n\nMakes this host ready to do without Ballast: gives back all memory that it released here, " \
  "and\ntakes the marks of ballastd off all domains. Stop ballastd first. What cannot be done "    \
  "now "                                                                                           \
  "is left,\nwith a warning."

/* In place of a ballastd, so that none begins while this goes on. */
static int
keep_daemon_out (const BalCli *cli, GError **error)
{
  g_autoptr (GError) failure = NULL;
  int fd = bal_daemon_lock (cli->job.root, &failure);

  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_BUSY))
    g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_BUSY,
                         "ballastd runs and would mark the domains again; stop it first, nothing "
                         "was touched");
  else if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  return fd;
}

/* What came from elsewhere is in no journal here, but in the domain's metadata. */
static gboolean
settle (const BalCli *cli, virDomainPtr domain, GError **error)
{
  BalRecover recover = {.job = &cli->job, .connection = cli->connection, .is_local = TRUE};
  char uuid[VIR_UUID_STRING_BUFLEN];
  g_autoptr (BalDomainLock) lock = NULL;
  gboolean found;

  if (virDomainGetUUIDString (domain, uuid) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "A domain has no UUID");
  lock = bal_domain_lock_try (cli->job.root, uuid, NULL, error);
  return lock && bal_recover_domain (&recover, domain, &found, error);
}

/* A call that meets a job waits half a minute: one that is known to hold the domain is not tried.
 */
static gboolean
retire_domain (const BalCli *cli, virDomainPtr domain, gboolean *is_whole, GError **error)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  BalDomainState state;

  virDomainGetUUIDString (domain, uuid);
  state = bal_domain_state (cli->connection, uuid);
  if (state == BAL_DOMAIN_BUSY || state == BAL_DOMAIN_POSTCOPY_FAILED
      || state == BAL_DOMAIN_UNKNOWN)
    {
      g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED,
                   "Domain \"%s\" is busy or cannot be asked, and was left as it is; run `ballast retire` "
                   "again later",
                   virDomainGetName (domain));
      return FALSE;
    }
  *is_whole = state != BAL_DOMAIN_RUNNING || settle (cli, domain, error);
  return *is_whole
         && (virDomainIsActive (domain) != 1
             || bal_window_tag_remove (domain, VIR_DOMAIN_AFFECT_LIVE, error))
         && (virDomainIsPersistent (domain) != 1
             || bal_window_tag_remove (domain, VIR_DOMAIN_AFFECT_CONFIG, error));
}

typedef struct
{
  guint n_left;
  gboolean memory_is_left;
} Outcome;

static gboolean
retire_domains (const BalCli *cli, Outcome *outcome, GError **error)
{
  virDomainPtr *domains = NULL;
  int n = virConnectListAllDomains (cli->connection, &domains, 0);

  if (n < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "The domains cannot be listed");
  for (int i = 0; i < n; i++)
    {
      g_autoptr (virDomain) domain = domains[i];
      g_autoptr (GError) failure = NULL;
      gboolean is_whole = TRUE;

      if (retire_domain (cli, domain, &is_whole, &failure))
        continue;
      bal_report_warning (cli->report, "%s", failure->message);
      outcome->n_left++;
      outcome->memory_is_left |= !is_whole;
    }
  free (domains);
  return TRUE;
}

gboolean
bal_cmd_retire (BalCli *cli, char **words, GError **error)
{
  g_autoptr (GPtrArray) items = bal_cli_open_journal (cli, USAGE, words, NULL, error);
  BAL_AUTO_FD lock_fd = items ? keep_daemon_out (cli, error) : -1;
  g_autoptr (GError) failure = NULL;
  Outcome outcome = {0};
  guint n_seen;

  if (lock_fd < 0)
    return FALSE;
  if (!bal_cli_recover (cli, items, NULL, TRUE, &n_seen, &failure))
    {
      bal_report_warning (cli->report, "%s", failure->message);
      outcome.memory_is_left = TRUE;
    }
  if (!retire_domains (cli, &outcome, error))
    return FALSE;
  if (outcome.n_left == 0 && !outcome.memory_is_left)
    {
      bal_say (stdout, "Nothing of Ballast is left in this host's domains.");
      return TRUE;
    }
  g_set_error (error, BAL_FAILURE, outcome.memory_is_left ? BAL_EXIT_NOT_RESTORED : BAL_EXIT_FAILED,
               "%s; run `ballast retire` again later",
               outcome.memory_is_left ? "Memory of this host's domains is still released"
                                      : "Marks of ballastd are still on domains of this host");
  return FALSE;
}
