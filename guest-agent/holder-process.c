/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The holder's own side: maps, locks and populates free pages until it is killed. */
#include "guest-agent/hold-policy.h"
#include "guest-agent/holder.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Bytes between two looks at what is still free. Larger chunks were no faster, and the headroom
 * must cover what another program takes while one chunk is populated. */
#define CHUNK_BYTES (G_GUINT64_CONSTANT (32) * 1024 * 1024)

/* Order of a huge page in base pages of 4 KiB. */
#define HUGE_PAGE_ORDER 9u

#define NODES_MAX 1024u
#define BITS_PER_WORD (8 * sizeof (gulong))

typedef struct
{
  const char *root;
  int socket_fd;
  guint64 page_bytes;
  BalHolderOrder order;
  BalHolderReport report;
  guint64 region_bytes; /* reserved at report.base */
  BalZones zones;       /* as last read */
  BalHoldFragments fragments[NODES_MAX];
} Holder;

/* Reserves addresses, no memory, so that all that is held lies in one run that the agent can look
 * up in pagemap. Twice the guest's RAM leaves room for alignment after odd-sized targets. */
static gboolean
reserve_region (Holder *self)
{
  guint64 bytes = 2 * bal_zones_managed_pages (&self->zones) * self->page_bytes;
  char *region;

  bytes -= bytes % BAL_HUGE_PAGE_BYTES;
  region = mmap (NULL, bytes + BAL_HUGE_PAGE_BYTES, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED)
    return FALSE;
  self->report.base =
    ((guint64)region + BAL_HUGE_PAGE_BYTES - 1) / BAL_HUGE_PAGE_BYTES * BAL_HUGE_PAGE_BYTES;
  self->region_bytes = bytes;
  return TRUE;
}

static gboolean
bind_to_node (void *address, guint64 bytes, guint node)
{
  gulong mask[NODES_MAX / BITS_PER_WORD] = {0};

  if (node >= NODES_MAX)
    return FALSE;
  mask[node / BITS_PER_WORD] = 1ul << (node % BITS_PER_WORD);
  /* The kernel reads one bit less than maxnode says (mbind(2), BUGS). */
  return syscall (SYS_mbind, address, bytes, MPOL_BIND, mask, NODES_MAX + 1, 0) == 0;
}

/* The system-wide default is nothing to go by: it may start compaction. */
static int
page_size_advice (Holder *self, const BalHoldStep *step)
{
  guint64 free_bytes = bal_zones_node_free_pages (&self->zones, step->node) * self->page_bytes;
  guint64 huge_blocks = bal_buddy_blocks (self->root, step->node, HUGE_PAGE_ORDER);

  return bal_hold_policy_wants_huge (&self->fragments[MIN (step->node, NODES_MAX - 1)], step,
                                     free_bytes, huge_blocks)
           ? MADV_HUGEPAGE
           : MADV_NOHUGEPAGE;
}

static gboolean
populate (const Holder *self, char *address, guint64 bytes)
{
  while (madvise (address, bytes, MADV_POPULATE_WRITE) != 0)
    {
      if (errno == EINTR)
        continue;
      if (errno != EINVAL)
        return FALSE;
      /* Before 5.14: a write fault on each page. */
      for (guint64 i = 0; i < bytes; i += self->page_bytes)
        ((volatile char *)address)[i] = 0;
      return TRUE;
    }
  return TRUE;
}

/* Locked before it is populated, so that no page of it can go to swap in between. */
static gboolean
take_chunk (Holder *self, char *address, const BalHoldStep *step)
{
  if (mmap (address, step->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
            -1, 0)
      == MAP_FAILED)
    return FALSE;
  madvise (address, step->bytes, MADV_DONTDUMP);
  madvise (address, step->bytes, page_size_advice (self, step));
  if (bal_zones_many_nodes (&self->zones) && !bind_to_node (address, step->bytes, step->node))
    return FALSE;
  return mlock2 (address, step->bytes, MLOCK_ONFAULT) == 0 && populate (self, address, step->bytes);
}

/* Puts addresses without memory back where a chunk failed. */
static void
drop_chunk (char *address, guint64 bytes)
{
  int saved = errno;

  if (mmap (address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
            0)
      == MAP_FAILED)
    munmap (address, bytes);
  errno = saved;
}

static BalHoldReason
fail (Holder *self)
{
  self->report.error_number = errno;
  return BAL_HOLD_REASON_FAILED;
}

/* One chunk on the way to the target. NONE: there may be more. */
static BalHoldReason
grow (Holder *self)
{
  BalHolderReport *report = &self->report;
  guint64 wanted = self->order.target_bytes - MIN (self->order.target_bytes, report->held_bytes);
  guint64 start =
    (report->span_bytes + BAL_HUGE_PAGE_BYTES - 1) / BAL_HUGE_PAGE_BYTES * BAL_HUGE_PAGE_BYTES;

  if (wanted < self->page_bytes)
    return BAL_HOLD_REASON_TARGET;
  if (!bal_zones_read (self->root, &self->zones, NULL)
      || (self->region_bytes == 0 && !reserve_region (self)))
    return fail (self);
  BalHoldStep step = bal_hold_policy_step (&self->zones, self->page_bytes,
                                           self->order.headroom_bytes, wanted, CHUNK_BYTES);
  if (step.bytes == 0 || start + step.bytes > self->region_bytes)
    return BAL_HOLD_REASON_HEADROOM;
  char *address = (char *)report->base + start;
  if (!take_chunk (self, address, &step))
    {
      drop_chunk (address, step.bytes);
      return fail (self);
    }
  report->held_bytes += step.bytes;
  report->span_bytes = start + step.bytes;
  return BAL_HOLD_REASON_NONE;
}

/* Reads the newest order; waits for one when @wait. FALSE when the agent is gone. */
static gboolean
read_orders (Holder *self, gboolean wait)
{
  int flags = wait ? 0 : MSG_DONTWAIT;

  for (;;)
    {
      gssize got = recv (self->socket_fd, &self->order, sizeof self->order, flags);

      if (got == (gssize)sizeof self->order)
        flags = MSG_DONTWAIT;
      else if (got < 0 && errno == EINTR)
        continue;
      else
        return got < 0 && errno == EAGAIN;
    }
}

void
bal_holder_run (const char *root, int socket_fd)
{
  Holder self = {.root = root,
                 .socket_fd = socket_fd,
                 .page_bytes = (guint64)sysconf (_SC_PAGESIZE)};
  BalHoldReason reason = BAL_HOLD_REASON_TARGET;

  while (read_orders (&self, reason != BAL_HOLD_REASON_NONE))
    {
      reason = grow (&self);
      self.report.reason = reason;
      self.report.target_bytes = self.order.target_bytes;
      if (send (socket_fd, &self.report, sizeof self.report, MSG_NOSIGNAL) < 0)
        break;
    }
  _exit (EXIT_SUCCESS);
}
