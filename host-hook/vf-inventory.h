/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF inventory: the host's physical functions (PFs) and their virtual functions (VFs) as sysfs
 * shows them, with what vf.conf says of the PFs. All paths are below @root ("/" in production).
 *
 * Who uses a VF is told by the host side alone: by its driver, its network interface, and whether
 * vfio's device is open. What Ballast handed out is in the ledger.
 *
 * Ownership: the inventory is the caller's and owns all in it. Failure: G_IO_ERROR or G_FILE_ERROR
 * with one sentence when the folder of PCI devices cannot be read; a single device that vanishes or
 * cannot be read while it is looked at is left out, or shown without what is missing.
 */
#pragma once

#include "host-hook/vf-config.h"
#include "host-hook/vf-settings.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_VF_IDLE,      /* nobody: no driver, or its own one with the interface down and alone */
  BAL_VF_HOST,      /* the host: the interface is up, or a bridge's or a bond's */
  BAL_VF_ELSEWHERE, /* its own driver, but no interface to be seen: it is in another network
                       namespace (a container's), or used without one (DPDK, RDMA) */
  BAL_VF_PREPARED,  /* bound to vfio, and nobody has it open */
  BAL_VF_OPEN,      /* bound to vfio, and open: a QEMU runs with it */
} BalVfUse;

const char *bal_vf_use_name (BalVfUse use);

typedef struct
{
  guint index;     /* N of virtfnN, and of `ip link set PF vf N` */
  char pci[32];    /* "0000:03:10.0" */
  char driver[32]; /* "": none */
  char netdev[32]; /* "": none to be seen */
  int iommu_group; /* -1: none */
  BalVfUse use;
  gboolean has_settings; /* bal_vf_inventory_read_settings() found it */
  BalVfSettings settings;
} BalVf;

typedef struct
{
  char netdev[32];
  char pci[32];
  char driver[32];
  guint total_vfs;
  guint num_vfs;
  int numa_node;     /* -1: the firmware does not say */
  guint speed_mbps;  /* of the link; 0: not known, as while the interface is down */
  gboolean has_link; /* operstate up */

  guint capacity_mbps; /* configured, or the link's speed; 0: not known */
  char *network;       /* configured; NULL: none */
  gboolean excluded;   /* configured */
  guint wanted_vfs;    /* configured; 0: leave them */

  GArray *vfs; /* of BalVf, by index */
} BalVfPf;

typedef struct
{
  GPtrArray *pfs;     /* of BalVfPf, by PCI address */
  GHashTable *owners; /* VF's PCI address -> its BalVfPf */
} BalVfInventory;

/* Settings of the VFs are left out: see bal_vf_inventory_read_settings(). @config may be NULL. */
BalVfInventory *bal_vf_inventory_read (const char *root, const BalVfConfig *config, GError **error);
void bal_vf_inventory_free (BalVfInventory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfInventory, bal_vf_inventory_free)

/* Asks the kernel for the settings of all VFs. On failure those of the PF at hand, and of those
 * behind it, are not known; the error is the first one. */
gboolean bal_vf_inventory_read_settings (BalVfInventory *self, const BalVfNic *nic, GError **error);

/* By netdev's name or PCI address; NULL: there is none. */
BalVfPf *bal_vf_inventory_find_pf (const BalVfInventory *self, const char *name);

/* By PCI address; NULL: there is none. *@pf may be NULL. */
BalVf *bal_vf_inventory_find_vf (const BalVfInventory *self, const char *pci, BalVfPf **pf);

/* Looks once more at a VF's driver, interface and use; one that is gone is BAL_VF_ELSEWHERE. */
void bal_vf_refresh (const char *root, BalVf *vf);

/* Looks once more at a PF's link: speed, operstate and, where not configured, capacity. @config may
 * be NULL. */
void bal_vf_pf_refresh_link (const char *root, const BalVfConfig *config, BalVfPf *pf);

/* Makes wanted_vfs VFs, or total_vfs where that is less, when there are none now: sriov_numvfs is
 * read again just before. Where there are some, or none are wanted, nothing is done. The inventory
 * is then to be read anew. Fails with G_IO_ERROR. */
gboolean bal_vf_pf_make_vfs (const char *root, const BalVfPf *pf, GError **error);

G_END_DECLS
