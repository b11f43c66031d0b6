/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/memory-account.h"

#include "host-hook/connection.h"
#include "host-hook/failure.h"
#include "host-hook/qmp.h"
#include "host-hook/size-stand.h"

#define PAGE_BYTES 4096

#define POLL_INTERVAL_MS 50

/* QEMU tells of a change once a second at most. */
#define NEWS_MS 1500
#define MOVE_MS 4000

typedef struct
{
  guint64 balloon_bytes; /* by QEMU */
  gboolean is_right;     /* libvirt's sum is QEMU's */
} Account;

static gboolean
sum_up (virDomainPtr domain, const BalDomainXml *xml, guint64 *bytes, GError **error)
{
  for (guint i = 0; i < xml->virtio_mem->len; i++)
    {
      BalQmpVirtioMem device;

      if (!bal_qmp_virtio_mem (domain, g_array_index (xml->virtio_mem, BalVirtioMem, i).alias,
                               &device, error))
        return FALSE;
      *bytes += device.plugged_bytes;
    }
  return TRUE;
}

static gboolean
read_account (virDomainPtr domain, const BalDomainXml *xml, Account *out, GError **error)
{
  guint64 sum_bytes;
  virDomainInfo info;

  if (!bal_qmp_balloon (domain, &out->balloon_bytes, error))
    return FALSE;
  sum_bytes = out->balloon_bytes;
  if (!sum_up (domain, xml, &sum_bytes, error))
    return FALSE;
  if (virDomainGetInfo (domain, &info) < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the size of domain \"%s\"",
                                xml->name);
  out->is_right = bal_size_same (info.memory, sum_bytes / 1024);
  return TRUE;
}

/* Until libvirt's sum is right, or, unless that is 0, the balloon has @balloon_bytes. */
static gboolean
wait_for (virDomainPtr domain,
          const BalDomainXml *xml,
          guint64 balloon_bytes,
          guint wait_ms,
          Account *account,
          GError **error)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)wait_ms * 1000;

  do
    {
      if (!read_account (domain, xml, account, error))
        return FALSE;
      if (balloon_bytes ? account->balloon_bytes == balloon_bytes : account->is_right)
        return TRUE;
      g_usleep (POLL_INTERVAL_MS * 1000);
    }
  while (g_get_monotonic_time () < end_us);
  return TRUE;
}

/* Boot RAM and what is no virtio-mem: what the balloon leaves when it is empty. */
static guint64
whole_bytes (const BalDomainXml *xml)
{
  guint64 kib = xml->memory_kib;

  for (guint i = 0; i < xml->virtio_mem->len; i++)
    kib -= MIN (kib, g_array_index (xml->virtio_mem, BalVirtioMem, i).size_kib);
  return kib * 1024;
}

/* QEMU does not tell what the balloon is asked for, only where it is: one that is not empty may be
 * on its way to where somebody wants it, and is left alone. */
static gboolean
may_move (const BalDomainXml *xml, const Account *account)
{
  return bal_size_same (account->balloon_bytes / 1024, whole_bytes (xml) / 1024);
}

/* NB: the balloon is moved back whatever became of moving it. */
static gboolean
move_balloon (virDomainPtr domain, const BalDomainXml *xml, Account *account, GError **error)
{
  guint64 home_bytes = account->balloon_bytes;
  guint64 away_bytes = home_bytes - PAGE_BYTES;
  gboolean moved = bal_qmp_balloon_set (domain, away_bytes, error)
                   && wait_for (domain, xml, away_bytes, MOVE_MS, account, error);

  return bal_qmp_balloon_set (domain, home_bytes, moved ? error : NULL) && moved
         && wait_for (domain, xml, 0, MOVE_MS, account, error);
}

gboolean
bal_memory_account_mend (virDomainPtr domain, GError **error)
{
  g_auto (BalDomainXml) xml = {0};
  Account account;

  if (!bal_domain_read (domain, &xml, NULL, error))
    return FALSE;
  if (!xml.has_balloon || xml.virtio_mem->len == 0)
    return TRUE;
  if (!wait_for (domain, &xml, 0, NEWS_MS, &account, error)
      || (!account.is_right && may_move (&xml, &account)
          && !move_balloon (domain, &xml, &account, error)))
    return FALSE;
  if (account.is_right)
    return TRUE;
  g_set_error (
    error, BAL_FAILURE, BAL_EXIT_FAILED,
    "libvirt's account of the memory of domain \"%s\" is wrong until its balloon moves; the "
    "guest has all its memory",
    xml.name);
  return FALSE;
}
