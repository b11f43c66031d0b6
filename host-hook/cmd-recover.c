/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"

#include <string.h>

#include "host-hook/failure.h"
#include "host-hook/recover.h"

#define USAGE                                                                                      \
  "[DOMAIN]\n\nGives memory back that an interrupted ballast "                                     \
  "left "                                                                                          \
  "released, of all domains or of one.\nLeaves alone what `ballast release` released a short "     \
  "while "                                                                                         \
  "ago."

/* @sentence is without a full stop. */
static void
tell (BalCli *cli, const char *name, const char *uuid, const char *outcome, const char *sentence)
{
  if (!cli->recovered)
    {
      bal_say (stdout, "%s.", sentence);
      return;
    }
  json_builder_begin_object (cli->recovered);
  bal_json_add_text (cli->recovered, "domain", name);
  bal_json_add_text (cli->recovered, "uuid", uuid);
  bal_json_add_text (cli->recovered, "outcome", outcome);
  bal_json_add_text (cli->recovered, "sentence", sentence);
  json_builder_end_object (cli->recovered);
}

/* A person is told by the error itself. */
static void
tell_failure (BalCli *cli, const BalJournalItem *item, const GError *failure)
{
  /* The name of a file of ours begins with the domain's UUID, whatever is in it. */
  g_autofree char *uuid = g_strndup (item->file_name, strcspn (item->file_name, "."));

  if (cli->recovered)
    tell (cli, item->entry ? item->entry->domain_name : NULL,
          g_uuid_string_is_valid (uuid) ? uuid : NULL, "failed", failure->message);
}

static gboolean
recover_entry (BalCli *cli, const BalJournalEntry *entry, gboolean all, GError **error)
{
  BalRecover recover = {.job = &cli->job, .connection = cli->connection, .is_local = TRUE};
  g_auto (BalRecovered) recovered = {0};

  if (!all && bal_recover_is_for_others (&cli->config, entry))
    {
      g_autofree char *sentence =
        g_strdup_printf ("Domain \"%s\" was released for a migration and is left so",
                         entry->domain_name);

      tell (cli, entry->domain_name, entry->uuid, "left", sentence);
      return TRUE;
    }
  if (!bal_recover_entry (&recover, entry, &recovered, error))
    return FALSE;
  tell (cli, entry->domain_name, entry->uuid, recovered.outcome, recovered.sentence);
  return TRUE;
}

static void
tell_busy (BalCli *cli, const BalJournalEntry *entry)
{
  g_autofree char *sentence =
    g_strdup_printf ("Domain \"%s\" is being worked on and is left alone", entry->domain_name);

  tell (cli, entry->domain_name, entry->uuid, "busy", sentence);
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
      tell_busy (cli, item->entry);
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
      tell_failure (self, item, failure);
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

/* NB: a domain of which memory is still released is listed as well. */
static gboolean
recover_for_program (BalCli *cli, GPtrArray *items, const char *name, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  gboolean is_done;
  guint n_seen;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "domains");
  json_builder_begin_array (builder);
  cli->recovered = builder;
  is_done = bal_cli_recover (cli, items, name, FALSE, &n_seen, error);
  cli->recovered = NULL;
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
  return is_done;
}

gboolean
bal_cmd_recover (BalCli *cli, char **words, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GPtrArray) items = bal_cli_open_journal (cli, USAGE, words, &name, NULL, error);
  guint n_seen;

  if (!items)
    return FALSE;
  if (cli->json)
    return recover_for_program (cli, items, name, error);
  if (!bal_cli_recover (cli, items, name, FALSE, &n_seen, error))
    return FALSE;
  if (n_seen == 0)
    bal_say (stdout, "Nothing is left to recover.");
  return TRUE;
}
