/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory account: what libvirt believes that a domain has (<currentMemory>).
 *
 * libvirt keeps one sum of boot RAM and virtio-mem, and moves it by the difference whenever a
 * device changes its size. A device that was resized behind libvirt's back, under a migration,
 * leaves the sum wrong at the destination, by as much as was released, until the balloon moves:
 * then libvirt adds it up anew. So the balloon is moved, by one page and back, if it is empty.
 *
 * Failure: BAL_FAILURE with one sentence; the guest has its memory all the same.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/* Compares, and mends what is wrong, where there are virtio-mem and a balloon. Asks QEMU. Waits
 * some seconds for the guest's balloon driver. */
gboolean bal_memory_account_mend (virDomainPtr domain, GError **error);

G_END_DECLS
