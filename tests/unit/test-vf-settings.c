/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-nic.h"

#include "host-hook/vf-error.h"
#include "host-hook/vf-netlink.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#define MAC "52:54:00:00:00:01"

typedef struct
{
  VfNic nic;
  BalVfNic reach;
  BalVfRequest request;
  BalVfSettings before;
  BalVfSettings wanted;
  guint mask;
  guint refused;
} Case;

static void
set_up (Case *self, gconstpointer data)
{
  vf_nic_init (&self->nic, 4);
  self->reach = vf_nic (&self->nic);
  bal_vf_request_init (&self->request);
  self->request.bandwidth_mbps = 500;
  self->before = *vf_nic_vf (&self->nic, 2);
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_request_clear (&self->request);
  vf_nic_clear (&self->nic);
}

static gboolean
apply (Case *self, GError **error)
{
  self->before = *vf_nic_vf (&self->nic, 2);
  self->mask = bal_vf_settings_wanted (&self->request, &self->before, &self->wanted);
  return bal_vf_settings_apply (&self->reach, "eth0", 2, &self->wanted, self->mask,
                                bal_vf_settings_demanded (&self->request), &self->refused, error);
}

static void
apply_well (Case *self)
{
  g_autoptr (GError) error = NULL;
  apply (self, &error);
  g_assert_no_error (error);
}

static void
put_back_well (Case *self)
{
  g_autoptr (GError) error = NULL;
  bal_vf_settings_put_back (&self->reach, "eth0", 2, &self->before, self->mask, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bal_vf_settings_differ (vf_nic_vf (&self->nic, 2), &self->before,
                                            BAL_VF_SET_ALL),
                    ==, 0);
}

static void
ask_for_all (Case *self)
{
  self->request.mac = g_strdup (MAC);
  self->request.vlan = 100;
  self->request.trust = BAL_VF_ON;
  self->request.spoofchk = BAL_VF_OFF;
}

static void
test_least (Case *self, gconstpointer data)
{
  apply_well (self);
  const BalVfSettings *vf = vf_nic_vf (&self->nic, 2);
  g_assert_cmpuint (self->mask, ==,
                    BAL_VF_SET_MAX_RATE | BAL_VF_SET_MIN_RATE | BAL_VF_SET_LINK_STATE);
  g_assert_cmpuint (self->refused, ==, 0);
  g_assert_cmpuint (vf->max_rate_mbps, ==, 500);
  g_assert_cmpuint (vf->min_rate_mbps, ==, 500);
  g_assert_cmpstr (vf->mac, ==, BAL_VF_MAC_NONE);
  g_assert_cmpint (vf->spoofchk, ==, BAL_VF_ON);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 1)->max_rate_mbps, ==, 0);
  put_back_well (self);
}

static void
test_all (Case *self, gconstpointer data)
{
  ask_for_all (self);
  apply_well (self);
  const BalVfSettings *vf = vf_nic_vf (&self->nic, 2);
  g_assert_cmpuint (self->mask, ==, BAL_VF_SET_ALL);
  g_assert_cmpstr (vf->mac, ==, MAC);
  g_assert_cmpuint (vf->vlan, ==, 100);
  g_assert_cmpint (vf->trust, ==, BAL_VF_ON);
  g_assert_cmpint (vf->spoofchk, ==, BAL_VF_OFF);
  put_back_well (self);
}

/* A VLAN that somebody left there goes, and comes back. */
static void
test_stale_vlan (Case *self, gconstpointer data)
{
  vf_nic_vf (&self->nic, 2)->vlan = 7;
  apply_well (self);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 2)->vlan, ==, 0);
  put_back_well (self);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 2)->vlan, ==, 7);

  self->nic.not_supported = BAL_VF_SET_VLAN;
  g_autoptr (GError) error = NULL;
  g_assert_false (apply (self, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
}

/* What igb does not have. */
static void
test_refusals_are_told (Case *self, gconstpointer data)
{
  self->nic.not_supported = BAL_VF_SET_MIN_RATE | BAL_VF_SET_LINK_STATE;
  apply_well (self);
  g_assert_cmpuint (self->refused, ==, BAL_VF_SET_MIN_RATE | BAL_VF_SET_LINK_STATE);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 2)->max_rate_mbps, ==, 500);
  g_assert_cmpuint (vf_nic_vf (&self->nic, 2)->min_rate_mbps, ==, 0);
  put_back_well (self);

  self->nic.not_supported = BAL_VF_SET_MIN_RATE | BAL_VF_SET_MAX_RATE;
  apply_well (self);
  g_assert_cmpuint (self->refused, ==, BAL_VF_SET_MIN_RATE | BAL_VF_SET_MAX_RATE);
}

static void
test_demands_are_errors (Case *self, gconstpointer data)
{
  static const guint demands[] = {BAL_VF_SET_MIN_RATE, BAL_VF_SET_MAC, BAL_VF_SET_VLAN,
                                  BAL_VF_SET_TRUST, BAL_VF_SET_SPOOFCHK};
  ask_for_all (self);
  self->request.needs_minimum = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (demands); i++)
    {
      g_autoptr (GError) error = NULL;
      self->nic.not_supported = demands[i];
      g_assert_false (apply (self, &error));
      g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
      put_back_well (self);
    }
}

/* What is no refusal is an error, demanded or not. */
static void
test_broken_nic (Case *self, gconstpointer data)
{
  static const guint broken[] = {BAL_VF_SET_MAX_RATE, BAL_VF_SET_LINK_STATE};
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_autoptr (GError) error = NULL;
      self->nic.broken = broken[i];
      g_assert_false (apply (self, &error));
      g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK);
      self->nic.broken = 0;
      put_back_well (self);
    }
}

static void
test_put_back_is_verified (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  ask_for_all (self);
  apply_well (self);
  self->nic.is_silent = TRUE;
  g_assert_false (
    bal_vf_settings_put_back (&self->reach, "eth0", 2, &self->before, self->mask, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE);
  g_assert_nonnull (strstr (error->message, "mac, vlan, max-rate, min-rate, trust, spoofchk"));
  g_assert_null (strstr (error->message, "link-state"));
  g_clear_error (&error);

  /* One that cannot be put back does not keep the others from it. */
  self->nic.is_silent = FALSE;
  self->nic.not_supported = BAL_VF_SET_MAC;
  g_assert_false (
    bal_vf_settings_put_back (&self->reach, "eth0", 2, &self->before, self->mask, &error));
  g_assert_nonnull (strstr (error->message, "(mac): Cannot set mac"));
  self->nic.not_supported = 0;
  put_back_well (self);
}

static void
test_put_back_twice (Case *self, gconstpointer data)
{
  apply_well (self);
  put_back_well (self);
  self->nic.n_sets = 0;
  put_back_well (self);
  g_assert_cmpuint (self->nic.n_sets, ==, 0);
  g_autoptr (GError) error = NULL;
  g_assert_false (
    bal_vf_settings_put_back (&self->reach, "eth0", 9, &self->before, self->mask, &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

static void
test_unknown_switches_do_not_differ (Case *self, gconstpointer data)
{
  BalVfSettings other = self->before;
  other.trust = BAL_VF_UNSET;
  g_assert_cmpuint (bal_vf_settings_differ (&self->before, &other, BAL_VF_SET_ALL), ==, 0);
  other.trust = BAL_VF_ON;
  g_assert_cmpuint (bal_vf_settings_differ (&self->before, &other, BAL_VF_SET_ALL), ==,
                    BAL_VF_SET_TRUST);
  g_assert_cmpuint (bal_vf_settings_differ (&self->before, &other, BAL_VF_SET_MAC), ==, 0);
}

/* The kernel's answers: an interface without VFs, and none at all. */
static void
test_netlink (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfNetlink) netlink = bal_vf_netlink_new (&error);
  g_assert_no_error (error);
  BalVfNic nic = bal_vf_netlink_nic (netlink);
  BalVfSettings settings = {.mac = BAL_VF_MAC_NONE};

  g_autoptr (GArray) none = nic.read (nic.data, "lo", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_null (nic.read (nic.data, "no-such-if", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK);
  g_clear_error (&error);
  for (guint which = 1; which < BAL_VF_SET_ALL; which <<= 1)
    {
      if (which == BAL_VF_SET_MIN_RATE)
        continue;
      g_assert_false (nic.set (nic.data, "lo", 0, (BalVfSet)which, &settings, &error));
      g_assert_nonnull (strstr (error->message, bal_vf_set_name (which)));
      g_clear_error (&error);
    }
}

/* VF 1 with all, VF 0 with its MAC alone and what cannot be, in the kernel's order of old: from the
 * highest. */
static struct nl_msg *
build_answer (void)
{
  struct ifinfomsg head = {.ifi_index = 1};
  struct ifla_vf_mac mac = {.vf = 1, .mac = {0x52, 0x54, 0, 0, 0, 0xab}};
  struct ifla_vf_vlan vlan = {.vf = 1, .vlan = 100};
  struct ifla_vf_rate rate = {.vf = 1, .min_tx_rate = 300, .max_tx_rate = 500};
  struct ifla_vf_spoofchk spoofchk = {.vf = 1, .setting = 0};
  struct ifla_vf_trust trust = {.vf = 1, .setting = 1};
  struct ifla_vf_link_state state = {.vf = 1, .link_state = IFLA_VF_LINK_STATE_DISABLE};
  struct nl_msg *message = nlmsg_alloc_simple (RTM_NEWLINK, 0);

  nlmsg_append (message, &head, sizeof head, NLMSG_ALIGNTO);
  struct nlattr *list = nla_nest_start (message, IFLA_VFINFO_LIST);
  struct nlattr *info = nla_nest_start (message, IFLA_VF_INFO);
  nla_put (message, IFLA_VF_MAC, sizeof mac, &mac);
  nla_put (message, IFLA_VF_VLAN, sizeof vlan, &vlan);
  nla_put (message, IFLA_VF_RATE, sizeof rate, &rate);
  nla_put (message, IFLA_VF_SPOOFCHK, sizeof spoofchk, &spoofchk);
  nla_put (message, IFLA_VF_TRUST, sizeof trust, &trust);
  nla_put (message, IFLA_VF_LINK_STATE, sizeof state, &state);
  nla_nest_end (message, info);

  mac.vf = 0;
  trust.setting = G_MAXUINT32;
  info = nla_nest_start (message, IFLA_VF_INFO);
  nla_put (message, IFLA_VF_MAC, sizeof mac, &mac);
  nla_put (message, IFLA_VF_RATE, 4, &rate);
  nla_put (message, IFLA_VF_TRUST, sizeof trust, &trust);
  nla_nest_end (message, info);
  nla_nest_end (message, list);
  return message;
}

static void
test_netlink_answer (void)
{
  struct nl_msg *message = build_answer ();
  g_autoptr (GArray) all = bal_vf_netlink_parse (nlmsg_hdr (message));

  nlmsg_free (message);
  g_assert_cmpuint (all->len, ==, 2);
  const BalVfSettings *vf = &g_array_index (all, BalVfSettings, 1);
  g_assert_cmpstr (vf->mac, ==, "52:54:00:00:00:ab");
  g_assert_cmpuint (vf->vlan, ==, 100);
  g_assert_cmpuint (vf->max_rate_mbps, ==, 500);
  g_assert_cmpuint (vf->min_rate_mbps, ==, 300);
  g_assert_cmpint (vf->spoofchk, ==, BAL_VF_OFF);
  g_assert_cmpint (vf->trust, ==, BAL_VF_ON);
  g_assert_cmpint (vf->link_state, ==, BAL_VF_LINK_DISABLE);
  vf = &g_array_index (all, BalVfSettings, 0);
  g_assert_cmpstr (vf->mac, ==, "52:54:00:00:00:ab");
  g_assert_cmpuint (vf->max_rate_mbps, ==, 0);
  g_assert_cmpint (vf->spoofchk, ==, BAL_VF_UNSET);
  g_assert_cmpint (vf->trust, ==, BAL_VF_UNSET);
  g_assert_cmpint (vf->link_state, ==, BAL_VF_LINK_AUTO);
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-settings/least", test_least);
  ADD ("/vf-settings/all", test_all);
  ADD ("/vf-settings/stale-vlan", test_stale_vlan);
  ADD ("/vf-settings/refusals-are-told", test_refusals_are_told);
  ADD ("/vf-settings/demands-are-errors", test_demands_are_errors);
  ADD ("/vf-settings/broken-nic", test_broken_nic);
  ADD ("/vf-settings/put-back-is-verified", test_put_back_is_verified);
  ADD ("/vf-settings/put-back-twice", test_put_back_twice);
  ADD ("/vf-settings/unknown-switches", test_unknown_switches_do_not_differ);
  g_test_add_func ("/vf-settings/netlink-answer", test_netlink_answer);
  g_test_add_func ("/vf-settings/netlink", test_netlink);
  return g_test_run ();
}
