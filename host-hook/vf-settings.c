/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-settings.h"

#include "host-hook/vf-error.h"

#include <string.h>

#define RATES (BAL_VF_SET_MAX_RATE | BAL_VF_SET_MIN_RATE)

const char *
bal_vf_set_name (guint which)
{
  static const struct
  {
    BalVfSet which;
    const char *name;
  } names[] = {
    {BAL_VF_SET_MAC, "mac"},
    {BAL_VF_SET_VLAN, "vlan"},
    {BAL_VF_SET_MAX_RATE, "max-rate"},
    {BAL_VF_SET_MIN_RATE, "min-rate"},
    {BAL_VF_SET_TRUST, "trust"},
    {BAL_VF_SET_SPOOFCHK, "spoofchk"},
    {BAL_VF_SET_LINK_STATE, "link-state"},
  };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i].which == which)
      return names[i].name;
  g_assert_not_reached ();
}

guint
bal_vf_settings_wanted (const BalVfRequest *request,
                        const BalVfSettings *before,
                        BalVfSettings *out)
{
  guint mask = RATES | BAL_VF_SET_LINK_STATE;

  *out = *before;
  out->max_rate_mbps = request->bandwidth_mbps;
  out->min_rate_mbps = request->bandwidth_mbps;
  out->link_state = BAL_VF_LINK_AUTO;
  /* A VLAN that somebody left there would send the guest elsewhere. */
  out->vlan = request->vlan;
  if (out->vlan != before->vlan)
    mask |= BAL_VF_SET_VLAN;
  if (request->mac != NULL)
    {
      mask |= BAL_VF_SET_MAC;
      g_strlcpy (out->mac, request->mac, sizeof out->mac);
    }
  if (request->trust != BAL_VF_UNSET)
    {
      mask |= BAL_VF_SET_TRUST;
      out->trust = request->trust;
    }
  if (request->spoofchk != BAL_VF_UNSET)
    {
      mask |= BAL_VF_SET_SPOOFCHK;
      out->spoofchk = request->spoofchk;
    }
  return mask;
}

guint
bal_vf_settings_demanded (const BalVfRequest *request)
{
  /* Not to be in a stranger's VLAN is demanded as well. */
  guint mask = BAL_VF_SET_VLAN;

  mask |= request->needs_minimum ? BAL_VF_SET_MIN_RATE : 0;
  mask |= request->mac != NULL ? BAL_VF_SET_MAC : 0;
  mask |= request->trust != BAL_VF_UNSET ? BAL_VF_SET_TRUST : 0;
  mask |= request->spoofchk != BAL_VF_UNSET ? BAL_VF_SET_SPOOFCHK : 0;
  return mask;
}

static gboolean
switches_differ (BalVfSwitch a, BalVfSwitch b)
{
  return a != BAL_VF_UNSET && b != BAL_VF_UNSET && a != b;
}

guint
bal_vf_settings_differ (const BalVfSettings *a, const BalVfSettings *b, guint mask)
{
  guint differ = 0;

  differ |= strcmp (a->mac, b->mac) != 0 ? BAL_VF_SET_MAC : 0;
  differ |= a->vlan != b->vlan ? BAL_VF_SET_VLAN : 0;
  differ |= a->max_rate_mbps != b->max_rate_mbps ? BAL_VF_SET_MAX_RATE : 0;
  differ |= a->min_rate_mbps != b->min_rate_mbps ? BAL_VF_SET_MIN_RATE : 0;
  differ |= switches_differ (a->trust, b->trust) ? BAL_VF_SET_TRUST : 0;
  differ |= switches_differ (a->spoofchk, b->spoofchk) ? BAL_VF_SET_SPOOFCHK : 0;
  differ |= a->link_state != b->link_state ? BAL_VF_SET_LINK_STATE : 0;
  return differ & mask;
}

/* --- setting --- */

/* A refusal of what is not demanded is no error. */
static gboolean
settle (guint which, guint demanded, GError *cause, guint *refused, GError **error)
{
  if (cause == NULL)
    return TRUE;
  if (g_error_matches (cause, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE) && (which & demanded) == 0)
    {
      *refused |= which;
      g_error_free (cause);
      return TRUE;
    }
  g_propagate_error (error, cause);
  return FALSE;
}

/* Both together first; where the NIC does not guarantee, the limit alone. */
static gboolean
apply_rates (const BalVfNic *nic,
             const char *pf_netdev,
             guint index,
             const BalVfSettings *wanted,
             guint demanded,
             guint *refused,
             GError **error)
{
  BalVfSettings limit_only = *wanted;
  GError *cause = NULL;

  if (nic->set (nic->data, pf_netdev, index, BAL_VF_SET_MAX_RATE, wanted, &cause))
    return TRUE;
  /* Both go to the NIC at once: who demanded one is not to read of the other alone. */
  if ((demanded & BAL_VF_SET_MIN_RATE) != 0)
    g_prefix_error (&cause, "The bandwidth cannot be guaranteed: ");
  if (!settle (BAL_VF_SET_MIN_RATE, demanded, cause, refused, error))
    return FALSE;
  cause = NULL;
  limit_only.min_rate_mbps = 0;
  nic->set (nic->data, pf_netdev, index, BAL_VF_SET_MAX_RATE, &limit_only, &cause);
  return settle (BAL_VF_SET_MAX_RATE, demanded, cause, refused, error);
}

gboolean
bal_vf_settings_apply (const BalVfNic *nic,
                       const char *pf_netdev,
                       guint index,
                       const BalVfSettings *wanted,
                       guint mask,
                       guint demanded,
                       guint *refused,
                       GError **error)
{
  *refused = 0;
  if ((mask & RATES) != 0 && !apply_rates (nic, pf_netdev, index, wanted, demanded, refused, error))
    return FALSE;
  for (guint which = 1; which < BAL_VF_SET_ALL; which <<= 1)
    {
      GError *cause = NULL;

      if ((mask & which & ~RATES) == 0)
        continue;
      nic->set (nic->data, pf_netdev, index, (BalVfSet)which, wanted, &cause);
      if (!settle (which, demanded, cause, refused, error))
        return FALSE;
    }
  return TRUE;
}

/* --- putting back --- */

static gboolean
read_one (
  const BalVfNic *nic, const char *pf_netdev, guint index, BalVfSettings *out, GError **error)
{
  g_autoptr (GArray) all = nic->read (nic->data, pf_netdev, error);

  if (all == NULL)
    return FALSE;
  if (index >= all->len)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
                   "%s has no VF %u any more; nothing was put back", pf_netdev, index);
      return FALSE;
    }
  *out = g_array_index (all, BalVfSettings, index);
  return TRUE;
}

static char *
name_all (guint mask)
{
  GString *names = g_string_new (NULL);

  for (guint which = 1; which < BAL_VF_SET_ALL; which <<= 1)
    if ((mask & which) != 0)
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", bal_vf_set_name (which));
  return g_string_free (names, FALSE);
}

gboolean
bal_vf_settings_put_back (const BalVfNic *nic,
                          const char *pf_netdev,
                          guint index,
                          const BalVfSettings *before,
                          guint mask,
                          GError **error)
{
  g_autoptr (GError) cause = NULL;
  BalVfSettings now;

  if (!read_one (nic, pf_netdev, index, &now, error))
    return FALSE;
  guint differ = bal_vf_settings_differ (&now, before, mask);
  guint to_set = (differ & RATES) != 0 ? (differ & ~RATES) | BAL_VF_SET_MAX_RATE : differ;
  for (guint which = 1; which < BAL_VF_SET_ALL; which <<= 1)
    if ((to_set & which) != 0)
      nic->set (nic->data, pf_netdev, index, (BalVfSet)which, before,
                cause == NULL ? &cause : NULL);
  if (differ == 0)
    return TRUE;

  if (!read_one (nic, pf_netdev, index, &now, error))
    return FALSE;
  differ = bal_vf_settings_differ (&now, before, mask);
  if (differ == 0)
    return TRUE;
  g_autofree char *names = name_all (differ);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_HARDWARE,
               "VF %u of %s still has settings that Ballast made (%s)%s%s; it is not handed out",
               index, pf_netdev, names, cause != NULL ? ": " : "",
               cause != NULL ? cause->message : "");
  return FALSE;
}
