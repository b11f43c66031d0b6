/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-restore.h"

#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/domain-lock.h"
#include "host-hook/failure.h"
#include "host-hook/memory-account.h"
#include "host-hook/recover.h"

/* How long a job is waited for to end, without the domain's lock, before it is put off. */
#define JOB_WAIT_MS 10000

static gboolean
put_off (GError **error)
{
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_RESTORED,
               "its memory is given back when it runs and no job holds it");
  return FALSE;
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
settle_arrival (const BalRecover *recover, virDomainPtr domain, gboolean *found, GError **error)
{
  gboolean resized = FALSE;
  gboolean held = bal_recover_held (recover, domain, TRUE);
  gboolean ok = bal_recover_defined_sizes (recover, domain, &resized, error);

  *found |= held || resized;
  return ok;
}

static gboolean
settle_here (const BalDaemonRestore *self,
             const BalRecover *recover,
             virDomainPtr domain,
             GError **error)
{
  gboolean found = FALSE;

  if (!bal_recover_domain (recover, domain, &found, error)
      || (self->has_just_arrived && !settle_arrival (recover, domain, &found, error)))
    return FALSE;
  if (self->job->config->cluster_wide && self->job->config->use_qmp
      && (found || self->has_just_arrived))
    mend_account (self, domain);
  if (found)
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "nothing of it is released any more");
  return TRUE;
}

/* What `ballast release` released here is for whoever it was released for, also when a migration of
 * his failed. */
static gboolean
is_for_others (const BalDaemonRestore *self)
{
  g_autoptr (GPtrArray) items = bal_journal_list (self->job->root, self->uuid, NULL);

  for (guint i = 0; items && i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);

      if (item->entry && bal_recover_is_for_others (self->job->config, item->entry)
          && bal_recover_is_same_process (self->job, item->entry))
        return TRUE;
    }
  return FALSE;
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
  if (!self->has_just_arrived && is_for_others (self))
    return TRUE;
  return settle_here (self, &recover, domain, error);
}
