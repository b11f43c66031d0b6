/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/give-back.h"
#include "host-hook/prepare.h"
#include "host-hook/release.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nReleases free memory of DOMAIN for a migration "                                      \
  "that "                                                                                          \
  "somebody else makes. Give it back\nwith `ballast restore` on the host where the domain runs "   \
  "then. What the agent holds\ngoes back to the guest by itself when no host asks for it any "     \
  "more."

static gboolean
give_back_again (BalCli *cli,
                 virDomainPtr domain,
                 const BalSurvey *survey,
                 const BalJournalEntry *entry,
                 GError **error)
{
  BalGiveBack give_back = {.job = &cli->job,
                           .domain = domain,
                           .is_local = TRUE,
                           .agent = survey->agent,
                           .lease_ms = survey->agent_lease_ms};

  if (!bal_give_back (&give_back, entry, error)
      || !bal_journal_remove (cli->job.root, entry, error))
    return FALSE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_INTERRUPTED,
               "Interrupted; domain \"%s\" has its memory back", virDomainGetName (domain));
  return FALSE;
}

static gboolean
release_domain (BalCli *cli, virDomainPtr domain, GError **error)
{
  g_auto (BalSurvey) survey = {0};
  g_auto (BalPlan) plan = {0};
  g_autoptr (BalJournalEntry) entry = NULL;
  g_autofree char *uri = virConnectGetURI (cli->connection);
  BalSurveyRequest request = {.root = cli->job.root,
                              .domain = domain,
                              .source_local = TRUE,
                              .destination_reachable = TRUE,
                              .config = &cli->config};
  BalRelease release = {.job = &cli->job,
                        .domain = domain,
                        .survey = &survey,
                        .plan = &plan,
                        .has_journal = TRUE,
                        .source_uri = uri,
                        .stage_after = BAL_JOURNAL_RELEASED};

  if (!bal_prepare (&cli->job, &request, &survey, &plan, error))
    return FALSE;
  bal_report_summary (cli->report)->why_nothing = g_strdup (plan.why_nothing);
  if (plan.steps->len == 0)
    return TRUE;

  if (!bal_release (&release, &entry, error))
    return FALSE;
  return !entry || !bal_cancel_requested (cli->cancel)
         || give_back_again (cli, domain, &survey, entry, error);
}

/* A file that cannot be read says nothing, and `ballast restore` could not mend it. */
static gboolean
has_entry (BalCli *cli, GPtrArray *items)
{
  gboolean found = FALSE;

  for (guint i = 0; i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);

      if (item->error)
        bal_report_warning (cli->report, "%s", item->error->message);
      found |= item->entry != NULL;
    }
  return found;
}

/* A second release would write down the small sizes as the originals. */
static gboolean
check_not_released (BalCli *cli, virDomainPtr domain, const char *uuid, GError **error)
{
  g_autoptr (GPtrArray) items = bal_journal_list (cli->job.root, uuid, error);
  g_autoptr (BalJournalEntry) record = NULL;

  if (!items || !bal_give_back_record_from_tag (&cli->job, domain, &record, error))
    return FALSE;
  if (!has_entry (cli, items) && !record)
    return TRUE;
  g_set_error (
    error, BAL_FAILURE, BAL_EXIT_BUSY,
    "Memory of domain \"%s\" is released already; run `ballast restore %s` first, nothing "
    "was changed",
    virDomainGetName (domain), virDomainGetName (domain));
  return FALSE;
}

gboolean
bal_cmd_release (BalCli *cli, char **words, GError **error)
{
  g_autofree char *outcome = NULL;
  g_autoptr (virDomain) domain = NULL;
  g_autoptr (BalDomainLock) lock = NULL;
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (!bal_cli_open_domain (cli, USAGE, words, TRUE, &domain, error))
    return FALSE;
  bal_cancel_arm (cli->cancel);
  lock = bal_cli_lock_domain (cli, domain, uuid, error);
  if (!lock || !check_not_released (cli, domain, uuid, error)
      || !release_domain (cli, domain, error))
    return FALSE;

  bal_report_summary (cli->report)->domain = g_strdup (virDomainGetName (domain));
  outcome = g_strdup_printf ("Domain \"%s\":", virDomainGetName (domain));
  bal_report_finish (cli->report, outcome, NULL);
  return TRUE;
}
