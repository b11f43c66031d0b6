/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Ballast asks QEMU directly, because libvirt has no call for it: where guest memory lies in
 * QEMU's address space and where a virtio-mem device's window is; and how that device is resized
 * while libvirt's own job holds the domain, which libvirt refuses.
 *
 * Each one goes through virDomainQemuMonitorCommand(), which taints the domain `custom-monitor`
 * (documented; `use-qmp = no` does without).
 *
 * Ownership: what is returned is the caller's. Failure: BAL_FAILURE or BAL_FLATVIEW_ERROR, one
 * sentence; QEMU's answers are checked like any other input.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/backing.h"
#include "protocol/ranges.h"

G_BEGIN_DECLS

typedef struct
{
  GArray *segments; /* of BalBackingSegment: all guest RAM, sorted by guest-physical address */
  BalRanges *ram;   /* the same addresses */
} BalGuestMap;

void bal_guest_map_clear (BalGuestMap *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalGuestMap, bal_guest_map_clear)

/* `info mtree -f`, and `gpa2hva` for each range of it. */
gboolean bal_qmp_guest_map (virDomainPtr domain, BalGuestMap *out, GError **error);

typedef struct
{
  BalRange window; /* [memaddr, memaddr + max-size) */
  guint64 requested_bytes;
  guint64 plugged_bytes;
} BalQmpVirtioMem;

/* `query-memory-devices`, of device @alias. */
gboolean
bal_qmp_virtio_mem (virDomainPtr domain, const char *alias, BalQmpVirtioMem *out, GError **error);

/* `qom-set` of its requested-size, a multiple of its block size. QEMU takes it while memory flows
 * as well, but the guest cannot follow then. libvirt's definition stays as it is. */
gboolean
bal_qmp_virtio_mem_resize (virDomainPtr domain, const char *alias, guint64 bytes, GError **error);

/* `query-balloon` and `balloon`: boot RAM that the guest has. virtio-mem is not in it, whereas
 * libvirt adds that to what it says of the balloon. */
gboolean bal_qmp_balloon (virDomainPtr domain, guint64 *bytes, GError **error);
gboolean bal_qmp_balloon_set (virDomainPtr domain, guint64 bytes, GError **error);

G_END_DECLS
