/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF settings: what a PF's driver enforces for a VF (`ip link set PF vf N ...`): which of them a
 * request sets, set and put back one by one, through a NIC that tests replace by a made-up one.
 *
 * Real NICs lack features: each setting may be refused (igb: min rate, link state). Which ones were
 * refused is told; one that the request demanded is an error.
 *
 * Ownership: all is the caller's; nothing is kept. Failure: BAL_VF_ERROR_HARDWARE for what the NIC
 * refuses, BAL_VF_ERROR_NETLINK for the rest.
 */
#pragma once

#include "host-hook/vf-request.h"

G_BEGIN_DECLS

/* Bits of a mask. */
typedef enum
{
  BAL_VF_SET_MAC = 1 << 0,
  BAL_VF_SET_VLAN = 1 << 1,
  BAL_VF_SET_MAX_RATE = 1 << 2,
  BAL_VF_SET_MIN_RATE = 1 << 3,
  BAL_VF_SET_TRUST = 1 << 4,
  BAL_VF_SET_SPOOFCHK = 1 << 5,
  BAL_VF_SET_LINK_STATE = 1 << 6,
} BalVfSet;

#define BAL_VF_SET_ALL 0x7fu

/* The kernel's IFLA_VF_LINK_STATE_... */
typedef enum
{
  BAL_VF_LINK_AUTO,
  BAL_VF_LINK_ENABLE,
  BAL_VF_LINK_DISABLE,
} BalVfLinkState;

#define BAL_VF_MAC_NONE "00:00:00:00:00:00"

typedef struct
{
  char mac[BAL_VF_MAC_SIZE]; /* lower case; BAL_VF_MAC_NONE: the VF's driver chooses */
  guint vlan;                /* 0: none */
  guint max_rate_mbps;       /* 0: no limit */
  guint min_rate_mbps;       /* 0: no guarantee */
  BalVfSwitch trust;         /* BAL_VF_UNSET: the NIC does not say */
  BalVfSwitch spoofchk;
  BalVfLinkState link_state;
} BalVfSettings;

/* How to reach a PF's driver. */
typedef struct
{
  gpointer data;

  /* The settings of all VFs of the PF, by index, into an array of BalVfSettings. */
  GArray *(*read) (gpointer data, const char *pf_netdev, GError **error);

  /* One of them, BAL_VF_SET_...; both rates go to the NIC at once, so that BAL_VF_SET_MAX_RATE
   * stands for the two and BAL_VF_SET_MIN_RATE never comes. */
  gboolean (*set) (gpointer data,
                   const char *pf_netdev,
                   guint index,
                   BalVfSet which,
                   const BalVfSettings *values,
                   GError **error);
} BalVfNic;

/* What the request wants of a VF whose settings are @before: all fields of @out, and which of them
 * are to be set. The rate limit always is; the guarantee is tried always; the link's state follows
 * the PF's. */
guint bal_vf_settings_wanted (const BalVfRequest *request,
                              const BalVfSettings *before,
                              BalVfSettings *out);

/* Those of bal_vf_settings_wanted() without which the request is not met. */
guint bal_vf_settings_demanded (const BalVfRequest *request);

/* Sets those of @mask. *@refused are those that the NIC does not do and that are not in @demanded.
 * On failure some may be set: put back all of @mask. */
gboolean bal_vf_settings_apply (const BalVfNic *nic,
                                const char *pf_netdev,
                                guint index,
                                const BalVfSettings *wanted,
                                guint mask,
                                guint demanded,
                                guint *refused,
                                GError **error);

/* Puts those of @mask that differ back to @before and reads them again. Tries all of them; the
 * error names those that are not as they were. */
gboolean bal_vf_settings_put_back (const BalVfNic *nic,
                                   const char *pf_netdev,
                                   guint index,
                                   const BalVfSettings *before,
                                   guint mask,
                                   GError **error);

/* Which of @mask differ; a switch that one side does not know does not. */
guint bal_vf_settings_differ (const BalVfSettings *a, const BalVfSettings *b, guint mask);

/* "max-rate", "link-state"; @which is one bit. */
const char *bal_vf_set_name (guint which);

G_END_DECLS
