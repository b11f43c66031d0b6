/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/recover.h"

#include "host-hook/failure.h"
#include "host-hook/give-back.h"
#include "host-hook/hold.h"
#include "host-hook/sizes.h"

#define JOB_POLL_MS 100

/* A guest that took no memory for so long does not just now. */
#define STALL_MS 3000

/* After a migration the guest's agent answers within half a second of the resume. */
#define AGENT_AFTER_RESUME_MS 5000

/* A migration that was aborted clears its job within a second or so. */
#define JOB_WAIT_MS 10000

/* A destination that is away must not keep a domain's lock for ever. */
#define CONNECT_WAIT_MS 15000

BalDomainState
bal_recover_wait_for_job (virConnectPtr connection, const char *uuid, guint wait_ms)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)wait_ms * 1000;
  BalDomainState state = bal_domain_state (connection, uuid);

  while (state == BAL_DOMAIN_BUSY && g_get_monotonic_time () < end_us)
    {
      g_usleep (JOB_POLL_MS * 1000);
      state = bal_domain_state (connection, uuid);
    }
  return state;
}

void
bal_recovered_clear (BalRecovered *self)
{
  g_free (self->sentence);
  *self = (BalRecovered){0};
}

static void say (BalRecovered *out, const char *outcome, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

static void
say (BalRecovered *out, const char *outcome, const char *format, ...)
{
  va_list arguments;

  bal_recovered_clear (out);
  va_start (arguments, format);
  *out = (BalRecovered){.outcome = outcome, .sentence = g_strdup_vprintf (format, arguments)};
  va_end (arguments);
}

static gboolean
must_wait (GError **error, const BalJournalEntry *entry, BalDomainState state)
{
  static const char *const why[] = {
    [BAL_DOMAIN_GONE] = "it runs nowhere that is known",
    [BAL_DOMAIN_RUNNING] = "it runs",
    [BAL_DOMAIN_BUSY] = "a job holds it",
    [BAL_DOMAIN_PAUSED] = "it is paused",
    [BAL_DOMAIN_POSTCOPY_FAILED] = "its post-copy migration failed, resume that first",
    [BAL_DOMAIN_UNKNOWN] = "libvirt does not answer",
  };

  g_set_error (
    error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
    "The memory of domain \"%s\" cannot be given back now: %s; run `ballast recover` again "
    "later, nothing was changed",
    entry->domain_name, why[state]);
  return FALSE;
}

static gboolean
give_back (const BalRecover *self,
           virDomainPtr domain,
           gboolean is_local,
           const BalJournalEntry *record,
           GError **error)
{
  BalGiveBack give_back = {.job = self->job, .domain = domain, .is_local = is_local};

  return bal_give_back (&give_back, record, error);
}

/* The domain has another QEMU process than the one that memory was released of: it was saved and
 * restored, reverted, or came from elsewhere, with our metadata in it; or it was started anew and
 * has all its memory. */
static gboolean
settle_by_tag (const BalRecover *self,
               virDomainPtr domain,
               gboolean is_local,
               const char *migration_id,
               gboolean *found,
               GError **error)
{
  g_autoptr (BalJournalEntry) record = NULL;

  if (!bal_give_back_record_from_tag (self->job, domain, &record, error))
    return FALSE;
  *found = record && (!migration_id || g_strcmp0 (record->migration_id, migration_id) == 0);
  return !*found || give_back (self, domain, is_local, record, error);
}

gboolean
bal_recover_is_same_process (const BalJob *job, const BalJournalEntry *entry)
{
  g_autofree char *boot_id = bal_host_boot_id (job->root, NULL);
  BalIncarnation now;

  return g_strcmp0 (boot_id, entry->boot_id) == 0
         && bal_process_find_qemu (job->root, entry->domain_name, entry->uuid, &now, NULL)
         && bal_incarnation_equal (&now, &entry->incarnation);
}

static gboolean
settle_here (const BalRecover *self,
             const BalJournalEntry *entry,
             BalRecovered *out,
             GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (self->connection, entry->uuid);
  gboolean found = FALSE;

  if (!domain)
    return must_wait (error, entry, BAL_DOMAIN_UNKNOWN);
  if (bal_recover_is_same_process (self->job, entry))
    {
      say (out, "restored", "Domain \"%s\" has its memory back", entry->domain_name);
      return give_back (self, domain, self->is_local, entry, error);
    }
  if (!settle_by_tag (self, domain, self->is_local, entry->migration_id, &found, error))
    return FALSE;
  if (found)
    say (out, "restored", "Domain \"%s\" was restarted from a saved state and has its memory back",
         entry->domain_name);
  else
    say (out, "whole", "Domain \"%s\" was started anew and has all its memory", entry->domain_name);
  return TRUE;
}

/* The tag travelled with the copy that memory was released of: without it sizes that happen to be
 * the released ones are somebody's. */
static gboolean
settle_copy_there (const BalRecover *self,
                   virConnectPtr destination,
                   const BalJournalEntry *entry,
                   BalRecovered *out,
                   GError **error)
{
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (destination, entry->uuid);
  g_autoptr (BalJournalEntry) tag = NULL;

  if (!domain)
    return must_wait (error, entry, BAL_DOMAIN_UNKNOWN);
  if (bal_journal_entry_changes_sizes (entry))
    {
      if (!bal_give_back_record_from_tag (self->job, domain, &tag, error))
        return FALSE;
      if (!tag || g_strcmp0 (tag->migration_id, entry->migration_id) != 0)
        {
          say (out, "whole", "Domain \"%s\" was settled at %s before", entry->domain_name,
               entry->dest_uri);
          return TRUE;
        }
    }
  say (out, "restored", "Domain \"%s\" has its memory back at %s", entry->domain_name,
       entry->dest_uri);
  return give_back (self, domain, bal_connection_is_local (destination), entry, error);
}

static gboolean
settle_there (const BalRecover *self,
              const BalJournalEntry *entry,
              BalRecovered *out,
              GError **error)
{
  g_autoptr (virConnect) destination =
    bal_connection_open_within (entry->dest_uri, CONNECT_WAIT_MS);
  BalDomainState state = destination
                           ? bal_recover_wait_for_job (destination, entry->uuid, JOB_WAIT_MS)
                           : BAL_DOMAIN_UNKNOWN;

  if (state == BAL_DOMAIN_GONE)
    {
      say (out, "gone",
           "Domain \"%s\" runs at neither end any more; `ballast restore` on its host helps if it "
           "went on from there",
           entry->domain_name);
      return TRUE;
    }
  if (state != BAL_DOMAIN_RUNNING)
    return must_wait (error, entry, state);
  return settle_copy_there (self, destination, entry, out, error);
}

/* No hold outlives its deadline, wherever the guest is. */
static gboolean
has_ended_by_itself (const BalRecover *self, const BalJournalEntry *entry)
{
  gint64 age_us = g_get_real_time () - entry->created_us;

  return !bal_journal_entry_changes_sizes (entry)
         && age_us > (gint64)self->job->config->hold_deadline_ms * 1000;
}

static gboolean
settle (const BalRecover *self, const BalJournalEntry *entry, BalRecovered *out, GError **error)
{
  BalDomainState state;

  if (has_ended_by_itself (self, entry))
    {
      say (out, "whole", "Domain \"%s\" has taken its memory back by itself", entry->domain_name);
      return TRUE;
    }
  state = bal_recover_wait_for_job (self->connection, entry->uuid, JOB_WAIT_MS);
  if (state == BAL_DOMAIN_RUNNING)
    return settle_here (self, entry, out, error);
  if (state != BAL_DOMAIN_GONE)
    return must_wait (error, entry, state);
  if (entry->dest_uri)
    return settle_there (self, entry, out, error);
  say (out, "gone",
       "Domain \"%s\" does not run here any more; `ballast restore` gives its memory back on the "
       "host where it runs",
       entry->domain_name);
  return TRUE;
}

gboolean
bal_recover_entry (const BalRecover *self,
                   const BalJournalEntry *entry,
                   BalRecovered *out,
                   GError **error)
{
  *out = (BalRecovered){0};
  if (settle (self, entry, out, error) && bal_journal_remove (self->job->root, entry, error))
    return TRUE;
  bal_recovered_clear (out);
  return FALSE;
}

gboolean
bal_recover_journal (const BalRecover *self, const char *uuid, gboolean *found, GError **error)
{
  g_autoptr (GPtrArray) items = NULL;

  *found = FALSE;
  if (!self->is_local)
    return TRUE;
  items = bal_journal_list (self->job->root, uuid, error);
  if (!items)
    return FALSE;
  for (guint i = 0; i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);
      g_auto (BalRecovered) recovered = {0};

      if (item->error)
        {
          bal_report_warning (self->job->report, "%s", item->error->message);
          continue;
        }
      *found = TRUE;
      if (!bal_recover_entry (self, item->entry, &recovered, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
bal_recover_domain (const BalRecover *self, virDomainPtr domain, gboolean *found, GError **error)
{
  char uuid[VIR_UUID_STRING_BUFLEN];
  gboolean tagged = FALSE;

  *found = FALSE;
  if (virDomainGetUUIDString (domain, uuid) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "A domain has no UUID");
  if (!bal_recover_journal (self, uuid, found, error)
      || !settle_by_tag (self, domain, self->is_local, NULL, &tagged, error))
    return FALSE;
  *found |= tagged;
  return TRUE;
}

gboolean
bal_recover_held (const BalRecover *self, virDomainPtr domain, gboolean has_just_arrived)
{
  g_auto (BalDomainXml) xml = {0};
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (BalAgentClient) agent = NULL;
  guint timeout_ms = self->job->config->agent_timeout_ms;

  if (!bal_domain_read (domain, &xml, NULL, NULL) || !xml.agent_socket_path
      || !(xml.agent_connected || has_just_arrived))
    return FALSE;
  agent = bal_agent_client_open_unix (xml.agent_socket_path,
                                      has_just_arrived ? AGENT_AFTER_RESUME_MS : timeout_ms, NULL);
  return agent && bal_agent_client_hold_status (agent, timeout_ms, &status, NULL)
         && status.state != BAL_HOLD_IDLE && bal_hold_return (self->job, agent, NULL);
}

static gboolean
ask_for_size (virDomainPtr domain, const BalVirtioMem *device, gboolean *found, GError **error)
{
  BalSize size = {.domain = domain, .alias = device->alias};
  guint64 actual_kib;

  if (!bal_size_set (&size, device->requested_kib, error)
      || !bal_size_settle (&size, device->requested_kib, STALL_MS, NULL, NULL, NULL, &actual_kib,
                           error))
    return FALSE;
  *found |= actual_kib > device->current_kib;
  return TRUE;
}

gboolean
bal_recover_defined_sizes (const BalRecover *self,
                           virDomainPtr domain,
                           gboolean *found,
                           GError **error)
{
  g_autoptr (BalJournalEntry) tag = NULL;
  g_auto (BalDomainXml) xml = {0};

  *found = FALSE;
  if (!bal_give_back_record_from_tag (self->job, domain, &tag, error)
      || !bal_domain_read (domain, &xml, NULL, error))
    return FALSE;
  for (guint i = 0; !tag && i < xml.virtio_mem->len; i++)
    if (!ask_for_size (domain, &g_array_index (xml.virtio_mem, BalVirtioMem, i), found, error))
      return FALSE;
  return TRUE;
}

gboolean
bal_recover_is_for_others (const BalConfig *config, const BalJournalEntry *entry)
{
  gint64 age_us = g_get_real_time () - entry->created_us;

  return !entry->dest_uri && entry->stage == BAL_JOURNAL_RELEASED && age_us >= 0
         && (guint64)age_us / 1000 < config->hold_deadline_ms;
}
