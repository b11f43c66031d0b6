/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF netlink: a NIC (vf-settings.h) whose PFs are the kernel's, by rtnetlink (RTM_GETLINK and
 * RTM_SETLINK's IFLA_VFINFO_LIST, as `ip link set PF vf N` does). Needs CAP_NET_ADMIN for setting.
 *
 * One attribute a message: the kernel applies a message's attributes in turn and stops at the first
 * that the driver refuses, without saying which.
 *
 * Answers are read here and not by libnl-route's rtnl_link_vf_get_...(), of which 3.7 takes trust
 * for spoofchk, and asks for statistics that nobody needs.
 *
 * Ownership: the object is the caller's and outlives the BalVfNic that it gives. Failure:
 * BAL_VF_ERROR_HARDWARE when the driver says EOPNOTSUPP, EINVAL or ERANGE (igb says EINVAL to a
 * minimum rate, and to any rate without a link), BAL_VF_ERROR_NETLINK else. NB: the kernel waits
 * for no hardware longer than a driver's mailbox takes, some milliseconds.
 */
#pragma once

#include "host-hook/vf-settings.h"

G_BEGIN_DECLS

typedef struct _BalVfNetlink BalVfNetlink;

BalVfNetlink *bal_vf_netlink_new (GError **error);
void bal_vf_netlink_free (BalVfNetlink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfNetlink, bal_vf_netlink_free)

BalVfNic bal_vf_netlink_nic (BalVfNetlink *self);

/* The settings of a PF's VFs, by index, from the kernel's answer to RTM_GETLINK; of BalVfSettings.
 * Attributes that are not there, or too short, leave what they would say unset. */
struct nlmsghdr;
GArray *bal_vf_netlink_parse (struct nlmsghdr *answer);

G_END_DECLS
