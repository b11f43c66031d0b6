/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent/privileges.h"

#include <cap-ng.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
fail (GError **error, const char *sentence)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_PERM, sentence);
  return FALSE;
}

/* Leaves the capabilities of @wanted that the process has; the bounding set can only be lowered
 * with CAP_SETPCAP, and without it there is nothing to lower it from. */
static gboolean
keep_only (const guint *wanted, guint count)
{
  gboolean have[CAP_LAST_CAP + 1] = {FALSE};
  gboolean can_bound;

  if (capng_get_caps_process () != 0)
    return FALSE;
  can_bound = capng_have_capability (CAPNG_EFFECTIVE, CAP_SETPCAP);
  for (guint i = 0; i < count; i++)
    have[wanted[i]] = capng_have_capability (CAPNG_PERMITTED, wanted[i]);
  capng_clear (CAPNG_SELECT_ALL);
  for (guint i = 0; i < count; i++)
    if (have[wanted[i]])
      capng_update (CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, wanted[i]);
  if (can_bound && capng_apply (CAPNG_SELECT_BOUNDS) != 0)
    return FALSE;
  return capng_apply (CAPNG_SELECT_CAPS) == 0;
}

gboolean
bal_privileges_drop (GError **error)
{
  static const guint kept[] = {CAP_SYS_ADMIN, CAP_IPC_LOCK, CAP_SYS_RESOURCE};
  struct rlimit no_core = {0, 0};

  if (geteuid () != 0)
    return fail (error, "ballast-agent must be started as root; it did nothing.");
  umask (077);
  if (setrlimit (RLIMIT_CORE, &no_core) != 0)
    return fail (error, "Cannot forbid core dumps (RLIMIT_CORE); the agent does not start.");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail (error, "Cannot set PR_SET_NO_NEW_PRIVS; the agent does not start.");
  if (!keep_only (kept, G_N_ELEMENTS (kept)))
    return fail (error, "Cannot give up capabilities; the agent does not start.");
  return TRUE;
}

gboolean
bal_privileges_keep_lock_only (void)
{
  static const guint kept[] = {CAP_IPC_LOCK};

  return keep_only (kept, G_N_ELEMENTS (kept));
}

gboolean
bal_privileges_can_lock (void)
{
  return capng_get_caps_process () == 0 && capng_have_capability (CAPNG_EFFECTIVE, CAP_IPC_LOCK);
}
