/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A large host, 64 PFs with 128 VFs each, and 2000 requests: of 50 clients whose steps are mixed at
 * random, with the ledger opened anew now and then, also with half a line at its end; and of 50
 * threads that ask the service, while others list and settle. After each step the ledger's own file
 * is read by a reader that shares nothing with it, and no PF may be oversubscribed, nor a VF be two
 * ports'.
 */
#include "vf-scale-host.h"

#include "host-hook/vf-error.h"
#include "json-literal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PATH BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME

/* --- the reader --- */

typedef struct
{
  char *path;
  FILE *file;
  ino_t inode;
  GHashTable *ports; /* "uuid/port" -> JsonObject of the entry */
  GHashTable *vfs;   /* VF -> "uuid/port" */
  GHashTable *sums;  /* PF -> Mbit/s, GUINT_TO_POINTER */
  guint n_lines;
} Auditor;

static void
auditor_forget (Auditor *self)
{
  g_hash_table_remove_all (self->ports);
  g_hash_table_remove_all (self->vfs);
  g_hash_table_remove_all (self->sums);
}

static void
auditor_init (Auditor *self, const TestRoot *root)
{
  *self = (Auditor){.path = test_root_path (root, FILE_PATH)};
  self->ports =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_object_unref);
  self->vfs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->sums = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
auditor_clear (Auditor *self)
{
  g_clear_pointer (&self->file, fclose);
  g_hash_table_unref (self->ports);
  g_hash_table_unref (self->vfs);
  g_hash_table_unref (self->sums);
  g_free (self->path);
}

static guint
mbps_of (JsonObject *entry)
{
  JsonObject *request = json_object_get_object_member (entry, "request");
  return (guint)g_ascii_strtoull (json_object_get_string_member (request, "bandwidth"), NULL, 10);
}

static void
auditor_forget_port (Auditor *self, const char *key)
{
  JsonObject *entry = g_hash_table_lookup (self->ports, key);
  if (entry == NULL)
    return;
  const char *pf = json_object_get_string_member (entry, "pf-pci");
  guint sum = GPOINTER_TO_UINT (g_hash_table_lookup (self->sums, pf));
  g_hash_table_insert (self->sums, g_strdup (pf), GUINT_TO_POINTER (sum - mbps_of (entry)));
  g_hash_table_remove (self->vfs, json_object_get_string_member (entry, "vf-pci"));
  g_hash_table_remove (self->ports, key);
}

static void
auditor_take_port (Auditor *self, JsonObject *entry)
{
  JsonObject *request = json_object_get_object_member (entry, "request");
  g_autofree char *key = g_strconcat (json_object_get_string_member (request, "domain"), "/",
                                      json_object_get_string_member (request, "port"), NULL);
  const char *pf = json_object_get_string_member (entry, "pf-pci");
  const char *vf = json_object_get_string_member (entry, "vf-pci");

  auditor_forget_port (self, key);
  guint sum = GPOINTER_TO_UINT (g_hash_table_lookup (self->sums, pf)) + mbps_of (entry);
  g_assert_cmpuint (sum, <, json_object_get_int_member (entry, "capacity-mbps"));
  g_assert_null (g_hash_table_lookup (self->vfs, vf));
  g_hash_table_insert (self->sums, g_strdup (pf), GUINT_TO_POINTER (sum));
  g_hash_table_insert (self->vfs, g_strdup (vf), g_strdup (key));
  g_hash_table_insert (self->ports, g_strdup (key), json_object_ref (entry));
}

static void
auditor_read_line (Auditor *self, const char *line, gsize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) object = bal_json_parse_line (line, length, &error);

  g_assert_no_error (error);
  self->n_lines++;
  if (json_object_has_member (object, "put"))
    auditor_take_port (self, json_object_get_object_member (object, "put"));
  else if (json_object_has_member (object, "keep"))
    auditor_take_port (self, json_object_get_object_member (object, "keep"));
  else if (json_object_has_member (object, "remove"))
    {
      JsonObject *removed = json_object_get_object_member (object, "remove");
      g_autofree char *key = g_strconcat (json_object_get_string_member (removed, "domain"), "/",
                                          json_object_get_string_member (removed, "port"), NULL);
      g_assert_true (g_hash_table_contains (self->ports, key));
      auditor_forget_port (self, key);
    }
  else
    g_assert_true (json_object_has_member (object, "version"));
}

/* Reads what is new; from the beginning when the file is another one. */
static void
audit (Auditor *self, const BalVfLedger *ledger)
{
  struct stat info;
  char *line = NULL;
  size_t size = 0;
  ssize_t length;

  g_assert_cmpint (stat (self->path, &info), ==, 0);
  if (self->file == NULL || info.st_ino != self->inode)
    {
      g_clear_pointer (&self->file, fclose);
      self->file = fopen (self->path, "re");
      g_assert_nonnull (self->file);
      self->inode = info.st_ino;
      auditor_forget (self);
    }
  clearerr (self->file);
  while ((length = getline (&line, &size, self->file)) > 0)
    auditor_read_line (self, line, (gsize)length - 1);
  free (line);
  g_assert_cmpuint (g_hash_table_size (self->ports), ==,
                    bal_vf_book_size (bal_vf_ledger_book (ledger)));
}

/* --- the clients --- */

typedef struct
{
  guint domain;  /* 0: none at hand */
  guint n_steps; /* of its port's life so far */
} Client;

typedef struct
{
  TestRoot root;
  BalVfConfig config;
  BalVfInventory *inventory;
  BalVfLedger *ledger;
  BalVfClock clock;
  Auditor auditor;
  Client clients[VF_SCALE_THREADS];
  guint n_requests;
  guint n_granted;
  guint n_refused;
  GRand *random;
} Case;

static void
set_up (Case *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  test_root_set_up (&self->root, NULL);
  for (guint i = 0; i < VF_SCALE_PFS; i++)
    vf_tree_add_pf (&self->root, i, VF_SCALE_VFS, i % 2 == 0 ? 10000 : 25000, (int)(i % 2));
  bal_vf_config_init (&self->config);
  self->config.policy = GPOINTER_TO_INT (data) == 0 ? BAL_VF_POLICY_PACK : BAL_VF_POLICY_SPREAD;
  self->inventory = bal_vf_inventory_read (self->root.path, &self->config, &error);
  g_assert_no_error (error);
  self->ledger = bal_vf_ledger_open (self->root.path, &error);
  g_assert_no_error (error);
  self->clock = vf_clock ();
  self->random = g_rand_new_with_seed (4711);
  auditor_init (&self->auditor, &self->root);
}

static void
tear_down (Case *self, gconstpointer data)
{
  auditor_clear (&self->auditor);
  bal_vf_ledger_free (self->ledger);
  bal_vf_inventory_free (self->inventory);
  bal_vf_config_clear (&self->config);
  test_root_tear_down (&self->root, NULL);
  g_rand_free (self->random);
}

static void
ask (Case *self, Client *client)
{
  BalVfHost host = {self->root.path, &self->config, self->inventory, self->ledger};
  guint domain = ++self->n_requests;
  guint mbps = (guint)g_rand_int_range (self->random, 1, 80) * 50;
  g_auto (BalVfRequest) request = vf_request (domain, mbps);
  g_autoptr (GError) error = NULL;

  if (g_rand_boolean (self->random))
    request.pf = g_strdup_printf ("eth%d", g_rand_int_range (self->random, 0, 4));
  if (bal_vf_reserve (&host, &self->clock, &request, FALSE, (int)(domain % 2), &error) != NULL)
    {
      self->n_granted++;
      /* Most keep what they got, so that it gets crowded. */
      *client = domain % 4 == 0 ? (Client){domain, 1} : (Client){0, 0};
      return;
    }
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
  self->n_refused++;
}

static void
go_on (Case *self, Client *client)
{
  static const BalVfState states[] = {BAL_VF_RESERVED, BAL_VF_ATTACHED, BAL_VF_RELEASING};
  const char *uuid = vf_uuid (client->domain);
  const BalVfBook *book = bal_vf_ledger_book (self->ledger);
  g_autoptr (GError) error = NULL;

  if (client->n_steps < G_N_ELEMENTS (states))
    {
      g_autoptr (BalVfEntry) entry = bal_vf_entry_copy (bal_vf_book_find (book, uuid, "net0"));
      entry->state = states[client->n_steps++];
      bal_vf_ledger_put (self->ledger, entry, &error);
    }
  else
    {
      bal_vf_ledger_remove (self->ledger, uuid, "net0", &error);
      *client = (Client){0, 0};
    }
  g_assert_no_error (error);
}

/* As after a SIGKILL, maybe in the middle of a write. */
static void
restart (Case *self)
{
  g_autoptr (GError) error = NULL;

  bal_vf_ledger_free (self->ledger);
  if (g_rand_boolean (self->random))
    {
      int fd = open (self->auditor.path, O_WRONLY | O_APPEND | O_CLOEXEC);
      g_assert_cmpint (write (fd, "{\"generation\":", 14), ==, 14);
      close (fd);
    }
  self->ledger = bal_vf_ledger_open (self->root.path, &error);
  g_assert_no_error (error);
}

static void
test_never_oversubscribed (Case *self, gconstpointer data)
{
  while (self->n_requests < VF_SCALE_REQUESTS)
    {
      Client *client = &self->clients[g_rand_int_range (self->random, 0, VF_SCALE_THREADS)];
      if (client->domain == 0)
        ask (self, client);
      else
        go_on (self, client);
      audit (&self->auditor, self->ledger);
      if (g_rand_int_range (self->random, 0, 200) == 0)
        restart (self);
    }
  g_test_message ("%u granted, %u refused, %u lines", self->n_granted, self->n_refused,
                  self->auditor.n_lines);
  g_assert_cmpuint (self->n_granted, >, 200);
  g_assert_cmpuint (self->n_refused, >, 200);
}

/* --- threads --- */

typedef struct
{
  VfScaleHost host;
  Auditor auditor;
  guint n_refused;
} Crowd;

/* With the lock held: behind a step that nobody follows before it was looked at. */
static void
look_behind (Crowd *self)
{
  g_mutex_lock (&self->host.service->lock);
  audit (&self->auditor, self->host.service->ledger);
  g_mutex_unlock (&self->host.service->lock);
}

static void
ask_service (gpointer data, guint domain)
{
  Crowd *self = data;
  g_autofree char *xml = vf_scale_xml (domain, (domain % 40 + 1) * 100);
  g_autofree char *uuid = vf_scale_uuid (domain);
  g_autoptr (GError) error = NULL;

  if (!bal_vf_service_prepare (self->host.service, xml, &error))
    {
      g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED);
      g_atomic_int_inc (&self->n_refused);
    }
  look_behind (self);
  if (domain % 4 != 0)
    return;
  bal_vf_service_end (self->host.service, uuid);
  look_behind (self);
}

static void
test_threads (void)
{
  Crowd self = {.n_refused = 0};

  vf_scale_host_set_up (&self.host, NULL, 10000);
  auditor_init (&self.auditor, &self.host.root);
  vf_scale_host_run (&self.host, VF_SCALE_THREADS, ask_service, &self);
  g_test_message ("%u refused, %u lines", self.n_refused, self.auditor.n_lines);
  g_assert_cmpuint (g_hash_table_size (self.auditor.ports), >, 200);
  g_assert_cmpuint (self.n_refused, >, 200);
  auditor_clear (&self.auditor);
  vf_scale_host_tear_down (&self.host);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/vf-scale/pack", Case, GINT_TO_POINTER (0), set_up, test_never_oversubscribed,
              tear_down);
  g_test_add ("/vf-scale/spread", Case, GINT_TO_POINTER (1), set_up, test_never_oversubscribed,
              tear_down);
  g_test_add_func ("/vf-scale/threads", test_threads);
  return g_test_run ();
}
