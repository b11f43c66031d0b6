/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt looks for hooks once, when its daemon starts. Which daemon started before Ballast's were
 * there, and runs yet.
 *
 * The package writes down the starts that were before (packaging/scriptlets/ballast-host.sh); which
 * start is the present one systemd says. Where either says nothing, nothing is known, which is no
 * failure.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "libvirtd", "virtqemud" or NULL: the daemon that has to be restarted. */
const char *bal_libvirt_start_due (const char *root);

G_END_DECLS
