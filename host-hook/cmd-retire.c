/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cmd-vf.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-listen.h"
#include "host-hook/failure.h"
#include "host-hook/file-io.h"
#include "host-hook/recover.h"
#include "host-hook/vf-ledger.h"
#include "host-hook/vf-service.h"
#include "host-hook/window-tag.h"

#define USAGE                                                                                      \
  "\n\nMakes this host ready to do without Ballast: gives back all memory that it released here, " \
  "takes\nthe marks of ballastd off all domains, and frees the virtual functions (VFs) that no "   \
  "running\ndomain has; those that one has it keeps, with their settings. Stop ballastd first. "   \
  "What cannot\nbe done now is left, with a warning."

/* Instead of vf.conf, which may be broken, and may want VFs made. */
#define NO_CONFIG "/dev/null"

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
      g_set_error (
        error, BAL_FAILURE, BAL_EXIT_FAILED,
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
  gboolean memory_is_left;
  gboolean marks_are_left;
  gboolean vfs_are_left;
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
      outcome->marks_are_left = TRUE;
      outcome->memory_is_left |= !is_whole;
    }
  free (domains);
  return TRUE;
}

/* --- virtual functions --- */

/* "max-rate, mac, vlan" */
static char *
list_settings (const BalVfEntry *entry)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  guint set = entry->set & ~entry->refused;

  for (guint bit = 1; bit < BAL_VF_SET_ALL; bit <<= 1)
    if (set & bit)
      g_ptr_array_add (names, (char *)bal_vf_set_name (bit));
  g_ptr_array_add (names, NULL);
  return names->len == 1 ? g_strdup ("nothing") : g_strjoinv (", ", (char **)names->pdata);
}

static void
tell_handed_over (BalCli *cli, const BalVfEntry *entry)
{
  g_autofree char *name = bal_cmd_vf_name_domain (cli, entry->request.uuid);
  g_autofree char *settings = list_settings (entry);

  bal_say (
    stdout,
    "Domain \"%s\" keeps VF %s of %s (port %s) as a device of its own; of Ballast's settings "
    "these stay on the VF, also when the domain ends: %s.",
    name, entry->vf_pci, entry->pf_netdev, entry->request.port, settings);
}

static gboolean
has_ledger (const BalCli *cli)
{
  g_autofree char *path =
    bal_root_path (cli->job.root, BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static gboolean
empty_ledger (BalCli *cli, GPtrArray *left, GError **error)
{
  g_autoptr (BalVfService) service = bal_vf_service_new (cli->job.root, NO_CONFIG, NULL, error);
  g_autoptr (GPtrArray) handed_over =
    g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);

  if (!service)
    return FALSE;
  bal_vf_service_set_connection (service, cli->connection);
  if (!bal_vf_service_retire (service, handed_over, left, error))
    return FALSE;
  for (guint i = 0; i < handed_over->len; i++)
    tell_handed_over (cli, handed_over->pdata[i]);
  return TRUE;
}

static void
retire_vfs (BalCli *cli, Outcome *outcome)
{
  g_autoptr (GPtrArray) left = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) failure = NULL;

  if (!has_ledger (cli))
    return;
  if (!empty_ledger (cli, left, &failure))
    bal_report_warning (cli->report, "%s", failure->message);
  for (guint i = 0; i < left->len; i++)
    bal_report_warning (cli->report, "%s", (const char *)left->pdata[i]);
  outcome->vfs_are_left = failure || left->len > 0;
}

/* --- all of it --- */

static void
fail (const Outcome *outcome, GError **error)
{
  const char *const parts[] = {
    outcome->memory_is_left ? "Memory of this host's domains is still released" : NULL,
    outcome->marks_are_left ? "Marks of ballastd are still on domains of this host" : NULL,
    outcome->vfs_are_left ? "Ports of virtual functions are still in the ledger" : NULL,
  };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (parts[i])
      g_string_append_printf (text, "%s%s", text->len > 0 ? "; " : "", parts[i]);
  g_set_error (error, BAL_FAILURE,
               outcome->memory_is_left ? BAL_EXIT_NOT_RESTORED : BAL_EXIT_FAILED,
               "%s: run `ballast retire` again later", text->str);
}

gboolean
bal_cmd_retire (BalCli *cli, char **words, GError **error)
{
  g_autoptr (GPtrArray) items = bal_cli_open_journal (cli, USAGE, words, NULL, NULL, error);
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
  retire_vfs (cli, &outcome);
  if (!retire_domains (cli, &outcome, error))
    return FALSE;
  if (!outcome.memory_is_left && !outcome.marks_are_left && !outcome.vfs_are_left)
    {
      bal_say (stdout, "Nothing of Ballast is left in this host's domains.");
      return TRUE;
    }
  fail (&outcome, error);
  return FALSE;
}
