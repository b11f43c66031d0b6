/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/advise.h"
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/survey.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nPrints what DOMAIN lacks to have its free memory released, and the XML to add. "      \
  "Changes\nnothing, neither in the guest nor in the domain, which may be off."

/* What there is to be known of the domain. */
typedef struct
{
  BalAdviceDomain domain;
  BalSurvey survey; /* when it is active */
  BalDomainXml definition;
  char *definition_text; /* NULL: it has none */
} Sight;

static void
sight_clear (Sight *self)
{
  bal_survey_clear (&self->survey);
  bal_domain_xml_clear (&self->definition);
  g_free (self->definition_text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sight, sight_clear)

/* How much is to be gained is no matter: QEMU is not asked, nor the guest for its ranges. */
static gboolean
look_at_live (const BalCli *cli, virDomainPtr domain, Sight *out, GError **error)
{
  BalConfig config = cli->config;
  BalSurveyRequest request = {.root = "",
                              .domain = domain,
                              .destination_reachable = TRUE,
                              .changes_nothing = TRUE,
                              .source_local = bal_connection_is_local (cli->connection),
                              .config = &config};

  config.use_qmp = FALSE;
  config.policy.min_gain_bytes = G_MAXUINT64;
  if (!bal_survey_take (&request, &out->survey, error))
    return FALSE;
  out->domain.live = &out->survey.xml;
  out->domain.live_text = out->survey.xml_text;
  out->domain.facts = &out->survey.facts;
  return TRUE;
}

static gboolean
look_at_definition (virDomainPtr domain, Sight *out, GError **error)
{
  char *xml = virDomainGetXMLDesc (domain, VIR_DOMAIN_XML_INACTIVE);

  if (!xml)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED,
                                "Cannot read the definition of domain \"%s\"; nothing was touched",
                                virDomainGetName (domain));
  out->definition_text = g_strdup (xml);
  free (xml);
  if (!bal_domain_xml_parse (out->definition_text, &out->definition, error))
    return FALSE;
  out->domain.definition = &out->definition;
  out->domain.definition_text = out->definition_text;
  return TRUE;
}

static gboolean
look (const BalCli *cli, virDomainPtr domain, Sight *out, GError **error)
{
  gboolean is_active = virDomainIsActive (domain) == 1;

  return (!is_active || look_at_live (cli, domain, out, error))
         && ((is_active && virDomainIsPersistent (domain) != 1)
             || look_at_definition (domain, out, error));
}

/* --- for a person --- */

static char *
list_mechanisms (const BalAdviceList *list)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < list->mechanisms->len; i++)
    g_ptr_array_add (names, (char *)bal_mechanism_name (
                              g_array_index (list->mechanisms, BalMechanism, i)));
  g_ptr_array_add (names, NULL);
  return names->len == 1 ? g_strdup ("nothing") : g_strjoinv (", ", (char **)names->pdata);
}

static void
print_xml (const char *where, const GPtrArray *elements)
{
  if (elements->len > 0)
    printf ("  %s:\n", where);
  for (guint i = 0; i < elements->len; i++)
    {
      g_auto (GStrv) lines = g_strsplit (elements->pdata[i], "\n", -1);

      for (guint j = 0; lines[j]; j++)
        bal_say (stdout, "    %s", lines[j]);
    }
}

static void
print_advice (const BalAdvice *advice)
{
  bal_say (stdout, "%s: %s", bal_advice_kind_name (advice->kind), advice->text);
  if (advice->kind != BAL_ADVICE_NOTE && advice->when == BAL_ADVICE_AT_NEXT_START)
    puts ("  takes effect when the domain is shut down and started");
  if (advice->command)
    bal_say (stdout, "  %s", advice->command);
  print_xml ("children of <domain>, in the place of those that are there", advice->domain_xml);
  print_xml ("in <devices>", advice->device_xml);
}

/* It was looked at in one way at least. */
static const BalDomainXml *
shown_xml (const Sight *sight)
{
  const BalDomainXml *xml = sight->domain.live ? sight->domain.live : sight->domain.definition;

  g_assert (xml);
  return xml;
}

static void
print_text (const Sight *sight, const BalAdviceList *list)
{
  const BalDomainXml *xml = shown_xml (sight);
  g_autofree char *mechanisms = list_mechanisms (list);

  bal_say (stdout, "Domain \"%s\"%s", xml->name, sight->domain.live ? "" : " (off)");
  printf ("  releases by %s\n", mechanisms);
  for (guint i = 0; i < list->items->len; i++)
    print_advice (list->items->pdata[i]);
  if (!bal_advice_list_lacks (list))
    puts ("It lacks nothing.");
}

/* --- for a program --- */

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_strings (JsonBuilder *builder, const char *name, const GPtrArray *values)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < values->len; i++)
    json_builder_add_string_value (builder, values->pdata[i]);
  json_builder_end_array (builder);
}

static void
add_advice (JsonBuilder *builder, const BalAdvice *advice)
{
  json_builder_begin_object (builder);
  add_string (builder, "topic", advice->topic);
  add_string (builder, "kind", bal_advice_kind_name (advice->kind));
  add_string (builder, "when",
              advice->kind == BAL_ADVICE_NOTE ? NULL : bal_advice_when_name (advice->when));
  add_string (builder, "text", advice->text);
  add_string (builder, "command", advice->command);
  add_strings (builder, "domain-xml", advice->domain_xml);
  add_strings (builder, "device-xml", advice->device_xml);
  json_builder_end_object (builder);
}

static void
print_json (const Sight *sight, const BalAdviceList *list)
{
  const BalDomainXml *xml = shown_xml (sight);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_string (builder, "domain", xml->name);
  json_builder_set_member_name (builder, "active");
  json_builder_add_boolean_value (builder, sight->domain.live != NULL);
  json_builder_set_member_name (builder, "mechanisms");
  json_builder_begin_array (builder);
  for (guint i = 0; i < list->mechanisms->len; i++)
    json_builder_add_string_value (builder, bal_mechanism_name (
                                              g_array_index (list->mechanisms, BalMechanism, i)));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "lacks");
  json_builder_add_boolean_value (builder, bal_advice_list_lacks (list));
  json_builder_set_member_name (builder, "advice");
  json_builder_begin_array (builder);
  for (guint i = 0; i < list->items->len; i++)
    add_advice (builder, list->items->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
}

gboolean
bal_cmd_advise (BalCli *cli, char **words, GError **error)
{
  g_autoptr (virDomain) domain = NULL;
  g_auto (Sight) sight = {0};
  g_auto (BalAdviceList) list = {0};

  if (!bal_cli_find_domain (cli, USAGE, words, &domain, error)
      || !look (cli, domain, &sight, error))
    return FALSE;
  bal_advice_make (&sight.domain, &cli->config.policy, &list);
  if (cli->json)
    print_json (&sight, &list);
  else
    print_text (&sight, &list);
  return TRUE;
}
