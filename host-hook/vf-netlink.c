/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-netlink.h"

#include "host-hook/vf-error.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>
#include <stdio.h>

/* The kernel answers about all VFs of a PF in one message, some 300 bytes each. */
#define MESSAGE_MAX_BYTES (1024 * 1024)

typedef struct rtnl_link RtnlLink;
typedef struct rtnl_link_vf RtnlVf;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtnlLink, rtnl_link_put)

struct _BalVfNetlink
{
  struct nl_sock *socket;
};

static gboolean
fail (GError **error, int result, const char *what, const char *pf_netdev)
{
  gboolean refused = result == -NLE_OPNOTSUPP || result == -NLE_INVAL || result == -NLE_RANGE;

  g_set_error (error, BAL_VF_ERROR, refused ? BAL_VF_ERROR_HARDWARE : BAL_VF_ERROR_NETLINK,
               "%s of %s: %s", what, pf_netdev, nl_geterror (result));
  return FALSE;
}

/* --- reading --- */

/* All structures of these attributes begin with the VF's index. */
static gconstpointer
find_value (struct nlattr **attributes, int type, gsize size)
{
  struct nlattr *attribute = attributes[type];
  return attribute != NULL && (gsize)nla_len (attribute) >= size ? nla_data (attribute) : NULL;
}

static BalVfSwitch
to_switch (guint32 setting)
{
  /* A driver that does not know the setting reports all ones. */
  if (setting > 1)
    return BAL_VF_UNSET;
  return setting != 0 ? BAL_VF_ON : BAL_VF_OFF;
}

static void
read_switches (struct nlattr **attributes, BalVfSettings *out)
{
  const struct ifla_vf_trust *trust = find_value (attributes, IFLA_VF_TRUST, sizeof *trust);
  const struct ifla_vf_spoofchk *spoofchk =
    find_value (attributes, IFLA_VF_SPOOFCHK, sizeof *spoofchk);
  const struct ifla_vf_link_state *state =
    find_value (attributes, IFLA_VF_LINK_STATE, sizeof *state);

  if (trust != NULL)
    out->trust = to_switch (trust->setting);
  if (spoofchk != NULL)
    out->spoofchk = to_switch (spoofchk->setting);
  if (state != NULL && state->link_state <= IFLA_VF_LINK_STATE_DISABLE)
    out->link_state = (BalVfLinkState)state->link_state;
}

static void
read_numbers (struct nlattr **attributes, BalVfSettings *out)
{
  const struct ifla_vf_vlan *vlan = find_value (attributes, IFLA_VF_VLAN, sizeof *vlan);
  const struct ifla_vf_rate *rate = find_value (attributes, IFLA_VF_RATE, sizeof *rate);

  if (vlan != NULL)
    out->vlan = vlan->vlan;
  if (rate != NULL)
    {
      out->max_rate_mbps = rate->max_tx_rate;
      out->min_rate_mbps = rate->min_tx_rate;
    }
}

static void
read_vf (struct nlattr *info, GArray *all)
{
  struct nlattr *attributes[IFLA_VF_MAX + 1];
  BalVfSettings settings = {.link_state = BAL_VF_LINK_AUTO};

  if (nla_parse_nested (attributes, IFLA_VF_MAX, info, NULL) < 0)
    return;
  /* Each VF has one. */
  const struct ifla_vf_mac *mac = find_value (attributes, IFLA_VF_MAC, sizeof *mac);
  if (mac == NULL || mac->vf > BAL_VF_COUNT_MAX)
    return;
  snprintf (settings.mac, sizeof settings.mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac->mac[0],
            mac->mac[1], mac->mac[2], mac->mac[3], mac->mac[4], mac->mac[5]);
  read_numbers (attributes, &settings);
  read_switches (attributes, &settings);
  if (all->len <= mac->vf)
    g_array_set_size (all, mac->vf + 1);
  g_array_index (all, BalVfSettings, mac->vf) = settings;
}

GArray *
bal_vf_netlink_parse (struct nlmsghdr *answer)
{
  GArray *all = g_array_new (FALSE, TRUE, sizeof (BalVfSettings));
  struct nlattr *list = nlmsg_find_attr (answer, sizeof (struct ifinfomsg), IFLA_VFINFO_LIST);
  struct nlattr *info;
  int left;

  if (list == NULL)
    return all;
  nla_for_each_nested (info, list, left) if (nla_type (info) == IFLA_VF_INFO) read_vf (info, all);
  return all;
}

static int
take_answer (struct nl_msg *message, void *data)
{
  GArray **out = data;

  g_clear_pointer (out, g_array_unref);
  *out = bal_vf_netlink_parse (nlmsg_hdr (message));
  return NL_OK;
}

static int
send_question (BalVfNetlink *self, const char *pf_netdev)
{
  struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex (pf_netdev)};
  struct nl_msg *message = nlmsg_alloc_simple (RTM_GETLINK, 0);
  int result = -NLE_NODEV;

  if (head.ifi_index != 0)
    result = nlmsg_append (message, &head, sizeof head, NLMSG_ALIGNTO);
  if (result == 0)
    result = nla_put_u32 (message, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
  if (result == 0)
    result = nl_send_auto (self->socket, message);
  nlmsg_free (message);
  return MIN (result, 0);
}

static int
receive_answer (BalVfNetlink *self, GArray **out)
{
  struct nl_cb *callbacks = nl_cb_alloc (NL_CB_DEFAULT);

  nl_cb_set (callbacks, NL_CB_VALID, NL_CB_CUSTOM, take_answer, out);
  int result = nl_recvmsgs (self->socket, callbacks);
  nl_cb_put (callbacks);
  /* An error is its own acknowledgement. */
  return result < 0 ? result : nl_wait_for_ack (self->socket);
}

static GArray *
netlink_read (gpointer data, const char *pf_netdev, GError **error)
{
  BalVfNetlink *self = data;
  g_autoptr (GArray) all = NULL;
  int result = send_question (self, pf_netdev);

  if (result == 0)
    result = receive_answer (self, &all);
  if (result == 0 && all == NULL)
    result = -NLE_MSGTYPE_NOSUPPORT;
  if (result == 0)
    return g_steal_pointer (&all);
  fail (error, result, "Cannot read the VF settings", pf_netdev);
  return NULL;
}

/* --- setting --- */

static int
put_mac (RtnlVf *vf, const BalVfSettings *values)
{
  struct nl_addr *address;
  int result = nl_addr_parse (values->mac, AF_LLC, &address);

  if (result < 0)
    return result;
  rtnl_link_vf_set_addr (vf, address);
  nl_addr_put (address);
  return 0;
}

static int
put_vlan (RtnlVf *vf, const BalVfSettings *values)
{
  nl_vf_vlans_t *vlans;
  int result = rtnl_link_vf_vlan_alloc (&vlans, 1);

  if (result < 0)
    return result;
  vlans->vlans[0].vf_vlan = values->vlan;
  vlans->vlans[0].vf_vlan_qos = 0;
  vlans->vlans[0].vf_vlan_proto = ETH_P_8021Q;
  rtnl_link_vf_set_vlans (vf, vlans);
  rtnl_link_vf_vlan_put (vlans);
  return 0;
}

static void
put_rates (RtnlVf *vf, const BalVfSettings *values)
{
  struct nl_vf_rate rate = {.api = RTNL_LINK_VF_RATE_API_NEW,
                            .max_tx_rate = values->max_rate_mbps,
                            .min_tx_rate = values->min_rate_mbps};

  rtnl_link_vf_set_rate (vf, &rate);
}

static int
put_value (RtnlVf *vf, BalVfSet which, const BalVfSettings *values)
{
  switch (which)
    {
    case BAL_VF_SET_MAC:
      return put_mac (vf, values);
    case BAL_VF_SET_VLAN:
      return put_vlan (vf, values);
    case BAL_VF_SET_MAX_RATE:
      put_rates (vf, values);
      return 0;
    case BAL_VF_SET_TRUST:
      rtnl_link_vf_set_trust (vf, values->trust == BAL_VF_ON);
      return 0;
    case BAL_VF_SET_SPOOFCHK:
      rtnl_link_vf_set_spoofchk (vf, values->spoofchk == BAL_VF_ON);
      return 0;
    case BAL_VF_SET_LINK_STATE:
      rtnl_link_vf_set_linkstate (vf, (guint32)values->link_state);
      return 0;
    case BAL_VF_SET_MIN_RATE:
      break;
    }
  g_assert_not_reached ();
}

static int
change_vf (
  BalVfNetlink *self, guint pf_ifindex, guint index, BalVfSet which, const BalVfSettings *values)
{
  g_autoptr (RtnlLink) link = rtnl_link_alloc ();
  RtnlVf *vf = rtnl_link_vf_alloc ();

  rtnl_link_set_ifindex (link, (int)pf_ifindex);
  rtnl_link_vf_set_index (vf, index);
  int result = put_value (vf, which, values);
  if (result == 0)
    result = rtnl_link_vf_add (link, vf);
  if (result == 0)
    result = rtnl_link_change (self->socket, link, link, 0);
  rtnl_link_vf_put (vf);
  return result;
}

static gboolean
netlink_set (gpointer data,
             const char *pf_netdev,
             guint index,
             BalVfSet which,
             const BalVfSettings *values,
             GError **error)
{
  guint pf_ifindex = if_nametoindex (pf_netdev);
  int result = pf_ifindex == 0 ? -NLE_NODEV : change_vf (data, pf_ifindex, index, which, values);

  if (result == 0)
    return TRUE;
  g_autofree char *what =
    g_strdup_printf ("Cannot set %s of VF %u", bal_vf_set_name (which), index);
  return fail (error, result, what, pf_netdev);
}

/* --- the object --- */

BalVfNetlink *
bal_vf_netlink_new (GError **error)
{
  g_autoptr (BalVfNetlink) self = g_new0 (BalVfNetlink, 1);

  self->socket = nl_socket_alloc ();
  int result = self->socket == NULL ? -NLE_NOMEM : nl_connect (self->socket, NETLINK_ROUTE);
  if (result == 0)
    result = nl_socket_set_msg_buf_size (self->socket, MESSAGE_MAX_BYTES);
  if (result == 0)
    return g_steal_pointer (&self);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK,
               "Cannot talk to the kernel about network interfaces: %s", nl_geterror (result));
  return NULL;
}

void
bal_vf_netlink_free (BalVfNetlink *self)
{
  g_clear_pointer (&self->socket, nl_socket_free);
  g_free (self);
}

BalVfNic
bal_vf_netlink_nic (BalVfNetlink *self)
{
  return (BalVfNic){.data = self, .read = netlink_read, .set = netlink_set};
}
