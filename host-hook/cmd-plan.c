/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/format.h"
#include "host-hook/survey.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nPrints what `ballast migrate DOMAIN` would release, "                                 \
  "and "                                                                                           \
  "why. Changes nothing in the guest."

static void
print_size (const char *label, gboolean known, guint64 bytes)
{
  g_autofree char *text = bal_format_bytes (bytes);

  printf ("  %-22s%s\n", label, known ? text : "not known");
}

static void
print_text (const BalSurvey *survey, const BalPlan *plan)
{
  const BalFacts *facts = &survey->facts;

  bal_say (stdout, "Domain \"%s\"", survey->xml.name);
  print_size ("guest memory", facts->guest_free_known, facts->guest_total_bytes);
  print_size ("free in the guest", facts->guest_free_known, facts->guest_free_bytes);
  print_size ("  backed by the host", facts->gain_known, facts->backed_free_bytes);
  print_size ("  would be sent", facts->gain_known, facts->filled_free_bytes);
  print_size ("headroom", TRUE, plan->headroom_bytes);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const BalPlanStep *step = &g_array_index (plan->steps, BalPlanStep, i);
      g_autofree char *bytes = bal_format_bytes (step->bytes);

      printf ("release %s by %s%s%s\n", bytes, bal_mechanism_name (step->mechanism),
              step->alias ? " " : "", step->alias ? step->alias : "");
    }
  if (plan->why_nothing)
    printf ("release nothing: %s\n", plan->why_nothing);
  for (guint i = 0; i < plan->notes->len; i++)
    printf ("note: %s\n", (const char *)g_ptr_array_index (plan->notes, i));
  if (survey->backing_problem)
    printf ("note: the gain is an upper bound: %s\n", survey->backing_problem);
}

static void
add_size (JsonBuilder *builder, const char *name, gboolean known, guint64 bytes)
{
  json_builder_set_member_name (builder, name);
  if (known)
    json_builder_add_int_value (builder, (gint64)bytes);
  else
    json_builder_add_null_value (builder);
}

static void
add_steps (JsonBuilder *builder, const BalPlan *plan)
{
  json_builder_set_member_name (builder, "steps");
  json_builder_begin_array (builder);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const BalPlanStep *step = &g_array_index (plan->steps, BalPlanStep, i);

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "mechanism");
      json_builder_add_string_value (builder, bal_mechanism_name (step->mechanism));
      add_size (builder, "bytes", TRUE, step->bytes);
      if (step->alias)
        {
          json_builder_set_member_name (builder, "device");
          json_builder_add_string_value (builder, step->alias);
        }
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
print_json (const BalSurvey *survey, const BalPlan *plan)
{
  const BalFacts *facts = &survey->facts;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "domain");
  json_builder_add_string_value (builder, survey->xml.name);
  add_size (builder, "guest-total-bytes", facts->guest_free_known, facts->guest_total_bytes);
  add_size (builder, "guest-free-bytes", facts->guest_free_known, facts->guest_free_bytes);
  add_size (builder, "backed-free-bytes", facts->gain_known, facts->backed_free_bytes);
  add_size (builder, "filled-free-bytes", facts->gain_known, facts->filled_free_bytes);
  add_size (builder, "gain-bytes", TRUE, plan->gain_bytes);
  add_size (builder, "headroom-bytes", TRUE, plan->headroom_bytes);
  add_size (builder, "release-bytes", TRUE, bal_plan_release_bytes (plan));
  add_steps (builder, plan);
  json_builder_set_member_name (builder, "why-nothing");
  if (plan->why_nothing)
    json_builder_add_string_value (builder, plan->why_nothing);
  else
    json_builder_add_null_value (builder);
  json_builder_set_member_name (builder, "notes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < plan->notes->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (plan->notes, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
}

gboolean
bal_cmd_plan (BalCli *cli, char **words, GError **error)
{
  g_autoptr (virDomain) domain = NULL;
  g_auto (BalSurvey) survey = {0};
  g_auto (BalPlan) plan = {0};
  BalSurveyRequest request = {.root = "", .destination_reachable = TRUE, .config = &cli->config};

  if (!bal_cli_open_domain (cli, USAGE, words, FALSE, &domain, error))
    return FALSE;
  request.domain = domain;
  request.source_local = bal_connection_is_local (cli->connection);
  if (!bal_survey_take (&request, &survey, error))
    return FALSE;
  bal_plan_make (&survey.facts, &cli->config.policy, &plan);
  if (cli->json)
    print_json (&survey, &plan);
  else
    print_text (&survey, &plan);
  return TRUE;
}
