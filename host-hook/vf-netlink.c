/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-netlink.h"

#include "host-hook/vf-error.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netlink/errno.h>
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

static BalVfSwitch
to_switch (int result, guint32 value)
{
  /* A driver that does not know the setting reports all ones, or nothing. */
  if (result < 0 || value > 1)
    return BAL_VF_UNSET;
  return value != 0 ? BAL_VF_ON : BAL_VF_OFF;
}

static void
read_mac (RtnlVf *vf, BalVfSettings *out)
{
  struct nl_addr *address;

  g_strlcpy (out->mac, BAL_VF_MAC_NONE, sizeof out->mac);
  if (rtnl_link_vf_get_addr (vf, &address) < 0 || nl_addr_get_len (address) != ETH_ALEN)
    return;
  const guint8 *mac = nl_addr_get_binary_addr (address);
  snprintf (out->mac, sizeof out->mac, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
            mac[3], mac[4], mac[5]);
}

static void
read_vf (RtnlVf *vf, BalVfSettings *out)
{
  struct nl_vf_rate rate = {0};
  nl_vf_vlans_t *vlans = NULL;
  guint32 value = 0;

  *out = (BalVfSettings){.link_state = BAL_VF_LINK_AUTO};
  read_mac (vf, out);
  if (rtnl_link_vf_get_vlans (vf, &vlans) == 0)
    {
      out->vlan = vlans->size > 0 ? vlans->vlans[0].vf_vlan : 0;
      rtnl_link_vf_vlan_put (vlans);
    }
  if (rtnl_link_vf_get_rate (vf, &rate) == 0)
    {
      out->max_rate_mbps = rate.api == RTNL_LINK_VF_RATE_API_NEW ? rate.max_tx_rate : rate.rate;
      out->min_rate_mbps = rate.api == RTNL_LINK_VF_RATE_API_NEW ? rate.min_tx_rate : 0;
    }
  out->trust = to_switch (rtnl_link_vf_get_trust (vf, &value), value);
  out->spoofchk = to_switch (rtnl_link_vf_get_spoofchk (vf, &value), value);
  if (rtnl_link_vf_get_linkstate (vf, &value) == 0 && value <= IFLA_VF_LINK_STATE_DISABLE)
    out->link_state = (BalVfLinkState)value;
}

static GArray *
netlink_read (gpointer data, const char *pf_netdev, GError **error)
{
  BalVfNetlink *self = data;
  g_autoptr (RtnlLink) link = NULL;
  guint32 n_vfs = 0;
  int result = rtnl_link_get_kernel (self->socket, 0, pf_netdev, &link);

  if (result < 0)
    {
      fail (error, result, "Cannot read the VF settings", pf_netdev);
      return NULL;
    }
  GArray *all = g_array_new (FALSE, TRUE, sizeof (BalVfSettings));
  if (rtnl_link_get_num_vf (link, &n_vfs) < 0)
    return all;
  for (guint32 i = 0; i < n_vfs; i++)
    {
      RtnlVf *vf = rtnl_link_vf_get (link, i);
      BalVfSettings settings;

      if (vf == NULL)
        break;
      read_vf (vf, &settings);
      rtnl_link_vf_put (vf);
      g_array_append_val (all, settings);
    }
  return all;
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
