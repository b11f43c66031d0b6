/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-nic.h"

#include "host-hook/vf-error.h"

#include <string.h>

void
vf_nic_init (VfNic *self, guint n_vfs)
{
  BalVfSettings settings = {.mac = BAL_VF_MAC_NONE, .spoofchk = BAL_VF_ON, .trust = BAL_VF_OFF};

  *self = (VfNic){.vfs = g_array_new (FALSE, TRUE, sizeof settings)};
  for (guint i = 0; i < n_vfs; i++)
    g_array_append_val (self->vfs, settings);
}

void
vf_nic_clear (VfNic *self)
{
  g_array_unref (self->vfs);
}

BalVfSettings *
vf_nic_vf (VfNic *self, guint index)
{
  return &g_array_index (self->vfs, BalVfSettings, index);
}

static gboolean
is_dead (const VfNic *self)
{
  return self->dies_after != 0 && self->n_sets >= self->dies_after;
}

static GArray *
nic_read (gpointer data, const char *pf_netdev, GError **error)
{
  VfNic *self = data;

  if (is_dead (self))
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NETLINK, "Cannot read %s", pf_netdev);
      return NULL;
    }
  return g_array_copy (self->vfs);
}

static gboolean
fail (GError **error, BalVfError code, guint which)
{
  g_set_error (error, BAL_VF_ERROR, (int)code, "Cannot set %s", bal_vf_set_name (which));
  return FALSE;
}

static void
change (BalVfSettings *vf, BalVfSet which, const BalVfSettings *values)
{
  if (which == BAL_VF_SET_MAC)
    memcpy (vf->mac, values->mac, sizeof vf->mac);
  else if (which == BAL_VF_SET_VLAN)
    vf->vlan = values->vlan;
  else if (which == BAL_VF_SET_TRUST)
    vf->trust = values->trust;
  else if (which == BAL_VF_SET_SPOOFCHK)
    vf->spoofchk = values->spoofchk;
  else if (which == BAL_VF_SET_LINK_STATE)
    vf->link_state = values->link_state;
  else
    {
      vf->max_rate_mbps = values->max_rate_mbps;
      vf->min_rate_mbps = values->min_rate_mbps;
    }
}

static gboolean
nic_set (gpointer data,
         const char *pf_netdev,
         guint index,
         BalVfSet which,
         const BalVfSettings *values,
         GError **error)
{
  VfNic *self = data;

  g_assert_cmpuint (which, !=, BAL_VF_SET_MIN_RATE);
  g_assert_cmpuint (index, <, self->vfs->len);
  if (is_dead (self) || (self->broken & which) != 0)
    return fail (error, BAL_VF_ERROR_NETLINK, which);
  self->n_sets++;
  if ((self->not_supported & which) != 0
      || (which == BAL_VF_SET_MAX_RATE && (self->not_supported & BAL_VF_SET_MIN_RATE) != 0
          && values->min_rate_mbps != 0))
    return fail (error, BAL_VF_ERROR_HARDWARE, which);
  if (!self->is_silent)
    change (vf_nic_vf (self, index), which, values);
  return TRUE;
}

BalVfNic
vf_nic (VfNic *self)
{
  return (BalVfNic){.data = self, .read = nic_read, .set = nic_set};
}
