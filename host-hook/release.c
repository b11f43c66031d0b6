/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/release.h"

#include <unistd.h>

#include "host-hook/breakpoint.h"
#include "host-hook/failure.h"
#include "host-hook/format.h"
#include "host-hook/hold.h"
#include "host-hook/release-tag.h"
#include "host-hook/size-stand.h"
#include "host-hook/sizes.h"

/* A guest driver that moved nothing for so long is not going to. */
#define STALL_MS 3000

static void
enter_step (BalJournalEntry *entry, const BalPlanStep *step)
{
  switch (step->mechanism)
    {
    case BAL_MECHANISM_VIRTIO_MEM:
      bal_journal_entry_add_virtio_mem (entry, step->alias, step->from_kib, step->to_kib);
      break;
    case BAL_MECHANISM_BALLOON:
      entry->has_balloon = TRUE;
      entry->balloon_original_kib = step->from_kib;
      entry->balloon_set_kib = step->to_kib;
      break;
    case BAL_MECHANISM_HOLD:
      entry->hold_token = g_strdup (entry->migration_id);
      entry->hold_bytes = step->bytes;
      break;
    case BAL_MECHANISM_TRIM:
      break;
    }
}

/* With the originals that the plan is going to change. */
static BalJournalEntry *
make_entry (const BalRelease *release, GError **error)
{
  const BalPlan *plan = release->plan;
  g_autoptr (BalJournalEntry) entry = bal_journal_entry_new ();

  entry->boot_id = bal_host_boot_id (release->job->root, error);
  if (!entry->boot_id
      || !bal_process_incarnation (release->job->root, getpid (), &entry->owner, error))
    return NULL;
  entry->uuid = g_strdup (release->survey->xml.uuid);
  entry->incarnation = release->survey->qemu;
  entry->migration_id = g_uuid_string_random ();
  entry->domain_name = g_strdup (release->survey->xml.name);
  entry->source_uri = g_strdup (release->source_uri);
  entry->dest_uri = g_strdup (release->dest_uri);
  entry->dest_name = g_strdup (release->dest_name);
  entry->stage = BAL_JOURNAL_PLANNED;
  entry->by_qmp = release->by_qmp;
  for (guint i = 0; i < plan->steps->len; i++)
    enter_step (entry, &g_array_index (plan->steps, BalPlanStep, i));
  return g_steal_pointer (&entry);
}

static char *
build_tag (const BalJournalEntry *entry)
{
  g_auto (BalReleaseTag) tag = {0};

  tag.nonce = g_strdup (entry->migration_id);
  tag.has_balloon = entry->has_balloon;
  tag.balloon_original_kib = entry->balloon_original_kib;
  tag.balloon_released_kib = entry->balloon_set_kib;
  for (guint i = 0; entry->virtio_mem && i < entry->virtio_mem->len; i++)
    {
      const BalJournalVirtioMem *device =
        &g_array_index (entry->virtio_mem, BalJournalVirtioMem, i);

      bal_release_tag_add_virtio_mem (&tag, device->alias, device->original_kib, device->set_kib);
    }
  return bal_release_tag_build (&tag);
}

gboolean
bal_release_write_tag (virDomainPtr domain, const BalJournalEntry *entry, GError **error)
{
  g_autofree char *text = entry ? build_tag (entry) : NULL;

  if (virDomainSetMetadata (domain, VIR_DOMAIN_METADATA_ELEMENT, text, BAL_RELEASE_TAG_KEY,
                            BAL_RELEASE_TAG_URI, VIR_DOMAIN_AFFECT_LIVE)
      < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED,
                                "Cannot write the metadata of domain \"%s\"",
                                virDomainGetName (domain));
  return TRUE;
}

typedef struct
{
  const BalJob *job;
  const BalRelease *release;
  BalJournalEntry *entry;
  gboolean may_hold; /* the agent was asked to, and did not end it */
} Run;

static gboolean
save_entry (const Run *self, BalJournalStage stage, GError **error)
{
  self->entry->stage = stage;
  return !self->release->has_journal || bal_journal_save (self->job->root, self->entry, error);
}

static gboolean
write_originals (Run *self, GError **error)
{
  if (!save_entry (self, BAL_JOURNAL_RELEASING, error))
    return FALSE;
  BAL_BREAKPOINT ("journal-written");
  if (bal_journal_entry_has_tag (self->entry)
      && !bal_release_write_tag (self->release->domain, self->entry, error))
    {
      if (self->release->has_journal)
        bal_journal_remove (self->job->root, self->entry, NULL);
      return FALSE;
    }
  BAL_BREAKPOINT ("tag-written");
  return TRUE;
}

typedef struct
{
  BalReport *report;
  const BalPlanStep *step;
  guint64 from_kib;
} SizeProgress;

static void
show_progress (guint64 actual_kib, gpointer data)
{
  const SizeProgress *self = data;
  g_autofree char *done =
    bal_format_bytes ((self->from_kib - MIN (self->from_kib, actual_kib)) * 1024);
  g_autofree char *goal = bal_format_bytes (self->step->bytes);

  bal_report_progress (self->report, "releasing: %s %s of %s",
                       bal_mechanism_name (self->step->mechanism), done, goal);
}

/* A guest that could not give all must not go on trying when the migration is over: what it has
 * then becomes what it is asked to have. */
static gboolean
settle_for_less (const BalSize *size, guint64 actual_kib, guint64 *set_kib, GError **error)
{
  if (bal_size_same (actual_kib, *set_kib))
    return TRUE;
  if (!bal_size_set (size, actual_kib, error))
    return FALSE;
  *set_kib = actual_kib;
  return TRUE;
}

static gboolean
shrink (Run *self, const BalPlanStep *step, guint64 *set_kib, GError **error)
{
  BalSize size = {.domain = self->release->domain,
                  .alias = step->alias,
                  .by_qmp = self->release->by_qmp};
  SizeProgress progress = {.report = self->job->report, .step = step};
  guint64 requested_kib, actual_kib;

  if (!bal_size_read (&size, &requested_kib, &progress.from_kib, error)
      || !bal_size_set (&size, step->to_kib, error))
    return FALSE;
  BAL_BREAKPOINT ("shrinking");
  if (!bal_size_settle (&size, step->to_kib, STALL_MS, self->job->cancel, show_progress, &progress,
                        &actual_kib, error)
      || !settle_for_less (&size, actual_kib, set_kib, error))
    return FALSE;
  bal_report_summary (self->job->report)->released_bytes[step->mechanism] +=
    (progress.from_kib - MIN (progress.from_kib, actual_kib)) * 1024;
  return TRUE;
}

static BalJournalVirtioMem *
find_entry_device (const BalJournalEntry *entry, const char *alias)
{
  for (guint i = 0; i < entry->virtio_mem->len; i++)
    {
      BalJournalVirtioMem *device = &g_array_index (entry->virtio_mem, BalJournalVirtioMem, i);

      if (g_strcmp0 (device->alias, alias) == 0)
        return device;
    }
  g_assert_not_reached ();
}

static void
run_hold (Run *self, const BalPlanStep *step)
{
  BalSummary *summary = bal_report_summary (self->job->report);

  self->may_hold =
    bal_hold_grow (self->job, self->release->survey->agent,
                   self->release->survey->has_qemu ? &self->release->survey->qemu : NULL,
                   self->entry->hold_token, step->bytes, self->release->plan->headroom_bytes,
                   &summary->released_bytes[BAL_MECHANISM_HOLD]);
}

static void
run_step (Run *self, const BalPlanStep *step)
{
  g_autoptr (GError) error = NULL;

  switch (step->mechanism)
    {
    case BAL_MECHANISM_TRIM:
      break;
    case BAL_MECHANISM_HOLD:
      run_hold (self, step);
      break;
    case BAL_MECHANISM_VIRTIO_MEM:
      shrink (self, step, &find_entry_device (self->entry, step->alias)->set_kib, &error);
      break;
    case BAL_MECHANISM_BALLOON:
      shrink (self, step, &self->entry->balloon_set_kib, &error);
      break;
    }
  if (error)
    bal_report_warning (self->job->report, "%s released less than planned (%s)",
                        bal_mechanism_name (step->mechanism), error->message);
}

/* What the guest really gave up may be less than was planned, and a give-back trusts these values:
 * so they are written as soon as they are known. */
static void
write_results (Run *self, BalJournalStage stage)
{
  g_autoptr (GError) error = NULL;

  if ((bal_journal_entry_has_tag (self->entry)
       && !bal_release_write_tag (self->release->domain, self->entry, &error))
      || !save_entry (self, stage, &error))
    bal_report_warning (self->job->report, "what was released could not be written down (%s)",
                        error->message);
}

static void
run_steps (Run *self)
{
  for (guint i = 0; i < self->release->plan->steps->len; i++)
    {
      const BalPlanStep *step = &g_array_index (self->release->plan->steps, BalPlanStep, i);

      if (bal_cancel_requested (self->job->cancel))
        break;
      run_step (self, step);
      if (step->alias)
        write_results (self, BAL_JOURNAL_RELEASING);
    }
  write_results (self, self->release->stage_after);
}

static gboolean
released_nothing (const Run *self)
{
  const BalJournalEntry *entry = self->entry;

  if (self->may_hold
      || (entry->has_balloon && entry->balloon_set_kib != entry->balloon_original_kib))
    return FALSE;
  for (guint i = 0; entry->virtio_mem && i < entry->virtio_mem->len; i++)
    {
      const BalJournalVirtioMem *device =
        &g_array_index (entry->virtio_mem, BalJournalVirtioMem, i);

      if (device->set_kib != device->original_kib)
        return FALSE;
    }
  return TRUE;
}

static void
forget (const Run *self)
{
  g_autoptr (GError) error = NULL;

  if ((bal_journal_entry_has_tag (self->entry)
       && !bal_release_write_tag (self->release->domain, NULL, &error))
      || (self->release->has_journal && !bal_journal_remove (self->job->root, self->entry, &error)))
    bal_report_warning (self->job->report, "%s", error->message);
}

gboolean
bal_release (const BalRelease *self, BalJournalEntry **entry, GError **error)
{
  g_autoptr (BalJournalEntry) originals = make_entry (self, error);
  Run run = {.job = self->job, .release = self, .entry = originals};

  *entry = NULL;
  bal_report_phase (self->job->report, BAL_PHASE_RELEASE);
  if (!originals || !write_originals (&run, error))
    return FALSE;
  run_steps (&run);
  BAL_BREAKPOINT ("released");
  if (released_nothing (&run))
    forget (&run);
  else
    *entry = g_steal_pointer (&originals);
  return TRUE;
}
