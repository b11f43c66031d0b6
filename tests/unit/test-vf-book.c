/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-book.h"

#include "host-hook/vf-error.h"
#include "json-literal.h"
#include "vf-fixture.h"

typedef struct
{
  BalVfBook *book;
} Case;

static void
set_up (Case *self, gconstpointer data)
{
  self->book = bal_vf_book_new ();
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_vf_book_free (self->book);
}

/* Consumes @entry. */
static void
put (Case *self, BalVfEntry *entry)
{
  g_autoptr (GError) error = NULL;
  bal_vf_book_check_put (self->book, entry, &error);
  g_assert_no_error (error);
  bal_vf_book_put (self->book, entry);
}

static void
refuse (Case *self, BalVfEntry *entry, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfEntry) owned = entry;
  g_assert_false (bal_vf_book_check_put (self->book, owned, &error));
  g_assert_error (error, BAL_VF_ERROR, code);
}

static BalVfEntry *
again (Case *self, guint domain, BalVfState state)
{
  BalVfEntry *entry = bal_vf_entry_copy (bal_vf_book_find (self->book, vf_uuid (domain), "net0"));
  entry->state = state;
  return entry;
}

static guint64
allocated (Case *self, guint pf)
{
  g_autofree char *pci = vf_tree_pf_pci (pf);
  return bal_vf_book_allocated_mbps (self->book, pci);
}

static void
test_sums (Case *self, gconstpointer data)
{
  put (self, vf_entry (1, 6000, 3, 0));
  put (self, vf_entry (2, 3000, 3, 1));
  put (self, vf_entry (3, 9999, 4, 0));
  g_assert_cmpuint (allocated (self, 3), ==, 9000);
  /* Residual must be greater than what is asked. */
  refuse (self, vf_entry (4, 1000, 3, 2), BAL_VF_ERROR_REFUSED);
  refuse (self, vf_entry (4, 1001, 3, 2), BAL_VF_ERROR_REFUSED);
  put (self, vf_entry (4, 999, 3, 2));
  refuse (self, vf_entry (5, 1, 3, 3), BAL_VF_ERROR_REFUSED);

  put (self, again (self, 1, BAL_VF_RELEASING));
  g_assert_cmpuint (allocated (self, 3), ==, 9999);
  bal_vf_book_remove (self->book, vf_uuid (1), "net0");
  g_assert_cmpuint (allocated (self, 3), ==, 3999);
  put (self, vf_entry (5, 6000, 3, 0));
  g_assert_cmpuint (bal_vf_book_size (self->book), ==, 4);
}

static void
test_vf_and_mac_are_unique (Case *self, gconstpointer data)
{
  BalVfEntry *first = vf_entry (1, 100, 3, 0);
  first->request.mac = g_strdup ("52:54:00:00:00:01");
  put (self, first);
  refuse (self, vf_entry (2, 100, 3, 0), BAL_VF_ERROR_CONFLICT);
  BalVfEntry *second = vf_entry (2, 100, 3, 1);
  second->request.mac = g_strdup ("52:54:00:00:00:01");
  refuse (self, second, BAL_VF_ERROR_CONFLICT);
  g_assert_true (bal_vf_book_find_mac (self->book, "52:54:00:00:00:01") == first);
  g_assert_true (bal_vf_book_find_vf (self->book, first->vf_pci) == first);
  put (self, again (self, 1, BAL_VF_RELEASING));
  bal_vf_book_remove (self->book, vf_uuid (1), "net0");
  g_assert_null (bal_vf_book_find_mac (self->book, "52:54:00:00:00:01"));
  put (self, vf_entry (2, 100, 3, 0));
}

static void
test_states (Case *self, gconstpointer data)
{
  static const BalVfState ends[] = {BAL_VF_RESERVED, BAL_VF_ATTACHED, BAL_VF_FAILED};
  for (guint i = 0; i < BAL_VF_STATES; i++)
    {
      if (i == BAL_VF_RESERVED)
        continue;
      BalVfEntry *entry = vf_entry (1, 100, 3, 0);
      entry->state = (BalVfState)i;
      refuse (self, entry, BAL_VF_ERROR_CONFLICT);
    }
  put (self, vf_entry (1, 100, 3, 0));
  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autoptr (GError) error = NULL;
      put (self, again (self, 1, ends[i]));
      gboolean may_go = bal_vf_book_check_remove (self->book, vf_uuid (1), "net0", &error);
      g_assert_true (may_go == (ends[i] == BAL_VF_ATTACHED));
      if (!may_go)
        g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_CONFLICT);
    }
  put (self, again (self, 1, BAL_VF_RELEASING));
  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    refuse (self, again (self, 1, ends[i]), BAL_VF_ERROR_CONFLICT);
  g_assert_true (bal_vf_book_check_remove (self->book, vf_uuid (1), "net0", NULL));
  bal_vf_book_remove (self->book, vf_uuid (1), "net0");

  g_autoptr (GError) error = NULL;
  g_assert_false (bal_vf_book_check_remove (self->book, vf_uuid (1), "net0", &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_NOT_FOUND);
}

static void
test_request_stays (Case *self, gconstpointer data)
{
  put (self, vf_entry (1, 100, 3, 0));
  refuse (self, vf_entry (1, 200, 3, 0), BAL_VF_ERROR_CONFLICT);
  BalVfEntry *entry = again (self, 1, BAL_VF_RESERVED);
  entry->request.vlan = 5;
  refuse (self, entry, BAL_VF_ERROR_CONFLICT);
}

static void
test_originals_stay (Case *self, gconstpointer data)
{
  put (self, vf_entry (1, 100, 3, 0));
  BalVfEntry *entry = again (self, 1, BAL_VF_RESERVED);
  entry->set = BAL_VF_SET_MAX_RATE | BAL_VF_SET_VLAN;
  entry->before.vlan = 9;
  put (self, entry);

  BalVfEntry *other_before = again (self, 1, BAL_VF_ATTACHED);
  other_before->before.vlan = 0;
  refuse (self, other_before, BAL_VF_ERROR_CONFLICT);
  BalVfEntry *less = again (self, 1, BAL_VF_RELEASING);
  less->set = BAL_VF_SET_MAX_RATE;
  refuse (self, less, BAL_VF_ERROR_CONFLICT);
  BalVfEntry *more = again (self, 1, BAL_VF_RESERVED);
  more->set |= BAL_VF_SET_MAC;
  put (self, more);
  BalVfEntry *elsewhere = vf_entry (1, 100, 3, 1);
  refuse (self, elsewhere, BAL_VF_ERROR_CONFLICT);

  BalVfEntry *rebooted = vf_entry (1, 100, 3, 1);
  g_strlcpy (rebooted->boot_id, VF_OTHER_BOOT_ID, sizeof rebooted->boot_id);
  put (self, rebooted);
}

/* To another PF, the bandwidth is taken there and given back here. */
static void
test_move (Case *self, gconstpointer data)
{
  put (self, vf_entry (1, 6000, 3, 0));
  put (self, vf_entry (2, 6000, 4, 0));
  refuse (self, vf_entry (1, 6000, 4, 1), BAL_VF_ERROR_REFUSED);
  put (self, vf_entry (1, 6000, 5, 1));
  g_assert_cmpuint (allocated (self, 3), ==, 0);
  g_assert_cmpuint (allocated (self, 5), ==, 6000);
  BalVfEntry *attached = vf_entry (1, 6000, 6, 1);
  attached->state = BAL_VF_ATTACHED;
  refuse (self, attached, BAL_VF_ERROR_CONFLICT);
}

static void
test_capacity_that_shrank (Case *self, gconstpointer data)
{
  put (self, vf_entry (1, 6000, 3, 0));
  BalVfEntry *entry = again (self, 1, BAL_VF_ATTACHED);
  entry->capacity_mbps = 1000;
  put (self, entry);
  g_autoptr (BalVfEntry) kept = vf_entry (2, 6000, 3, 1);
  kept->state = BAL_VF_RELEASING;
  g_assert_true (bal_vf_book_check_keep (self->book, kept, NULL));
  g_autoptr (BalVfEntry) taken = vf_entry (2, 6000, 3, 0);
  g_assert_false (bal_vf_book_check_keep (self->book, taken, NULL));
  g_autoptr (BalVfEntry) twice = vf_entry (1, 6000, 3, 5);
  g_assert_false (bal_vf_book_check_keep (self->book, twice, NULL));
}

static void
test_list (Case *self, gconstpointer data)
{
  put (self, vf_entry (3, 1, 3, 0));
  put (self, vf_entry (1, 1, 3, 1));
  put (self, vf_entry (2, 1, 3, 2));
  g_autoptr (GPtrArray) all = bal_vf_book_list (self->book, NULL);
  g_autoptr (GPtrArray) one = bal_vf_book_list (self->book, vf_uuid (2));
  g_assert_cmpuint (all->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpstr (((BalVfEntry *)all->pdata[i])->request.uuid, ==, vf_uuid (i + 1));
  g_assert_cmpuint (one->len, ==, 1);
}

/* --- entries as JSON --- */

static const BalJsonReader reader_kind = {NULL, 0, BAL_VF_ERROR_INVALID, "Member"};

static BalVfEntry *
read_entry (JsonObject *object, GError **error)
{
  BalJsonReader reader = reader_kind;
  reader.object = object;
  reader.domain = BAL_VF_ERROR;
  return bal_vf_entry_read (&reader, error);
}

static BalVfEntry *
full_entry (void)
{
  BalVfEntry *entry = vf_entry (1, 2500, 3, 4);
  entry->state = BAL_VF_FAILED;
  entry->request.mac = g_strdup ("52:54:00:00:00:01");
  entry->request.standby = g_strdup ("ua-net0");
  entry->request.required = TRUE;
  entry->from_metadata = TRUE;
  entry->set = BAL_VF_SET_ALL;
  entry->refused = BAL_VF_SET_MIN_RATE;
  entry->before = (BalVfSettings){.mac = "52:54:00:00:00:02",
                                  .vlan = 3,
                                  .max_rate_mbps = 7,
                                  .min_rate_mbps = 6,
                                  .trust = BAL_VF_ON,
                                  .spoofchk = BAL_VF_OFF,
                                  .link_state = BAL_VF_LINK_ENABLE};
  entry->expires_us = 77;
  entry->changed_us = 88;
  bal_vf_entry_set_why (entry, "it did\nnot work");
  return entry;
}

static void
test_json (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BalVfEntry) entry = full_entry ();
  g_autoptr (JsonObject) object = bal_vf_entry_build (entry);
  g_autoptr (BalVfEntry) read = read_entry (object, &error);
  g_assert_no_error (error);
  g_assert_true (bal_vf_request_equal (&read->request, &entry->request));
  g_assert_true (read->request.required);
  g_assert_cmpint (read->state, ==, BAL_VF_FAILED);
  g_assert_cmpstr (read->pf_netdev, ==, "eth3");
  g_assert_cmpstr (read->vf_pci, ==, entry->vf_pci);
  g_assert_cmpuint (bal_vf_settings_differ (&read->before, &entry->before, BAL_VF_SET_ALL), ==, 0);
  g_assert_null (strchr (read->why, '\n'));
  g_autoptr (JsonObject) rebuilt = bal_vf_entry_build (read);
  g_assert_true (json_object_equal (object, rebuilt));
}

/* Without any one of its members, with a wrong one or another one, it is none. */
static void
test_json_refuses (void)
{
  g_autoptr (BalVfEntry) entry = full_entry ();
  g_autoptr (JsonObject) object = bal_vf_entry_build (entry);
  g_autoptr (GList) names = json_object_get_members (object);
  for (GList *item = names; item != NULL; item = item->next)
    {
      /* The list's own goes with the member. */
      g_autofree char *name = g_strdup (item->data);
      g_autoptr (JsonNode) value = json_object_dup_member (object, name);
      g_autoptr (BalVfEntry) read = NULL;
      g_test_message ("%s", name);
      json_object_remove_member (object, name);
      read = read_entry (object, NULL);
      g_assert_true ((read == NULL) == !g_str_equal (name, "why"));
      json_object_set_double_member (object, name, 1.5);
      g_assert_null (read_entry (object, NULL));
      json_object_set_member (object, name, json_node_copy (value));
    }
  json_object_set_int_member (object, "later", 1);
  g_assert_null (read_entry (object, NULL));
}

#define ADD(name, function) g_test_add (name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/vf-book/sums", test_sums);
  ADD ("/vf-book/unique", test_vf_and_mac_are_unique);
  ADD ("/vf-book/states", test_states);
  ADD ("/vf-book/request-stays", test_request_stays);
  ADD ("/vf-book/originals-stay", test_originals_stay);
  ADD ("/vf-book/move", test_move);
  ADD ("/vf-book/capacity-that-shrank", test_capacity_that_shrank);
  ADD ("/vf-book/list", test_list);
  g_test_add_func ("/vf-book/json", test_json);
  g_test_add_func ("/vf-book/json-refuses", test_json_refuses);
  return g_test_run ();
}
