/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/daemon-client.h"
#include "host-hook/file-io.h"
#include "host-hook/format.h"
#include "host-hook/journal.h"

#define USAGE                                                                                      \
  "[DOMAIN]\n\nPrints what is released at the moment, of all "                                     \
  "domains or of one."

#define DAEMON_TIMEOUT_US (2 * G_USEC_PER_SEC)

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

static guint64
less_bytes (guint64 original_kib, guint64 set_kib)
{
  return (original_kib - MIN (original_kib, set_kib)) * 1024;
}

static guint64
released_bytes (const BalJournalEntry *entry)
{
  guint64 bytes = entry->hold_bytes;

  if (entry->has_balloon)
    bytes += less_bytes (entry->balloon_original_kib, entry->balloon_set_kib);
  for (guint i = 0; entry->virtio_mem && i < entry->virtio_mem->len; i++)
    {
      const BalJournalVirtioMem *device =
        &g_array_index (entry->virtio_mem, BalJournalVirtioMem, i);

      bytes += less_bytes (device->original_kib, device->set_kib);
    }
  return bytes;
}

static void
print_text (const BalCli *cli, const BalJournalEntry *entry)
{
  gint64 age_us = MAX (0, g_get_real_time () - entry->created_us);
  g_autofree char *age = bal_format_duration_ms ((guint64)age_us / 1000);
  g_autofree char *bytes = bal_format_bytes (released_bytes (entry));
  BalDomainState state = bal_domain_state (cli->connection, entry->uuid);

  bal_say (stdout, "%s: %s, up to %s, since %s; the domain is %s; its owner %s", entry->domain_name,
           bal_journal_stage_name (entry->stage), bytes, age, state_name (state),
           bal_process_is_alive (cli->job.root, &entry->owner) ? "is at work" : "is gone");
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_json (JsonBuilder *builder, const BalCli *cli, const BalJournalEntry *entry)
{
  json_builder_begin_object (builder);
  add_string (builder, "domain", entry->domain_name);
  add_string (builder, "uuid", entry->uuid);
  add_string (builder, "stage", bal_journal_stage_name (entry->stage));
  add_string (builder, "state", state_name (bal_domain_state (cli->connection, entry->uuid)));
  json_builder_set_member_name (builder, "released-bytes");
  json_builder_add_int_value (builder, (gint64)released_bytes (entry));
  json_builder_set_member_name (builder, "created-us");
  json_builder_add_int_value (builder, entry->created_us);
  json_builder_set_member_name (builder, "owner-alive");
  json_builder_add_boolean_value (builder, bal_process_is_alive (cli->job.root, &entry->owner));
  json_builder_end_object (builder);
}

static void
print_items (BalCli *cli, GPtrArray *items, const char *name)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  guint shown = 0;

  json_builder_begin_array (builder);
  for (guint i = 0; i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);

      if (item->error)
        bal_report_warning (cli->report, "%s", item->error->message);
      if (item->error || !bal_journal_item_matches (item, name))
        continue;
      shown++;
      if (cli->json)
        add_json (builder, cli, item->entry);
      else
        print_text (cli, item->entry);
    }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  if (cli->json)
    bal_print_json (root);
  else if (shown == 0)
    bal_say (stdout, "Nothing is released.");
}

/* Without a ballastd nothing is said of it: `ballast` does without. */
static void
print_daemon (void)
{
  gint64 end_us = g_get_monotonic_time () + DAEMON_TIMEOUT_US;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) request = bal_daemon_build_status ();
  g_autoptr (JsonNode) answer = NULL;
  BAL_AUTO_FD fd = bal_daemon_client_connect ("", end_us, &error);

  if (fd >= 0)
    answer = bal_daemon_client_exchange (fd, request, end_us, &error);
  if (answer)
    bal_say (stdout, "ballastd runs%s.",
             json_object_get_boolean_member_with_default (json_node_get_object (answer), "libvirt",
                                                          TRUE)
               ? ""
               : ", but does not reach libvirt");
  else if (!g_error_matches (error, BAL_DAEMON_ERROR, BAL_DAEMON_ERROR_ABSENT))
    bal_say (stdout, "ballastd does not answer: %s.", error->message);
}

gboolean
bal_cmd_status (BalCli *cli, char **words, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GPtrArray) items = NULL;

  items = bal_cli_open_journal (cli, USAGE, words, &name, error);
  if (!items)
    return FALSE;
  print_items (cli, items, name);
  if (!cli->json)
    print_daemon ();
  return TRUE;
}
