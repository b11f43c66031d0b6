/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-restore.h"

#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/domain-lock.h"
#include "host-hook/failure.h"
#include "host-hook/give-back.h"
#include "host-hook/memory-account.h"
#include "host-hook/recover.h"
#include "host-hook/sizes.h"

/* How long a job is waited for to end, without the domain's lock, before it is put off. */
#define JOB_WAIT_MS 10000

/* A guest that took no memory for so long does not just now. */
#define STALL_MS 3000

static gboolean
put_off (GError **error)
{
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
               "its memory is given back when it runs and no job holds it");
  return FALSE;
}

static gboolean
ask_for_size (virDomainPtr domain, const BalVirtioMem *device, GError **error)
{
  BalSize size = {.domain = domain, .alias = device->alias};
  guint64 actual_kib;

  return bal_size_set (&size, device->requested_kib, error)
         && bal_size_settle (&size, device->requested_kib, STALL_MS, NULL, NULL, NULL, &actual_kib,
                             error);
}

/* A ballastd at the source resized virtio-mem devices behind libvirt, whose definition came here
 * with the sizes from before. To ask for what is asked for already changes nothing, and whoever
 * wrote a tag gives back himself. A guest that takes less than that may have had less. */
static gboolean
ask_for_defined_sizes (const BalDaemonRestore *self, virDomainPtr domain, GError **error)
{
  g_autoptr (BalJournalEntry) tag = NULL;
  g_auto (BalDomainXml) xml = {0};

  if (!bal_give_back_record_from_tag (self->job, domain, &tag, error)
      || !bal_domain_read (domain, &xml, NULL, error))
    return FALSE;
  for (guint i = 0; !tag && i < xml.virtio_mem->len; i++)
    if (!ask_for_size (domain, &g_array_index (xml.virtio_mem, BalVirtioMem, i), error))
      return FALSE;
  return TRUE;
}

/* After sizes were changed behind libvirt. A wrong account is not worth another try. */
static void
mend_account (const BalDaemonRestore *self, virDomainPtr domain)
{
  g_autoptr (GError) error = NULL;

  if (!bal_memory_account_mend (domain, &error))
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "%s", error->message);
}

/* A hold comes back at once, so it comes first. */
static gboolean
settle_arrival (const BalDaemonRestore *self,
                const BalRecover *recover,
                virDomainPtr domain,
                gboolean *found,
                GError **error)
{
  *found |= bal_recover_held (recover, domain, TRUE);
  return !self->job->config->cluster_wide || ask_for_defined_sizes (self, domain, error);
}

static gboolean
settle_here (const BalDaemonRestore *self,
             const BalRecover *recover,
             virDomainPtr domain,
             GError **error)
{
  gboolean found = FALSE;

  if (!bal_recover_domain (recover, domain, &found, error)
      || (self->has_just_arrived && !settle_arrival (self, recover, domain, &found, error)))
    return FALSE;
  if (self->job->config->cluster_wide && self->job->config->use_qmp
      && (found || self->has_just_arrived))
    mend_account (self, domain);
  if (found)
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "nothing of it is released any more");
  return TRUE;
}

/* NB: waits before it takes the lock, or nobody else could do anything with a domain that is
 * paused. */
gboolean
bal_daemon_restore_run (const BalDaemonRestore *self, GError **error)
{
  virConnectPtr connection = self->connection;
  BalDomainState state = bal_recover_wait_for_job (connection, self->uuid, JOB_WAIT_MS);
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (connection, self->uuid);
  g_autoptr (BalDomainLock) lock = NULL;
  BalRecover recover = {.job = self->job, .connection = connection, .is_local = TRUE};
  gboolean found;

  if (state != BAL_DOMAIN_RUNNING && state != BAL_DOMAIN_GONE)
    return put_off (error);
  lock = bal_domain_lock_try (self->job->root, self->uuid, NULL, error);
  if (!lock)
    return FALSE;
  if (state == BAL_DOMAIN_GONE || !domain)
    return bal_recover_journal (&recover, self->uuid, &found, error);
  return settle_here (self, &recover, domain, error);
}
