/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-domains.h"

#include "host-hook/failure.h"
#include "host-hook/vf-interface.h"
#include "vf-fixture.h"

#include <stdio.h>
#include <string.h>

static void
domain_free (gpointer data)
{
  VfTestDomain *self = data;

  g_free (self->uuid);
  g_free (self->metadata[0]);
  g_free (self->metadata[1]);
  g_string_free (self->devices, TRUE);
  g_free (self);
}

void
vf_domains_init (VfDomains *self, const TestRoot *root)
{
  *self = (VfDomains){.root = root, .domains = g_ptr_array_new_with_free_func (domain_free)};
}

void
vf_domains_clear (VfDomains *self)
{
  g_ptr_array_unref (self->domains);
}

VfTestDomain *
vf_domains_add (VfDomains *self, guint domain)
{
  VfTestDomain *added = g_new0 (VfTestDomain, 1);

  added->uuid = g_strdup (vf_uuid (domain));
  added->is_active = added->is_persistent = added->has_booted = TRUE;
  added->devices = g_string_new (NULL);
  g_ptr_array_add (self->domains, added);
  return added;
}

/* --- being cut off --- */

gboolean
vf_domains_is_dead (VfDomains *self)
{
  self->n_steps++;
  if (self->dies_at == 0 || self->n_steps < self->dies_at)
    return FALSE;
  if (self->n_steps == self->dies_at && self->on_death != NULL)
    self->on_death (self->user_data);
  return TRUE;
}

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_FAILED, message);
  return FALSE;
}

/* A call that asks: it is no place to be cut off, but nothing is said after one. */
static VfTestDomain *
find (VfDomains *self, const char *uuid, GError **error)
{
  if (self->dies_at != 0 && self->n_steps >= self->dies_at)
    {
      fail (error, "it is dead");
      return NULL;
    }
  for (guint i = 0; i < self->domains->len; i++)
    {
      VfTestDomain *domain = self->domains->pdata[i];
      if (strcmp (domain->uuid, uuid) == 0 && (domain->is_active || domain->is_persistent))
        return domain;
    }
  fail (error, "there is no such domain");
  return NULL;
}

/* A change is cut off before it is made. */
static VfTestDomain *
begin (VfDomains *self, const char *uuid, GError **error)
{
  if (vf_domains_is_dead (self))
    {
      fail (error, "it is dead");
      return NULL;
    }
  self->n_changes++;
  return find (self, uuid, error);
}

/* Or when it has been. */
static gboolean
end (VfDomains *self, GError **error)
{
  return !vf_domains_is_dead (self) || fail (error, "it is dead");
}

/* --- what it has --- */

static char *
print (const VfTestDomain *domain, BalVfWhere where)
{
  const char *metadata = domain->metadata[where];

  return g_strdup_printf ("<domain><uuid>%s</uuid><metadata>%s</metadata><devices>%s</devices>"
                          "</domain>",
                          domain->uuid, metadata == NULL ? "" : metadata,
                          where == BAL_VF_LIVE ? domain->devices->str : "");
}

static GArray *
list_held (const VfTestDomain *domain)
{
  g_autofree char *xml = print (domain, BAL_VF_LIVE);
  g_autoptr (GError) error = NULL;
  GArray *held = bal_vf_interface_list_held (xml, &error);

  g_assert_no_error (error);
  return held;
}

gboolean
vf_domains_has (const VfTestDomain *domain, const char *pci)
{
  g_autoptr (GArray) held = list_held (domain);
  return bal_vf_interface_has (held, pci, NULL);
}

gboolean
vf_domains_asks (const VfTestDomain *domain, BalVfWhere where, const char *port)
{
  g_autofree char *xml = print (domain, where);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) ports = bal_vf_request_from_domain_xml (xml, NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < ports->len; i++)
    if (strcmp (g_array_index (ports, BalVfRequest, i).port, port) == 0)
      return TRUE;
  return FALSE;
}

typedef struct
{
  const TestRoot *root;
  guint pf;
  guint vf;
} Late;

static gpointer
come_back (gpointer data)
{
  Late *self = data;

  g_usleep (200 * 1000);
  vf_tree_take_back_vf (self->root, self->pf, self->vf);
  g_free (self);
  return NULL;
}

/* vf-tree.h's numbers. */
static void
pass (VfDomains *self, const char *pci, gboolean is_given)
{
  guint pf, slot, function;

  g_assert_cmpint (sscanf (pci, "0000:%x:%x.%x", &pf, &slot, &function), ==, 3);
  Late late = {self->root, pf, (slot - 0x10) * 8 + function};
  if (is_given)
    vf_tree_pass_vf (self->root, late.pf, late.vf, TRUE);
  else
    vf_tree_take_back_vf (self->root, late.pf, late.vf);
  if (is_given || !self->is_slow)
    return;
  vf_tree_remove_vf_netdev (self->root, late.pf, late.vf);
  g_thread_unref (g_thread_new ("late", come_back, g_memdup2 (&late, sizeof late)));
}

void
vf_domains_stop (VfDomains *self, VfTestDomain *domain)
{
  g_autoptr (GArray) held = list_held (domain);

  for (guint i = 0; i < held->len; i++)
    pass (self, g_array_index (held, BalVfHeld, i).pci, FALSE);
  g_string_truncate (domain->devices, 0);
  g_clear_pointer (&domain->metadata[BAL_VF_LIVE], g_free);
  domain->is_active = FALSE;
}

void
vf_domains_give (VfDomains *self, VfTestDomain *domain, const char *pci, const char *mac)
{
  guint bus, slot, function;

  g_assert_cmpint (sscanf (pci, "0000:%x:%x.%x", &bus, &slot, &function), ==, 3);
  g_string_append_printf (domain->devices,
                          "<interface type='hostdev'><mac address='%s'/><source><address "
                          "type='pci' bus='%u' slot='%u' function='%u'/></source></interface>",
                          mac, bus, slot, function);
  pass (self, pci, TRUE);
}

/* --- what it is asked --- */

static GPtrArray *
list (gpointer data, GError **error)
{
  VfDomains *self = data;
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_domain_free);

  for (guint i = 0; i < self->domains->len; i++)
    {
      const VfTestDomain *domain = self->domains->pdata[i];
      g_autoptr (GArray) held = list_held (domain);

      if (!domain->is_active)
        continue;
      BalVfDomain *item = bal_vf_domain_new (domain->uuid);
      item->is_busy = domain->is_busy;
      for (guint j = 0; j < held->len; j++)
        g_ptr_array_add (item->vf_pcis, g_strdup (g_array_index (held, BalVfHeld, j).pci));
      g_ptr_array_add (found, item);
    }
  self->n_lists++;
  return found;
}

static gboolean
look (gpointer data, const char *uuid, BalVfStanding *out, GError **error)
{
  VfDomains *self = data;
  g_autoptr (GError) cause = NULL;
  const VfTestDomain *domain;

  if (self->on_look != NULL)
    self->on_look (self->user_data);
  domain = find (self, uuid, &cause);
  *out = (BalVfStanding){0};
  if (domain == NULL)
    return self->dies_at == 0 || self->n_steps < self->dies_at || fail (error, "it is dead");
  *out = (BalVfStanding){
    .is_known = TRUE,
    .is_active = domain->is_active,
    .is_busy = domain->is_busy,
    .is_persistent = domain->is_persistent,
    .has_booted = domain->has_booted,
  };
  if (self->n_busy_looks > 0 && --self->n_busy_looks == 0)
    for (guint i = 0; i < self->domains->len; i++)
      ((VfTestDomain *)self->domains->pdata[i])->is_busy = FALSE;
  return TRUE;
}

static char *
read_xml (gpointer data, const char *uuid, BalVfWhere where, GError **error)
{
  VfDomains *self = data;
  const VfTestDomain *domain;

  if (self->on_read != NULL)
    self->on_read (self->user_data);
  domain = find (self, uuid, error);
  return domain == NULL ? NULL : print (domain, where);
}

/* The device of a lone element. */
static char *
address_of (const char *interface)
{
  g_autofree char *xml = g_strdup_printf ("<domain><devices>%s</devices></domain>", interface);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) held = bal_vf_interface_list_held (xml, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (held->len, ==, 1);
  return g_strdup (g_array_index (held, BalVfHeld, 0).pci);
}

static gboolean
attach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  VfDomains *self = data;
  g_autofree char *pci = address_of (interface);
  VfTestDomain *domain = begin (self, uuid, error);

  if (domain == NULL)
    return FALSE;
  if (self->on_attach != NULL)
    self->on_attach (self->user_data);
  if (self->attach_fails != NULL)
    return fail (error, self->attach_fails);
  if (!domain->is_active)
    return fail (error, "the domain is not running");
  g_assert_false (vf_domains_has (domain, pci));
  if (self->forgets_to_write)
    return TRUE;
  g_string_append (domain->devices, interface);
  if (self->mistakes_mac)
    g_string_replace (domain->devices, "mac address='02:", "mac address='06:", 0);
  pass (self, pci, TRUE);
  return end (self, error);
}

static gboolean
detach (gpointer data, const char *uuid, const char *interface, GError **error)
{
  VfDomains *self = data;
  g_autofree char *pci = address_of (interface);
  VfTestDomain *domain = begin (self, uuid, error);
  char *found;

  if (domain == NULL)
    return FALSE;
  if (self->detach_fails != NULL)
    return fail (error, self->detach_fails);
  if (domain->keeps_vfs && self->n_asked++ > 0)
    return fail (error, "Device hostdev0 is already in the process of unplug");
  if (domain->keeps_vfs)
    return TRUE;
  /* Written by xmlNodeDump(), it has other quotation marks than what was attached. */
  g_string_replace (domain->devices, "'", "\"", 0);
  found = strstr (domain->devices->str, interface);
  g_assert_nonnull (found);
  g_string_erase (domain->devices, found - domain->devices->str, (gssize)strlen (interface));
  pass (self, pci, FALSE);
  return end (self, error);
}

static gboolean
write_metadata (
  gpointer data, const char *uuid, BalVfWhere where, const char *element, GError **error)
{
  VfDomains *self = data;
  VfTestDomain *domain = begin (self, uuid, error);

  if (domain == NULL)
    return FALSE;
  if (where == BAL_VF_LIVE && !domain->is_active)
    return fail (error, "the domain is not running");
  g_clear_pointer (&domain->metadata[where], g_free);
  if (element != NULL)
    domain->metadata[where] =
      g_strdup_printf ("<ports xmlns='urn:x-ballast:vf:1'%s", element + strlen ("<ports"));
  return end (self, error);
}

static gboolean
destroy (gpointer data, const char *uuid, GError **error)
{
  VfDomains *self = data;
  VfTestDomain *domain = begin (self, uuid, error);

  if (domain == NULL)
    return FALSE;
  vf_domains_stop (self, domain);
  if (self->on_destroy != NULL)
    self->on_destroy (self->user_data, uuid);
  return end (self, error);
}

BalVfLibvirt
vf_domains_libvirt (VfDomains *self)
{
  return (BalVfLibvirt){
    .data = self,
    .list = list,
    .look = look,
    .read_xml = read_xml,
    .attach = attach,
    .detach = detach,
    .write_metadata = write_metadata,
    .destroy = destroy,
  };
}
