/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-client.h"
#include "host-hook/daemon-status.h"
#include "host-hook/format.h"
#include "host-hook/journal.h"
#include "host-hook/libvirt-start.h"

#define USAGE                                                                                      \
  "[DOMAIN]\n\nPrints what is released at the moment, and what ballastd does and has seen, of "    \
  "all\ndomains or of one, also where libvirt does not run."

static const char *
state_name (BalDomainState state)
{
  switch (state)
    {
    case BAL_DOMAIN_GONE:
      return "not here";
    case BAL_DOMAIN_RUNNING:
      return "running";
    case BAL_DOMAIN_BUSY:
      return "busy with a job";
    case BAL_DOMAIN_PAUSED:
      return "paused";
    case BAL_DOMAIN_POSTCOPY_FAILED:
      return "in a failed post-copy";
    case BAL_DOMAIN_UNKNOWN:
      return "not known";
    }
  g_assert_not_reached ();
}

static void
print_text (const BalCli *cli, const BalJournalEntry *entry)
{
  gint64 age_us = MAX (0, g_get_real_time () - entry->created_us);
  g_autofree char *age = bal_format_duration_ms ((guint64)age_us / 1000);
  g_autofree char *bytes = bal_format_bytes (bal_journal_entry_released_bytes (entry));
  BalDomainState state = bal_domain_state (cli->connection, entry->uuid);

  bal_say (stdout, "%s: %s, up to %s, since %s; the domain is %s; its owner %s", entry->domain_name,
           bal_journal_stage_name (entry->stage), bytes, age, state_name (state),
           bal_process_is_alive (cli->job.root, &entry->owner) ? "is at work" : "is gone");
}

static void
add_json (JsonBuilder *builder, const BalCli *cli, const BalJournalEntry *entry)
{
  json_builder_begin_object (builder);
  bal_json_add_text (builder, "domain", entry->domain_name);
  bal_json_add_text (builder, "uuid", entry->uuid);
  bal_json_add_text (builder, "stage", bal_journal_stage_name (entry->stage));
  bal_json_add_text (builder, "state",
                     state_name (bal_domain_state (cli->connection, entry->uuid)));
  json_builder_set_member_name (builder, "released-bytes");
  json_builder_add_int_value (builder, (gint64)bal_journal_entry_released_bytes (entry));
  json_builder_set_member_name (builder, "created-us");
  json_builder_add_int_value (builder, entry->created_us);
  json_builder_set_member_name (builder, "owner-alive");
  json_builder_add_boolean_value (builder, bal_process_is_alive (cli->job.root, &entry->owner));
  json_builder_end_object (builder);
}

/* The entries that were shown; in text the caller says if there were none. */
static guint
show_entries (BalCli *cli, GPtrArray *items, const char *name, JsonBuilder *builder)
{
  guint shown = 0;

  for (guint i = 0; i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);

      if (!bal_journal_item_matches (item, name))
        continue;
      if (item->error)
        {
          bal_report_warning (cli->report, "%s", item->error->message);
          continue;
        }
      shown++;
      if (builder)
        add_json (builder, cli, item->entry);
      else
        print_text (cli, item->entry);
    }
  return shown;
}

/* The array @member, or an empty list. */
static GList *
elements_of (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_array_get_elements (json_node_get_array (node))
                                              : NULL;
}

static void
print_domains (JsonObject *answer)
{
  g_autoptr (GList) elements = elements_of (answer, "domains");
  gint64 n_left_out = json_object_get_int_member_with_default (answer, "domains-left-out", 0);

  for (const GList *element = elements; element; element = element->next)
    {
      BalDomainStatus status;
      g_autofree char *text = NULL;

      bal_domain_status_from_json (element->data, &status);
      text = bal_domain_status_describe (&status, g_get_real_time ());
      bal_say (stdout, "  %-20s  %s", status.name ? status.name : status.uuid, text);
      bal_domain_status_clear (&status);
    }
  if (n_left_out > 0)
    bal_say (stdout, "  and %" G_GINT64_FORMAT " more; `ballast status DOMAIN` shows one of them",
             n_left_out);
}

static void
print_migrations (JsonObject *answer)
{
  g_autoptr (GList) elements = elements_of (answer, "migrations");

  if (elements)
    bal_say (stdout, "Migrations away from here, the last one last:");
  for (const GList *element = elements; element; element = element->next)
    {
      BalPastMigration migration;
      g_autofree char *text = NULL;
      g_autofree char *when = NULL;
      g_autoptr (GDateTime) began = NULL;

      bal_past_migration_from_json (element->data, &migration);
      began = g_date_time_new_from_unix_local (migration.began.real_us / G_USEC_PER_SEC);
      when = began ? g_date_time_format (began, "%F %T") : NULL;
      text = bal_past_migration_describe (&migration);
      bal_say (stdout, "  %s  %-20s  %s", when ? when : "?", migration.name ? migration.name : "?",
               text);
      bal_past_migration_clear (&migration);
    }
}

static void
print_libvirt (JsonObject *answer)
{
  const char *reason = json_object_get_string_member_with_default (answer, "libvirt-error", NULL);

  if (json_object_get_boolean_member_with_default (answer, "libvirt", TRUE))
    bal_say (stdout, "ballastd runs.");
  else
    bal_say (stdout, "ballastd runs, but does not reach libvirt%s%s.", reason ? ": " : "",
             reason ? reason : "");
}

static void
print_daemon (JsonNode *answer, const GError *error)
{
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;

  if (object)
    {
      print_libvirt (object);
      print_domains (object);
      print_migrations (object);
    }
  else if (!g_error_matches (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT))
    bal_say (stdout, "ballastd does not answer: %s.", error->message);
}

static void
print_json (BalCli *cli, GPtrArray *items, const char *name, JsonNode *answer, const GError *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "released");
  json_builder_begin_array (builder);
  show_entries (cli, items, name, builder);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "ballastd");
  if (answer)
    json_builder_add_value (builder, json_node_copy (answer));
  else
    json_builder_add_null_value (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
  if (!answer && !g_error_matches (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT))
    bal_report_warning (cli->report, "%s", error->message);
}

static void
remind_of_restart (const BalCli *cli)
{
  const char *daemon = bal_libvirt_start_due (cli->job.root);

  if (daemon)
    bal_report_warning (cli->report,
                        "%s was started before Ballast's hooks were there and does not call them: "
                        "run `systemctl restart %s` when no domain has a job",
                        daemon, daemon);
}

gboolean
bal_cmd_status (BalCli *cli, char **words, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) away = NULL;
  g_autoptr (GPtrArray) items = bal_cli_open_journal (cli, USAGE, words, &name, &away, error);
  g_autoptr (JsonNode) answer = NULL;
  g_autoptr (GError) failure = NULL;

  if (!items)
    return FALSE;
  answer = bal_cli_ask_daemon (name, &failure);
  if (cli->json)
    print_json (cli, items, name, answer, failure);
  else
    {
      if (show_entries (cli, items, name, NULL) == 0)
        bal_say (stdout, "Nothing is released.");
      print_daemon (answer, failure);
    }
  remind_of_restart (cli);
  if (!away)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&away));
  return FALSE;
}
