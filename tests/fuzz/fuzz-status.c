/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of libvirt's status folder. */
#include "fuzz.h"

#include "host-hook/status-folder.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *text = fuzz_text (data, size);
  BalStatus status = {0};

  if (bal_status_parse (text, &status))
    {
      g_assert_true (g_uuid_string_is_valid (status.uuid));
      g_assert_cmpint (status.kind, !=, BAL_STATUS_GONE);
    }
  else
    g_assert_null (status.uuid);
  g_free (status.uuid);
  return 0;
}
