/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VF ledger's file. One that opens keeps the book's rules, is the same when it is opened again,
 * and takes a change; one that does not is left as it is.
 */
#include "fuzz.h"

#include "host-hook/vf-ledger.h"
#include "protocol/codec.h"

#include <string.h>

#define LEDGER BAL_VF_LEDGER_FOLDER "/" BAL_VF_LEDGER_NAME

static char *
describe (const BalVfBook *book)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (book, NULL);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      g_autoptr (JsonObject) object = bal_vf_entry_build (entries->pdata[i]);
      gsize length;
      g_autofree char *line = bal_json_to_line (object, FALSE, &length);

      g_string_append (text, line);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
check_book (const BalVfBook *book)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (book, NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      const BalVfEntry *entry = entries->pdata[i];

      g_assert_true (bal_vf_book_find_vf (book, entry->vf_pci) == entry);
      g_assert_true (bal_vf_book_find_mac (book, entry->request.mac) == entry);
      g_assert_true (bal_vf_book_find (book, entry->request.uuid, entry->request.port) == entry);
    }
}

static void
check_untouched (const guint8 *data, size_t size)
{
  g_autofree char *path = g_build_filename (fuzz_root (), LEDGER, NULL);
  g_autofree char *text = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &text, &length, NULL));
  g_assert_cmpmem (text, length, data, size);
}

/* Takes a port out of the book, if one may be. */
static void
change (BalVfLedger *ledger)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (bal_vf_ledger_book (ledger), NULL);

  if (entries->len == 0)
    return;
  const BalVfEntry *entry = entries->pdata[0];
  g_autofree char *uuid = g_strdup (entry->request.uuid);
  g_autofree char *port = g_strdup (entry->request.port);
  FUZZ_CHECK (bal_vf_ledger_remove (ledger, uuid, port, &error));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autoptr (BalVfLedger) ledger = NULL;

  fuzz_put (LEDGER, data, size);
  if (!FUZZ_CHECK ((ledger = bal_vf_ledger_open (fuzz_root (), &error)) != NULL))
    {
      check_untouched (data, size);
      return 0;
    }
  check_book (bal_vf_ledger_book (ledger));
  change (ledger);
  g_autofree char *first = describe (bal_vf_ledger_book (ledger));
  g_clear_pointer (&ledger, bal_vf_ledger_free);
  ledger = bal_vf_ledger_open (fuzz_root (), NULL);
  g_assert_nonnull (ledger);
  g_autofree char *second = describe (bal_vf_ledger_book (ledger));
  g_assert_cmpstr (first, ==, second);
  return 0;
}
