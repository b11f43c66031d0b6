/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/give-back.h"

#include "host-hook/breakpoint.h"
#include "host-hook/connection.h"
#include "host-hook/domain-agent.h"
#include "host-hook/failure.h"
#include "host-hook/hold.h"
#include "host-hook/release-tag.h"
#include "host-hook/release.h"
#include "host-hook/size-stand.h"
#include "host-hook/sizes.h"

/* A guest that took nothing back for so long does not just now: it may be booting or hung. */
#define STALL_MS 10000

/* How long a size must stand still before it is believed to be somebody's decision and not a guest
 * on its way. */
#define STILL_MS 2000

/* After a migration the guest's agent answers within half a second of the resume. */
#define AGENT_AFTER_RESUME_MS 5000

/* Never an error: an agent that is silent gives back by itself when its lease ends, and a holder
 * whose agent died is gone already. */
static void
give_back_hold (const BalGiveBack *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalAgentClient) opened = NULL;
  BalAgentClient *agent = self->agent;

  if (agent && bal_hold_return (self->job, agent, NULL))
    return;
  opened = bal_domain_agent_open (self->domain, self->is_local, AGENT_AFTER_RESUME_MS, &error);
  if (opened && bal_hold_return (self->job, opened, &error))
    return;
  bal_report_warning (
    self->job->report,
    "the guest agent does not answer (%s); the guest takes its held memory back by "
    "itself within %" G_GUINT64_FORMAT " s of silence",
    error->message, (self->lease_ms ? self->lease_ms : BAL_HOLD_LEASE_DEFAULT_MS) / 1000);
}

static gboolean
was_cut_off (const BalJournalEntry *record)
{
  return record->stage == BAL_JOURNAL_RELEASING || record->stage == BAL_JOURNAL_RESTORING;
}

static gboolean
deflates_by_itself (virDomainPtr domain)
{
  g_auto (BalDomainXml) xml = {0};

  return bal_domain_read (domain, &xml, NULL, NULL) && xml.balloon_autodeflate;
}

/* A balloon's target cannot be read, only where the guest is, and a guest that boots is on its way:
 * only a size that stands still is somebody's. */
static gboolean
wait_until_still (const BalSize *size, const BalSizeRecord *record, GError **error)
{
  guint64 actual_kib;

  return bal_size_settle (size, record->set_kib, STILL_MS, NULL, NULL, NULL, &actual_kib, error);
}

/* What was changed by QMP libvirt does not know of: its own definition says what somebody wants. */
static gboolean
read_stand (const BalSize *size, const BalSizeRecord *record, BalSizeStand *stand, GError **error)
{
  BalSize defined = {.domain = size->domain, .alias = size->alias};
  guint64 requested_kib, actual_kib, maximum_kib;

  if (!bal_size_read_maximum (size, &maximum_kib, error)
      || !bal_size_read (&defined, &requested_kib, &actual_kib, error))
    return FALSE;
  *stand = bal_size_judge (record, requested_kib, maximum_kib);
  return TRUE;
}

static gboolean
not_restored (GError **error, const BalSize *size, const char *why)
{
  g_autofree char *what = bal_size_describe (size);

  g_set_error (
    error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
    "Domain \"%s\" has not all of its memory back yet (%s: %s); run `ballast restore %s` "
    "on the host where it runs",
    virDomainGetName (size->domain), what, why, virDomainGetName (size->domain));
  return FALSE;
}

static gboolean
grow (const BalGiveBack *self, const BalSize *size, guint64 original_kib, GError **error)
{
  g_autoptr (GError) failure = NULL;
  guint64 actual_kib = 0;

  if (!bal_size_set (size, original_kib, &failure))
    return not_restored (error, size, failure->message);
  BAL_BREAKPOINT ("growing");
  if (!bal_size_settle (size, original_kib, STALL_MS, NULL, NULL, NULL, &actual_kib, &failure))
    return not_restored (error, size, failure->message);
  if (!bal_size_same (actual_kib, original_kib))
    return not_restored (error, size, "the guest does not take it");
  return TRUE;
}

static void
report_left (const BalGiveBack *self, const BalSize *size, BalSizeStand stand)
{
  g_autofree char *what = bal_size_describe (size);

  if (stand == BAL_SIZE_CHANGED)
    bal_report_warning (self->job->report,
                        "somebody resized %s of domain \"%s\" meanwhile, it is left as it is", what,
                        virDomainGetName (self->domain));
  else
    bal_report_warning (
      self->job->report,
      "the size written down for %s of domain \"%s\" is not plausible, it is more "
      "than the domain can have, so it is left as it is: resize it by hand",
      what, virDomainGetName (self->domain));
}

/* NB: setting the original again is right also when the guest has it already: a guest that reboots
 * shows its full size for a moment, and would then follow the old target down. */
static gboolean
give_back_size (const BalGiveBack *self,
                const BalSize *size,
                const BalSizeRecord *record,
                GError **error)
{
  g_autoptr (GError) failure = NULL;
  BalSizeStand stand;

  if ((!size->alias && !wait_until_still (size, record, &failure))
      || !read_stand (size, record, &stand, &failure))
    return not_restored (error, size, failure->message);
  if (stand == BAL_SIZE_OURS || stand == BAL_SIZE_WHOLE)
    return grow (self, size, record->original_kib, error);
  report_left (self, size, stand);
  return TRUE;
}

static gboolean
give_back_balloon (const BalGiveBack *self, const BalJournalEntry *record, GError **error)
{
  BalSize size = {.domain = self->domain};
  BalSizeRecord sizes = {.original_kib = record->balloon_original_kib,
                         .set_kib = record->balloon_set_kib,
                         .between_is_ours =
                           was_cut_off (record) || deflates_by_itself (self->domain)};

  return give_back_size (self, &size, &sizes, error);
}

static gboolean
give_back_virtio_mem (const BalGiveBack *self,
                      const BalJournalEntry *record,
                      const BalJournalVirtioMem *device,
                      GError **error)
{
  BalSize size = {.domain = self->domain, .alias = device->alias, .by_qmp = record->by_qmp};
  BalSizeRecord sizes = {.original_kib = device->original_kib,
                         .set_kib = device->set_kib,
                         .between_is_ours = was_cut_off (record) && !record->by_qmp};

  return give_back_size (self, &size, &sizes, error);
}

/* One size that does not come back must not keep the others; the first error is the one told. */
static gboolean
give_back_sizes (const BalGiveBack *self, const BalJournalEntry *record, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (guint i = 0; record->virtio_mem && i < record->virtio_mem->len; i++)
    give_back_virtio_mem (self, record, &g_array_index (record->virtio_mem, BalJournalVirtioMem, i),
                          first ? NULL : &first);
  if (record->has_balloon)
    give_back_balloon (self, record, first ? NULL : &first);
  if (!first)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

gboolean
bal_give_back (const BalGiveBack *self, const BalJournalEntry *record, GError **error)
{
  g_autoptr (GError) failure = NULL;

  bal_report_progress (self->job->report, "giving memory back");
  BAL_BREAKPOINT ("giving-back");
  if (record->hold_token)
    give_back_hold (self);
  if (!bal_journal_entry_changes_sizes (record))
    return TRUE;
  if (!give_back_sizes (self, record, error))
    return FALSE;
  /* A tag that stays says that everything is whole when somebody acts on it. */
  if (bal_journal_entry_has_tag (record) && !bal_release_write_tag (self->domain, NULL, &failure))
    bal_report_warning (self->job->report, "%s", failure->message);
  return TRUE;
}

static BalJournalEntry *
record_from (const BalReleaseTag *tag, virDomainPtr domain)
{
  g_autoptr (BalJournalEntry) record = bal_journal_entry_new ();

  record->domain_name = g_strdup (virDomainGetName (domain));
  record->migration_id = g_strdup (tag->nonce);
  /* Nobody knows how far the release came that wrote the tag. */
  record->stage = BAL_JOURNAL_RELEASING;
  record->has_balloon = tag->has_balloon;
  record->balloon_original_kib = tag->balloon_original_kib;
  record->balloon_set_kib = tag->balloon_released_kib;
  for (guint i = 0; tag->virtio_mem && i < tag->virtio_mem->len; i++)
    {
      const BalReleaseTagVirtioMem *device =
        &g_array_index (tag->virtio_mem, BalReleaseTagVirtioMem, i);

      bal_journal_entry_add_virtio_mem (record, device->alias, device->original_kib,
                                        device->released_kib);
    }
  return g_steal_pointer (&record);
}

gboolean
bal_give_back_record_from_tag (const BalJob *job,
                               virDomainPtr domain,
                               BalJournalEntry **record,
                               GError **error)
{
  g_autofree char *xml = virDomainGetXMLDesc (domain, 0);
  g_auto (BalReleaseTag) tag = {0};
  BalReleaseTagFound found;

  *record = NULL;
  if (!xml)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the XML of domain \"%s\"",
                                virDomainGetName (domain));
  if (!bal_release_tag_from_domain_xml (xml, &found, &tag, error))
    return FALSE;
  if (found == BAL_RELEASE_TAG_UNKNOWN)
    bal_report_warning (
      job->report, "domain \"%s\" carries metadata of another version of Ballast, it is left alone",
      virDomainGetName (domain));
  if (found == BAL_RELEASE_TAG_FOUND)
    *record = record_from (&tag, domain);
  return TRUE;
}
