/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/survey.h"

#include "host-hook/balloon-stats.h"
#include "host-hook/connection.h"
#include "host-hook/qmp.h"
#include "host-hook/sizes.h"
#include "host-hook/survey-gain.h"

/* A driver that polls answers within a second; twice that and some for a busy guest. */
#define BALLOON_STATS_TIMEOUT_MS 3000

void
bal_survey_clear (BalSurvey *self)
{
  bal_facts_clear (&self->facts);
  bal_domain_xml_clear (&self->xml);
  g_free (self->xml_text);
  g_clear_pointer (&self->agent, bal_agent_client_free);
  g_clear_pointer (&self->free_ranges, bal_ranges_free);
  g_free (self->backing_problem);
  *self = (BalSurvey){0};
}

static BalAgentClient *
open_agent (const BalSurveyRequest *request, const BalDomainXml *xml, char **problem)
{
  g_autoptr (GError) error = NULL;
  BalAgentClient *agent = NULL;

  if (!xml->has_agent_channel)
    *problem = g_strdup ("the domain has no channel for the guest agent");
  else if (!xml->agent_connected || !xml->agent_socket_path)
    *problem = g_strdup ("no guest agent has opened its channel");
  else
    agent = bal_agent_client_open_unix (xml->agent_socket_path, request->config->agent_timeout_ms,
                                        &error);
  if (error)
    *problem = g_strdup_printf ("the guest agent cannot be used (%s)", error->message);
  return agent;
}

static gboolean
is_enabled (const BalGuestInfo *info, const char *command)
{
  return info->commands && GPOINTER_TO_INT (g_hash_table_lookup (info->commands, command));
}

static gboolean
converse (const BalSurveyRequest *request, BalSurvey *self, GError **error)
{
  guint timeout_ms = request->config->agent_timeout_ms;
  g_auto (BalGuestInfo) info = {0};

  if (!bal_agent_client_info (self->agent, timeout_ms, &info, error)
      || !bal_agent_client_memory_info (self->agent, timeout_ms, &self->facts.memory, error))
    return FALSE;
  self->agent_lease_ms = info.lease_ms;
  self->facts.hold_works = is_enabled (&info, BAL_COMMAND_HOLD)
                           && is_enabled (&info, BAL_COMMAND_HOLD_STATUS)
                           && is_enabled (&info, BAL_COMMAND_RETURN);
  if (self->facts.memory.free_bytes < request->config->policy.min_gain_bytes)
    return TRUE;
  self->free_ranges =
    bal_agent_client_free_ranges (self->agent, self->facts.memory.page_bytes, timeout_ms, error);
  return self->free_ranges != NULL;
}

static void
ask_agent (const BalSurveyRequest *request, BalSurvey *self)
{
  g_autoptr (GError) error = NULL;
  BalFacts *facts = &self->facts;

  self->agent = open_agent (request, &self->xml, &facts->agent_problem);
  if (!self->agent)
    return;
  if (!converse (request, self, &error))
    {
      facts->agent_problem =
        g_strdup_printf ("the guest agent cannot be used (%s)", error->message);
      g_clear_pointer (&self->agent, bal_agent_client_free);
      bal_memory_info_clear (&facts->memory);
      return;
    }
  facts->agent_answers = TRUE;
  facts->guest_free_known = TRUE;
  facts->guest_total_bytes = facts->memory.total_bytes;
  facts->guest_free_bytes = facts->memory.free_bytes;
  if (self->free_ranges)
    facts->guest_free_bytes =
      MIN (facts->guest_free_bytes, bal_ranges_total_bytes (self->free_ranges));
}

/* Without an agent the balloon's driver tells how much is free, though not where. */
static void
ask_balloon (const BalSurveyRequest *request, BalSurvey *self, guint64 *rss_bytes)
{
  BalFacts *facts = &self->facts;
  BalSize balloon = {.domain = request->domain};
  guint64 requested_kib;
  BalBalloonStats stats;

  if (!self->xml.has_balloon
      || !bal_size_read (&balloon, &requested_kib, &facts->balloon_kib, NULL))
    return;
  if (facts->agent_answers || (request->changes_nothing && !self->xml.balloon_has_stats_period))
    {
      facts->has_balloon = TRUE;
      return;
    }
  if (request->under_job)
    return;
  if (!bal_balloon_stats_read (request->domain, self->xml.balloon_has_stats_period,
                               BALLOON_STATS_TIMEOUT_MS, &stats))
    return;
  facts->has_balloon = TRUE;
  facts->guest_free_known = TRUE;
  facts->guest_free_bytes = MIN (stats.free_bytes, stats.total_bytes);
  facts->guest_total_bytes = stats.total_bytes;
  *rss_bytes = stats.rss_bytes;
}

/* libvirt does not follow what the guest has plugged while it migrates it. */
static guint64
plugged_kib (const BalSurveyRequest *request, const BalVirtioMem *device)
{
  BalQmpVirtioMem qmp;

  if (!request->under_job || request->sizes_must_stay)
    return device->current_kib;
  return bal_qmp_virtio_mem (request->domain, device->alias, &qmp, NULL) ? qmp.plugged_bytes / 1024
                                                                         : 0;
}

static void
list_virtio_mem (const BalSurveyRequest *request, BalSurvey *self)
{
  self->facts.virtio_mem = bal_virtio_mem_facts_new ();
  for (guint i = 0; i < self->xml.virtio_mem->len; i++)
    {
      const BalVirtioMem *device = &g_array_index (self->xml.virtio_mem, BalVirtioMem, i);
      BalVirtioMemFacts facts = {.alias = g_strdup (device->alias),
                                 .requested_kib = device->requested_kib,
                                 .current_kib = plugged_kib (request, device),
                                 .block_kib = device->block_kib};

      g_array_append_val (self->facts.virtio_mem, facts);
    }
}

static void
take_basics (const BalSurveyRequest *request, BalSurvey *self)
{
  BalFacts *facts = &self->facts;
  int state = VIR_DOMAIN_NOSTATE;

  facts->running = virDomainGetState (request->domain, &state, NULL, 0) == 0
                   && (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED);
  facts->sizes_must_stay = request->sizes_must_stay;
  facts->under_job = request->under_job;
  facts->destination_reachable = request->destination_reachable;
  facts->source_local = request->source_local;
  facts->has_vfio = self->xml.has_vfio;
  facts->has_hugepages = self->xml.has_hugepages;
  facts->has_locked_memory = self->xml.has_locked_memory;
  facts->has_encryption = self->xml.has_encryption;
  facts->has_free_page_hint = self->xml.has_free_page_hint;
  facts->has_free_page_reporting = self->xml.has_free_page_reporting;
  if (request->source_local)
    self->has_qemu =
      bal_process_find_qemu (request->root, self->xml.name, self->xml.uuid, &self->qemu, NULL);
}

gboolean
bal_survey_take (const BalSurveyRequest *request, BalSurvey *out, GError **error)
{
  g_auto (BalSurvey) self = {0};
  guint64 rss_bytes = 0;

  if (!bal_domain_read (request->domain, &self.xml, &self.xml_text, error))
    return FALSE;
  take_basics (request, &self);
  list_virtio_mem (request, &self);
  if (self.facts.running && !self.facts.has_encryption)
    {
      if (request->source_local)
        ask_agent (request, &self);
      ask_balloon (request, &self, &rss_bytes);
      bal_survey_find_gain (request, &self, rss_bytes);
    }
  *out = self;
  self = (BalSurvey){0};
  return TRUE;
}
