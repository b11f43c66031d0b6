/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/domain-agent.h"
#include "host-hook/format.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nPrints the guest-physical address ranges that are "                                   \
  "free in the guest at this\nmoment, as its agent tells them."

static void
print_text (const BalRanges *ranges)
{
  g_autofree char *total = bal_format_bytes (bal_ranges_total_bytes (ranges));

  for (guint i = 0; i < bal_ranges_count (ranges); i++)
    {
      const BalRange *range = bal_ranges_get (ranges, i);
      g_autofree char *length = bal_format_bytes (range->length);

      printf ("0x%016" G_GINT64_MODIFIER "x-0x%016" G_GINT64_MODIFIER "x  %s\n", range->start,
              range->start + range->length - 1, length);
    }
  printf ("%u ranges, %s free\n", bal_ranges_count (ranges), total);
}

static void
print_json (const BalRanges *ranges)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "free-bytes");
  json_builder_add_int_value (builder, (gint64)bal_ranges_total_bytes (ranges));
  json_builder_set_member_name (builder, "ranges");
  json_builder_begin_array (builder);
  for (guint i = 0; i < bal_ranges_count (ranges); i++)
    {
      json_builder_begin_array (builder);
      json_builder_add_int_value (builder, (gint64)bal_ranges_get (ranges, i)->start);
      json_builder_add_int_value (builder, (gint64)bal_ranges_get (ranges, i)->length);
      json_builder_end_array (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
}

gboolean
bal_cmd_ranges (BalCli *cli, char **words, GError **error)
{
  g_autoptr (virDomain) domain = NULL;
  g_autoptr (BalAgentClient) agent = NULL;
  g_autoptr (BalRanges) ranges = NULL;

  if (!bal_cli_open_domain (cli, USAGE, words, FALSE, &domain, error))
    return FALSE;
  agent = bal_domain_agent_open (domain, bal_connection_is_local (cli->connection),
                                 cli->config.agent_timeout_ms, error);
  if (!agent)
    return FALSE;
  ranges = bal_agent_client_free_ranges (agent, 1, cli->config.agent_timeout_ms, error);
  if (!ranges)
    return FALSE;
  if (cli->json)
    print_json (ranges);
  else
    print_text (ranges);
  return TRUE;
}
