/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-book.h"

#include "host-hook/vf-error.h"

#include <string.h>

struct _BalVfBook
{
  GHashTable *entries; /* key -> BalVfEntry, owned */
  GHashTable *vfs;     /* VF's PCI address -> entry */
  GHashTable *macs;    /* requested MAC -> entry */
  GHashTable *sums;    /* PF's PCI address -> guint64, Mbit/s */
};

/* From a state (row) to a state. */
static const gboolean transitions[BAL_VF_STATES][BAL_VF_STATES] = {
  /*                     reserved attached failed releasing */
  [BAL_VF_RESERVED] = {TRUE, TRUE, TRUE, TRUE},
  /* Back when the domain starts anew and nobody heard that it had stopped. */
  [BAL_VF_ATTACHED] = {TRUE, TRUE, TRUE, TRUE},
  [BAL_VF_FAILED] = {TRUE, TRUE, TRUE, TRUE},
  [BAL_VF_RELEASING] = {FALSE, FALSE, FALSE, TRUE},
};

/* Neither a UUID nor a token has a slash. */
static char *
key_of (const char *uuid, const char *port)
{
  return g_strconcat (uuid, "/", port, NULL);
}

BalVfBook *
bal_vf_book_new (void)
{
  BalVfBook *self = g_new0 (BalVfBook, 1);
  self->entries =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)bal_vf_entry_free);
  self->vfs = g_hash_table_new (g_str_hash, g_str_equal);
  self->macs = g_hash_table_new (g_str_hash, g_str_equal);
  self->sums = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
bal_vf_book_free (BalVfBook *self)
{
  g_hash_table_unref (self->vfs);
  g_hash_table_unref (self->macs);
  g_hash_table_unref (self->sums);
  g_hash_table_unref (self->entries);
  g_free (self);
}

/* --- questions --- */

guint
bal_vf_book_size (const BalVfBook *self)
{
  return g_hash_table_size (self->entries);
}

const BalVfEntry *
bal_vf_book_find (const BalVfBook *self, const char *uuid, const char *port)
{
  g_autofree char *key = key_of (uuid, port);
  return g_hash_table_lookup (self->entries, key);
}

const BalVfEntry *
bal_vf_book_find_vf (const BalVfBook *self, const char *vf_pci)
{
  return g_hash_table_lookup (self->vfs, vf_pci);
}

const BalVfEntry *
bal_vf_book_find_mac (const BalVfBook *self, const char *mac)
{
  return g_hash_table_lookup (self->macs, mac);
}

guint64
bal_vf_book_allocated_mbps (const BalVfBook *self, const char *pf_pci)
{
  const guint64 *sum = g_hash_table_lookup (self->sums, pf_pci);
  return sum == NULL ? 0 : *sum;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const BalVfEntry *first = *(const BalVfEntry *const *)a;
  const BalVfEntry *second = *(const BalVfEntry *const *)b;

  if (first->created_us != second->created_us)
    return first->created_us < second->created_us ? -1 : 1;
  int order = strcmp (first->request.uuid, second->request.uuid);
  return order != 0 ? order : strcmp (first->request.port, second->request.port);
}

GPtrArray *
bal_vf_book_list (const BalVfBook *self, const char *uuid)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    if (uuid == NULL || strcmp (((BalVfEntry *)entry)->request.uuid, uuid) == 0)
      g_ptr_array_add (list, entry);
  g_ptr_array_sort (list, compare_entries);
  return list;
}

/* --- rules --- */

static gboolean
conflict (GError **error, const BalVfEntry *entry, const char *what)
{
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT, "Port %s of domain %s %s",
               entry->request.port, entry->request.uuid, what);
  return FALSE;
}

static gboolean
check_bandwidth (const BalVfBook *self, const BalVfEntry *entry, GError **error)
{
  guint64 taken = bal_vf_book_allocated_mbps (self, entry->pf_pci);

  if (taken + entry->request.bandwidth_mbps < entry->capacity_mbps)
    return TRUE;
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED,
               "%s cannot give %u Mbit/s: %" G_GUINT64_FORMAT
               " of %u Mbit/s are taken; nothing was reserved",
               entry->pf_netdev, entry->request.bandwidth_mbps, taken, entry->capacity_mbps);
  return FALSE;
}

/* VF and MAC are nobody else's. */
static gboolean
check_unique (const BalVfBook *self,
              const BalVfEntry *entry,
              const BalVfEntry *before,
              GError **error)
{
  const BalVfEntry *other = bal_vf_book_find_vf (self, entry->vf_pci);

  if (other != NULL && other != before)
    return conflict (error, other, "has that VF; nothing was reserved");
  other = entry->request.mac == NULL ? NULL : bal_vf_book_find_mac (self, entry->request.mac);
  if (other != NULL && other != before)
    return conflict (error, other, "has that MAC address; nothing was reserved");
  return TRUE;
}

static gboolean
keeps_originals (const BalVfEntry *before, const BalVfEntry *entry)
{
  return before->set == 0 || strcmp (before->boot_id, entry->boot_id) != 0
         || (strcmp (before->vf_pci, entry->vf_pci) == 0 && (before->set & ~entry->set) == 0
             && bal_vf_settings_differ (&before->before, &entry->before, BAL_VF_SET_ALL) == 0);
}

static gboolean
check_change (const BalVfEntry *before, const BalVfEntry *entry, GError **error)
{
  gboolean same_vf = strcmp (before->vf_pci, entry->vf_pci) == 0
                     && strcmp (before->pf_pci, entry->pf_pci) == 0
                     && before->vf_index == entry->vf_index;

  if (!transitions[before->state][entry->state])
    return conflict (error, before, "is being released; it was left as it is");
  if (!bal_vf_request_equal (&before->request, &entry->request))
    return conflict (error, before, "was asked for with other values; it was left as it is");
  if (!keeps_originals (before, entry))
    return conflict (error, before, "would lose the settings to go back to; it was left as it is");
  if (!same_vf && entry->state != BAL_VF_RESERVED)
    return conflict (error, before, "would get another VF; it was left as it is");
  return TRUE;
}

gboolean
bal_vf_book_check_put (const BalVfBook *self, const BalVfEntry *entry, GError **error)
{
  const BalVfEntry *before = bal_vf_book_find (self, entry->request.uuid, entry->request.port);

  if (before != NULL && !check_change (before, entry, error))
    return FALSE;
  if (!check_unique (self, entry, before, error))
    return FALSE;
  /* A capacity that has shrunk since is no reason to keep what a port has from being recorded. */
  if (before != NULL && strcmp (before->pf_pci, entry->pf_pci) == 0)
    return TRUE;
  if (before == NULL && entry->state != BAL_VF_RESERVED)
    return conflict (error, entry, "was never reserved; nothing was changed");
  return check_bandwidth (self, entry, error);
}

gboolean
bal_vf_book_check_keep (const BalVfBook *self, const BalVfEntry *entry, GError **error)
{
  if (bal_vf_book_find (self, entry->request.uuid, entry->request.port) != NULL)
    return conflict (error, entry, "is there already; it was left as it is");
  return check_unique (self, entry, NULL, error);
}

gboolean
bal_vf_book_check_remove (const BalVfBook *self, const char *uuid, const char *port, GError **error)
{
  const BalVfEntry *entry = bal_vf_book_find (self, uuid, port);

  if (entry == NULL)
    {
      g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND,
                   "Port %s of domain %s has no VF here; nothing was changed", port, uuid);
      return FALSE;
    }
  return entry->state == BAL_VF_RELEASING || entry->state == BAL_VF_ATTACHED
         || conflict (error, entry, "is neither being released nor attached; it was left as it is");
}

/* --- changes --- */

static void
add_to_sum (BalVfBook *self, const char *pf_pci, gint64 mbps)
{
  guint64 *sum = g_hash_table_lookup (self->sums, pf_pci);

  if (sum == NULL)
    {
      sum = g_new0 (guint64, 1);
      g_hash_table_insert (self->sums, g_strdup (pf_pci), sum);
    }
  *sum += (guint64)mbps;
}

void
bal_vf_book_remove (BalVfBook *self, const char *uuid, const char *port)
{
  g_autofree char *key = key_of (uuid, port);
  BalVfEntry *entry = g_hash_table_lookup (self->entries, key);

  if (entry == NULL)
    return;
  g_hash_table_remove (self->vfs, entry->vf_pci);
  if (entry->request.mac != NULL)
    g_hash_table_remove (self->macs, entry->request.mac);
  add_to_sum (self, entry->pf_pci, -(gint64)entry->request.bandwidth_mbps);
  g_hash_table_remove (self->entries, key);
}

void
bal_vf_book_put (BalVfBook *self, BalVfEntry *entry)
{
  bal_vf_book_remove (self, entry->request.uuid, entry->request.port);
  g_hash_table_insert (self->entries, key_of (entry->request.uuid, entry->request.port), entry);
  g_hash_table_insert (self->vfs, entry->vf_pci, entry);
  if (entry->request.mac != NULL)
    g_hash_table_insert (self->macs, entry->request.mac, entry);
  add_to_sum (self, entry->pf_pci, entry->request.bandwidth_mbps);
}

BalVfBook *
bal_vf_book_copy (const BalVfBook *self)
{
  BalVfBook *copy = bal_vf_book_new ();
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    bal_vf_book_put (copy, bal_vf_entry_share (entry));
  return copy;
}
