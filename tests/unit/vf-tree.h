/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: PFs and VFs in a made-up sysfs below a test's root (test-root.h), laid out as the kernel
 * does it: the devices' folders below /sys/devices, relative links to them in /sys/bus/pci/devices,
 * links to drivers and IOMMU groups.
 *
 * PF number N is 0000:NN:00.0 with the interface `ethN`; its VF number M is 0000:NN:XX.X, interface
 * `ethNvM`. Numbers are up to 255. Failure: the test aborts.
 */
#pragma once

#include "test-root.h"

/* A PF that is up at @speed_mbps, with @n_vfs idle VFs, which its driver `igbvf` has. */
void vf_tree_add_pf (const TestRoot *root, guint pf, guint n_vfs, guint speed_mbps, int numa_node);

/* The caller's. */
char *vf_tree_pf_pci (guint pf);
char *vf_tree_vf_pci (guint pf, guint vf);

/* Below the device's folder. */
void vf_tree_set_pf (const TestRoot *root, guint pf, const char *attribute, const char *value);
void
vf_tree_set_vf (const TestRoot *root, guint pf, guint vf, const char *attribute, const char *value);

/* A link where an attribute would be; NULL removes it. */
void
vf_tree_link_vf (const TestRoot *root, guint pf, guint vf, const char *name, const char *target);

/* The VF's interface goes away: to another network namespace, or with its driver. */
void vf_tree_remove_vf_netdev (const TestRoot *root, guint pf, guint vf);

/* Bound to vfio-pci and, or not, open; or given back to its own driver. */
void vf_tree_pass_vf (const TestRoot *root, guint pf, guint vf, gboolean is_open);
void vf_tree_take_back_vf (const TestRoot *root, guint pf, guint vf);

/* The VF itself goes away. */
void vf_tree_remove_vf (const TestRoot *root, guint pf, guint vf);
