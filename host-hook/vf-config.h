/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF configuration: /etc/ballast/vf.conf, a key file of its own, because it speaks of this host's
 * NICs where ballast.conf may be the same on all hosts. host-hook/vf.conf documents the keys.
 *
 * A missing file means the defaults. An unknown group or key and a bad value are errors. A section
 * about a physical function (PF) that is not there is none: the NIC may come later.
 *
 * Ownership: the struct is the caller's, bal_vf_config_clear() frees what it points to.
 * Failure: BAL_CONFIG_ERROR with one sentence naming file, group and key; the output is then left
 * cleared.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_VF_CONFIG_PATH "/etc/ballast/vf.conf"

typedef enum
{
  BAL_VF_POLICY_PACK,   /* the PF with the least residual bandwidth that will do */
  BAL_VF_POLICY_SPREAD, /* the one with the most */
} BalVfPolicy;

/* A section [pf NAME]. */
typedef struct
{
  char *name;          /* netdev or PCI address */
  guint capacity_mbps; /* 0: the link's speed */
  char *network;       /* physical network; NULL: none */
  guint num_vfs;       /* to be made when there are none; 0: leave them as they are */
  gboolean excluded;   /* no VF of it is handed out */
} BalVfPfConfig;

typedef struct
{
  BalVfPolicy policy;
  guint expiry_s; /* a reservation without a domain ends after this; 10 to 86400 */
  GPtrArray *pfs; /* of BalVfPfConfig */
} BalVfConfig;

/* Sets the defaults; @self need not be initialised. */
void bal_vf_config_init (BalVfConfig *self);
void bal_vf_config_clear (BalVfConfig *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalVfConfig, bal_vf_config_clear)

/* Loads @path; with @must_exist a missing file is an error. @out need not be initialised. */
gboolean
bal_vf_config_load (const char *path, gboolean must_exist, BalVfConfig *out, GError **error);

/* The same from text; @path is for the errors only. */
gboolean bal_vf_config_parse (
  const char *text, gsize length_bytes, const char *path, BalVfConfig *out, GError **error);

/* The section of a PF by netdev's name (which goes first; may be NULL) or PCI address, or NULL. */
const BalVfPfConfig *
bal_vf_config_find (const BalVfConfig *self, const char *netdev, const char *pci);

G_END_DECLS
