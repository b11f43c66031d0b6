/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "advise-case.h"

#include <string.h>

#define GIB_KIB (1024 * 1024)

void
advise_case_set_up (AdviseCase *self, gconstpointer data)
{
  const BalMechanism all[] = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD, BAL_MECHANISM_BALLOON};

  self->top = "";
  self->facts = (BalFacts){.running = TRUE,
                           .source_local = TRUE,
                           .agent_answers = TRUE,
                           .hold_works = TRUE,
                           .has_balloon = TRUE};
  self->policy.mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism));
  g_array_append_vals (self->policy.mechanisms, all, G_N_ELEMENTS (all));
}

void
advise_case_tear_down (AdviseCase *self, gconstpointer data)
{
  bal_advice_list_clear (&self->list);
  g_array_unref (self->policy.mechanisms);
}

void
advise_case_allow_only (AdviseCase *self, BalMechanism mechanism)
{
  g_array_set_size (self->policy.mechanisms, 0);
  g_array_append_val (self->policy.mechanisms, mechanism);
}

void
advise_case_silence (AdviseCase *self)
{
  self->facts.agent_answers = self->facts.hold_works = FALSE;
  self->facts.has_balloon = FALSE;
}

static char *
domain_xml (const AdviseCase *self, const char *devices)
{
  return devices == NULL
           ? NULL
           : g_strdup_printf ("<domain type='kvm'><name>web 1</name>"
                              "<uuid>6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f</uuid>"
                              "<memory unit='KiB'>%d</memory><vcpu placement='static'>4</vcpu>%s"
                              "<devices>%s</devices></domain>",
                              8 * GIB_KIB, self->top, devices);
}

static const BalDomainXml *
parse (const char *text, BalDomainXml *out)
{
  g_autoptr (GError) error = NULL;

  if (text == NULL)
    return NULL;
  bal_domain_xml_parse (text, out, &error);
  g_assert_no_error (error);
  return out;
}

void
advise_case_advise (AdviseCase *self)
{
  g_autofree char *live_text = domain_xml (self, self->live);
  g_autofree char *definition_text = domain_xml (self, self->definition);
  g_auto (BalDomainXml) live = {0};
  g_auto (BalDomainXml) definition = {0};
  BalAdviceDomain domain = {.live = parse (live_text, &live),
                            .live_text = live_text,
                            .definition = parse (definition_text, &definition),
                            .definition_text = definition_text,
                            .facts = live_text == NULL ? NULL : &self->facts};

  bal_advice_list_clear (&self->list);
  bal_advice_make (&domain, &self->policy, &self->list);
}

const BalAdvice *
advise_case_find (const AdviseCase *self, const char *topic, BalAdviceKind kind)
{
  for (guint i = 0; i < self->list.items->len; i++)
    {
      const BalAdvice *advice = self->list.items->pdata[i];
      if (strcmp (advice->topic, topic) == 0 && advice->kind == kind)
        return advice;
    }
  return NULL;
}

const BalAdvice *
advise_case_require (const AdviseCase *self, const char *topic, BalAdviceKind kind)
{
  const BalAdvice *advice = advise_case_find (self, topic, kind);

  if (advice == NULL)
    g_error ("no advice about %s", topic);
  return advice;
}

void
advise_case_assert_mechanisms (const AdviseCase *self, const char *expected)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < self->list.mechanisms->len; i++)
    g_string_append_printf (names, "%s%s", i == 0 ? "" : ",",
                            bal_mechanism_name (
                              g_array_index (self->list.mechanisms, BalMechanism, i)));
  g_assert_cmpstr (names->str, ==, expected);
}

void
advise_case_assert_content (const AdviseCase *self, const char *mechanisms)
{
  advise_case_assert_mechanisms (self, mechanisms);
  g_assert_cmpuint (self->list.items->len, ==, 0);
  g_assert_false (bal_advice_list_lacks (&self->list));
}
