/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/migrate-options.h"
#include "host-hook/migrate.h"

#define USAGE                                                                                      \
  "DOMAIN DESTURI [MIGRATEURI [GRAPHICSURI [LISTEN-ADDRESS "                                       \
  "[DNAME]]]]\n\nMigrates DOMAIN as `virsh migrate` does, without sending memory that the guest\n" \
  "does not use, and gives the guest all of its memory back at the destination."

static char *
describe_outcome (const BalSummary *summary, const GError *failure)
{
  if (summary->moved)
    return g_strdup_printf ("Domain \"%s\" was migrated to %s%s", summary->domain,
                            summary->destination_uri,
                            failure ? ", but not all of its memory is back." : ".");
  return g_strdup (bal_failure_exit_code (failure) == BAL_EXIT_UNKNOWN
                     ? "It is not known where the domain runs."
                     : "The domain was not migrated.");
}

gboolean
bal_cmd_migrate (BalCli *cli, char **words, GError **error)
{
  g_auto (BalMigrateOptions) options = {0};
  g_auto (GStrv) arguments = NULL;
  g_autoptr (virDomain) domain = NULL;
  g_autoptr (GError) failure = NULL;
  g_autofree char *outcome = NULL;

  if (!bal_cli_parse (cli, USAGE, bal_migrate_options_group (&options), words, &arguments, error)
      || !bal_migrate_options_finish (&options, arguments, error)
      || !bal_cli_open (cli, options.verbose, error))
    return FALSE;
  domain = bal_domain_find (cli->connection, options.domain, error);
  if (!domain)
    return FALSE;
  if (!(options.flags & VIR_MIGRATE_OFFLINE) && !bal_domain_require_active (domain, error))
    return FALSE;

  bal_report_summary (cli->report)->domain = g_strdup (virDomainGetName (domain));
  bal_report_summary (cli->report)->destination_uri = g_strdup (options.destination_uri);
  bal_migrate (&cli->job, cli->connection, domain, &options, &failure);
  outcome = describe_outcome (bal_report_summary (cli->report), failure);
  bal_report_finish (cli->report, outcome, failure);
  if (!failure)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}
