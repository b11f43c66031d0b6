/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/failure.h"

#include <libvirt/virterror.h>

#include "host-hook/config.h"
#include "host-hook/domain-lock.h"
#include "host-hook/vf-error.h"
#include "protocol/codec.h"

G_DEFINE_QUARK (bal_failure, bal_failure)

static BalExitCode
exit_code_of_vf (BalVfError code)
{
  switch (code)
    {
    case BAL_VF_ERROR_INVALID:
      return BAL_EXIT_USAGE;
    case BAL_VF_ERROR_NOT_FOUND:
      return BAL_EXIT_NOT_FOUND;
    case BAL_VF_ERROR_REFUSED:
      return BAL_EXIT_NO_BANDWIDTH;
    case BAL_VF_ERROR_CONFLICT:
    case BAL_VF_ERROR_HARDWARE:
    case BAL_VF_ERROR_NETLINK:
    case BAL_VF_ERROR_LEDGER:
      return BAL_EXIT_FAILED;
    }
  g_assert_not_reached ();
}

BalExitCode
bal_failure_exit_code (const GError *error)
{
  if (!error)
    return BAL_EXIT_OK;
  if (error->domain == BAL_FAILURE)
    return error->code;
  if (error->domain == G_OPTION_ERROR || error->domain == BAL_CONFIG_ERROR)
    return BAL_EXIT_USAGE;
  if (error->domain == BAL_VF_ERROR)
    return exit_code_of_vf ((BalVfError)error->code);
  if (g_error_matches (error, BAL_DOMAIN_LOCK_ERROR, BAL_DOMAIN_LOCK_ERROR_BUSY))
    return BAL_EXIT_BUSY;
  return BAL_EXIT_FAILED;
}

gboolean
bal_failure_libvirt (GError **error, BalExitCode code, const char *format, ...)
{
  g_autofree char *what = NULL;
  /* The client side of a migration that was cut off forgets its error. */
  const char *message = virGetLastErrorCode () == VIR_ERR_OK
                          ? "nothing, its connection may have broken"
                          : virGetLastErrorMessage ();
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BAL_FAILURE, code, "%s: libvirt says: %s", what, message);
  return FALSE;
}
