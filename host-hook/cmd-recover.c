/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/failure.h"
#include "host-hook/recover.h"

#define USAGE                                                                                      \
  "[DOMAIN]\n\nGives memory back that an interrupted ballast "                                     \
  "left "                                                                                          \
  "released, of all domains or of one.\nLeaves alone what `ballast release` released a short "     \
  "while "                                                                                         \
  "ago."

static gboolean
recover_entry (BalCli *cli, const BalJournalEntry *entry, gboolean all, GError **error)
{
  BalRecover recover = {.job = &cli->job, .connection = cli->connection, .is_local = TRUE};
  g_autofree char *what = NULL;

  if (!all && bal_recover_is_for_others (&cli->config, entry))
    {
      bal_say (stdout, "Domain \"%s\" was released for a migration and is left so.",
               entry->domain_name);
      return TRUE;
    }
  if (!bal_recover_entry (&recover, entry, &what, error))
    return FALSE;
  bal_say (stdout, "%s.", what);
  return TRUE;
}

/* TRUE also when the entry is rightly left alone. The list may be old by now: what counts is what
 * the file says under the lock. */
static gboolean
look_at (BalCli *cli, const BalJournalItem *item, gboolean all, GError **error)
{
  g_autoptr (BalDomainLock) lock = NULL;
  g_autoptr (BalJournalEntry) entry = NULL;
  g_autoptr (GError) failure = NULL;

  if (item->error)
    {
      g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED, item->error->message);
      return FALSE;
    }
  lock = bal_domain_lock_take (cli->job.root, item->entry->uuid, cli->cancel, &failure);
  if (!all && g_error_matches (failure, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    {
      bal_say (stdout, "Domain \"%s\" is being worked on and is left alone.",
               item->entry->domain_name);
      return TRUE;
    }
  if (lock)
    entry = bal_journal_load (cli->job.root, item->file_name, &failure);
  if (entry)
    return recover_entry (cli, entry, all, error);
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
bal_cli_recover (
  BalCli *self, GPtrArray *items, const char *name, gboolean all, guint *n_seen, GError **error)
{
  g_autoptr (GError) first = NULL;

  *n_seen = 0;
  for (guint i = 0; i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);
      g_autoptr (GError) failure = NULL;

      if (!bal_journal_item_matches (item, name))
        continue;
      (*n_seen)++;
      if (look_at (self, item, all, &failure))
        continue;
      if (!first)
        first = g_steal_pointer (&failure);
      else
        bal_report_warning (self->report, "%s", failure->message);
    }
  if (!first)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

gboolean
bal_cmd_recover (BalCli *cli, char **words, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GPtrArray) items = bal_cli_open_journal (cli, USAGE, words, &name, error);
  guint n_seen;

  if (!items || !bal_cli_recover (cli, items, name, FALSE, &n_seen, error))
    return FALSE;
  if (n_seen == 0)
    bal_say (stdout, "Nothing is left to recover.");
  return TRUE;
}
