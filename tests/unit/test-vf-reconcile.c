/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-reconcile.h"

#include "vf-fixture.h"

#include <string.h>

#define OFF "off"           /* the domain */
#define RUNS "runs"         /* without the VF */
#define HAS "has"           /* the VF */
#define STRANGER "stranger" /* another domain has the VF */

#define NOTHING "nothing"

static const char *const action_names[] = {
  [BAL_VF_MARK_ATTACHED] = "mark-attached", [BAL_VF_ATTACH] = "attach", [BAL_VF_DETACH] = "detach",
  [BAL_VF_PUT_BACK] = "put-back",           [BAL_VF_DROP] = "drop",
};

typedef struct
{
  BalVfState state;
  gboolean from_metadata;
  gboolean expired;
  const char *domain;
  BalVfUse use;
  const char *expected;
} Row;

static const Row rows[] = {
  /* What libvirt says the domain has is the domain's. */
  {BAL_VF_RESERVED, FALSE, FALSE, HAS, BAL_VF_OPEN, "mark-attached"},
  {BAL_VF_RESERVED, TRUE, TRUE, HAS, BAL_VF_OPEN, "mark-attached"},
  {BAL_VF_FAILED, TRUE, TRUE, HAS, BAL_VF_OPEN, "mark-attached"},
  {BAL_VF_ATTACHED, FALSE, TRUE, HAS, BAL_VF_OPEN, NOTHING},
  {BAL_VF_RELEASING, FALSE, TRUE, HAS, BAL_VF_OPEN, "detach"},
  /* Also before QEMU has opened it. */
  {BAL_VF_RESERVED, FALSE, TRUE, HAS, BAL_VF_PREPARED, "mark-attached"},
  {BAL_VF_RESERVED, FALSE, TRUE, HAS, BAL_VF_IDLE, "mark-attached"},

  /* Somebody else's by now: hands off. */
  {BAL_VF_RESERVED, FALSE, TRUE, STRANGER, BAL_VF_OPEN, NOTHING},
  {BAL_VF_ATTACHED, FALSE, TRUE, STRANGER, BAL_VF_IDLE, NOTHING},

  /* What it was when it was Ballast's is nobody's business then. */
  {BAL_VF_RELEASING, FALSE, TRUE, STRANGER, BAL_VF_OPEN, "drop"},

  /* sysfs shows a user that libvirt does not know: hands off. */
  {BAL_VF_RESERVED, FALSE, TRUE, OFF, BAL_VF_OPEN, NOTHING},
  {BAL_VF_ATTACHED, FALSE, TRUE, OFF, BAL_VF_OPEN, NOTHING},
  {BAL_VF_FAILED, TRUE, TRUE, RUNS, BAL_VF_HOST, NOTHING},
  {BAL_VF_RELEASING, FALSE, TRUE, OFF, BAL_VF_OPEN, NOTHING},
  {BAL_VF_RELEASING, FALSE, TRUE, OFF, BAL_VF_ELSEWHERE, NOTHING},

  /* A reservation has its time. */
  {BAL_VF_RESERVED, FALSE, FALSE, OFF, BAL_VF_IDLE, NOTHING},
  {BAL_VF_RESERVED, TRUE, FALSE, OFF, BAL_VF_PREPARED, NOTHING},
  {BAL_VF_RESERVED, FALSE, TRUE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_RESERVED, TRUE, TRUE, OFF, BAL_VF_PREPARED, "put-back"},
  {BAL_VF_ATTACHED, FALSE, TRUE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_FAILED, TRUE, TRUE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_FAILED, TRUE, FALSE, OFF, BAL_VF_IDLE, NOTHING},

  /* One that was attached had it, and ended; libvirt is done with it when its own driver has it. */
  {BAL_VF_ATTACHED, FALSE, FALSE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_ATTACHED, TRUE, FALSE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_ATTACHED, TRUE, FALSE, OFF, BAL_VF_PREPARED, NOTHING},
  {BAL_VF_ATTACHED, TRUE, FALSE, OFF, BAL_VF_HOST, NOTHING},
  {BAL_VF_ATTACHED, TRUE, FALSE, STRANGER, BAL_VF_IDLE, NOTHING},

  /* The domain runs without it. */
  {BAL_VF_RESERVED, TRUE, FALSE, RUNS, BAL_VF_IDLE, "attach"},
  {BAL_VF_RESERVED, TRUE, TRUE, RUNS, BAL_VF_IDLE, "attach"},
  {BAL_VF_RESERVED, FALSE, FALSE, RUNS, BAL_VF_IDLE, NOTHING},
  {BAL_VF_RESERVED, FALSE, TRUE, RUNS, BAL_VF_IDLE, "put-back"},
  {BAL_VF_FAILED, FALSE, FALSE, RUNS, BAL_VF_IDLE, "attach"},
  {BAL_VF_FAILED, TRUE, TRUE, RUNS, BAL_VF_PREPARED, "attach"},
  {BAL_VF_ATTACHED, TRUE, FALSE, RUNS, BAL_VF_IDLE, "attach"},
  {BAL_VF_ATTACHED, TRUE, TRUE, RUNS, BAL_VF_PREPARED, "attach"},
  {BAL_VF_ATTACHED, TRUE, TRUE, RUNS, BAL_VF_OPEN, NOTHING},
  {BAL_VF_ATTACHED, FALSE, FALSE, RUNS, BAL_VF_IDLE, NOTHING},
  {BAL_VF_ATTACHED, FALSE, TRUE, RUNS, BAL_VF_IDLE, "put-back"},

  /* A release is carried on at once. */
  {BAL_VF_RELEASING, FALSE, FALSE, OFF, BAL_VF_IDLE, "put-back"},
  {BAL_VF_RELEASING, FALSE, FALSE, RUNS, BAL_VF_PREPARED, "put-back"},
};

typedef struct
{
  TestRoot root;
  BalVfInventory *inventory;
  BalVfBook *book;
  GPtrArray *domains;
  BalVfClock clock;
} Case;

static void
set_up (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  test_root_set_up (&self->root, NULL);
  vf_tree_add_pf (&self->root, 3, 2, 1000, 0);
  self->inventory = bal_vf_inventory_read (self->root.path, NULL, &error);
  g_assert_no_error (error);
  self->book = bal_vf_book_new ();
  self->domains = g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_domain_free);
  self->clock = vf_clock ();
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_inventory_free (self->inventory);
  bal_vf_book_free (self->book);
  g_ptr_array_unref (self->domains);
  test_root_tear_down (&self->root, NULL);
}

static void
arrange (Case *self, const Row *row)
{
  BalVfEntry *entry = vf_entry (1, 500, 3, 0);
  gboolean is_stranger = strcmp (row->domain, STRANGER) == 0;

  entry->state = row->state;
  entry->from_metadata = row->from_metadata;
  entry->expires_us = self->clock.boottime_us + (row->expired ? 0 : 1);
  bal_vf_book_put (self->book, entry);
  bal_vf_inventory_find_vf (self->inventory, entry->vf_pci, NULL)->use = row->use;
  g_ptr_array_set_size (self->domains, 0);
  if (strcmp (row->domain, OFF) == 0)
    return;
  BalVfDomain *domain = bal_vf_domain_new (vf_uuid (is_stranger ? 2 : 1));
  if (is_stranger || strcmp (row->domain, HAS) == 0)
    g_ptr_array_add (domain->vf_pcis, g_strdup (entry->vf_pci));
  g_ptr_array_add (domain->vf_pcis, g_strdup ("0000:00:1f.0"));
  g_ptr_array_add (self->domains, domain);
}

static void
assert_action (Case *self, const char *expected)
{
  g_autoptr (GPtrArray) actions =
    bal_vf_reconcile (self->book, NULL, self->inventory, self->domains, &self->clock);
  if (strcmp (expected, NOTHING) == 0)
    {
      g_assert_cmpuint (actions->len, ==, 0);
      return;
    }
  g_assert_cmpuint (actions->len, ==, 1);
  const BalVfAction *action = actions->pdata[0];
  g_assert_cmpstr (action_names[action->kind], ==, expected);
  g_assert_cmpstr (action->uuid, ==, vf_uuid (1));
  g_assert_cmpstr (action->port, ==, "net0");
}

static void
test_rows (Case *self, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("row %u", i);
      arrange (self, &rows[i]);
      assert_action (self, rows[i].expected);
    }
}

/* When libvirt did not answer nothing is done, whatever the row. */
static void
test_without_libvirt (Case *self, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      arrange (self, &rows[i]);
      g_autoptr (GPtrArray) actions =
        bal_vf_reconcile (self->book, NULL, self->inventory, NULL, &self->clock);
      g_assert_cmpuint (actions->len, ==, 0);
    }
}

/* Nothing of an earlier boot is put back, and nothing of it is waited for. */
static void
test_earlier_boot (Case *self, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      gboolean is_idle = row->use == BAL_VF_IDLE || row->use == BAL_VF_PREPARED;
      gboolean freed = (strcmp (row->domain, OFF) == 0 || strcmp (row->domain, RUNS) == 0)
                       && (is_idle || row->state == BAL_VF_RELEASING);
      g_test_message ("row %u", i);
      arrange (self, row);
      g_strlcpy (self->clock.boot_id, VF_OTHER_BOOT_ID, sizeof self->clock.boot_id);
      assert_action (self, freed ? "drop" : row->expected);
    }
}

/* While a migration holds the domain nothing is done. */
static void
test_busy (Case *self, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      gboolean is_own = strcmp (row->domain, RUNS) == 0 || strcmp (row->domain, HAS) == 0;
      if (!is_own)
        continue;
      g_test_message ("row %u", i);
      arrange (self, row);
      ((BalVfDomain *)self->domains->pdata[0])->is_busy = TRUE;
      assert_action (self, NOTHING);
    }
}

/* The VF is no more. */
static void
test_vanished (Case *self, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      gboolean keeps = !row->expired && row->state != BAL_VF_RELEASING;
      if (strcmp (row->domain, OFF) != 0 && strcmp (row->domain, RUNS) != 0)
        continue;
      g_test_message ("row %u", i);
      arrange (self, row);
      BalVfPf *pf = self->inventory->pfs->pdata[0];
      BalVf vf = g_array_index (pf->vfs, BalVf, 0);
      g_array_remove_index (pf->vfs, 0);
      assert_action (self, keeps ? NOTHING : "drop");
      g_array_prepend_val (pf->vfs, vf);
    }
}

static void
test_order (Case *self, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    bal_vf_book_put (self->book, vf_entry (3 - i, 10, 3, i));
  g_autoptr (GPtrArray) actions =
    bal_vf_reconcile (self->book, NULL, self->inventory, self->domains, &self->clock);
  g_assert_cmpuint (actions->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpstr (((BalVfAction *)actions->pdata[i])->uuid, ==, vf_uuid (i + 1));
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-reconcile/rows", test_rows);
  ADD ("/vf-reconcile/without-libvirt", test_without_libvirt);
  ADD ("/vf-reconcile/earlier-boot", test_earlier_boot);
  ADD ("/vf-reconcile/busy", test_busy);
  ADD ("/vf-reconcile/vanished", test_vanished);
  ADD ("/vf-reconcile/order", test_order);
  return g_test_run ();
}
