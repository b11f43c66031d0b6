/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel facts: settings that are fixed at boot and decide what a free page costs on the wire. Read
 * once, before capabilities are given up: /dev/kmsg may need CAP_SYSLOG.
 *
 * Sources, in this order: the kernel's command line; its build configuration
 * (/proc/config.gz is not read, /boot/config-RELEASE is); the kernel's own line "mem auto-init" in
 * the log, which rotates away on a long-running guest. What none of them tells stays unknown.
 */
#pragma once

#include "protocol/messages.h"

G_BEGIN_DECLS

typedef struct
{
  BalTri init_on_alloc;
  BalTri init_on_free;
  BalTri page_poisoning;
} BalKernelFacts;

/* @release: as uname -r gives it. */
void bal_kernel_facts_read (const char *root, const char *release, BalKernelFacts *out);

/* Pure: the value of a boolean parameter on a kernel command line; the last one counts, what stands
 * behind "--" is init's. (lib/kstrtox.c, kernel/params.c) */
BalTri bal_cmdline_boolean (const char *cmdline, const char *parameter);

G_END_DECLS
