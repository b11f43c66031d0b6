/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-ledger.h"

#include "host-hook/breakpoint.h"
#include "host-hook/file-io.h"
#include "host-hook/vf-error.h"
#include "protocol/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LOCK_NAME "lock"

/* The file is replaced when it has more lines than that, and four an entry. */
#define LINES_MIN 1024

struct _BalVfLedger
{
  char *folder;
  char *path;
  int lock_fd;
  int fd; /* -1: not open, or no more to be trusted */
  guint64 generation;
  guint64 n_lines;
  BalVfBook *book;
};

static gboolean
fail (GError **error, const BalVfLedger *self, const char *problem)
{
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_LEDGER,
               "The VF ledger %s cannot be used: %s; no VF is handed out or taken back", self->path,
               problem);
  return FALSE;
}

/* --- lines --- */

/* Takes @content over. */
static void
append_line (GString *text, const char *name, JsonObject *content, guint64 generation)
{
  g_autoptr (JsonObject) line = json_object_new ();
  gsize length;

  json_object_set_int_member (line, "generation", (gint64)generation);
  json_object_set_object_member (line, name, content);
  g_autofree char *bytes = bal_json_to_line (line, FALSE, &length);
  g_string_append_len (text, bytes, (gssize)length);
}

static JsonObject *
build_key (const char *uuid, const char *port)
{
  JsonObject *key = json_object_new ();
  json_object_set_string_member (key, "domain", uuid);
  json_object_set_string_member (key, "port", port);
  return key;
}

static gboolean
replay_entry (BalVfLedger *self,
              const BalJsonReader *reader,
              gboolean (*check) (const BalVfBook *, const BalVfEntry *, GError **),
              GError **error)
{
  g_autoptr (BalVfEntry) entry = bal_vf_entry_read (reader, error);

  if (entry == NULL || !check (self->book, entry, error))
    return FALSE;
  bal_vf_book_put (self->book, g_steal_pointer (&entry));
  return TRUE;
}

static gboolean
replay_remove (BalVfLedger *self, const BalJsonReader *reader, GError **error)
{
  static const char *const allowed[] = {"domain", "port", NULL};
  g_autofree char *uuid = NULL;
  g_autofree char *port = NULL;

  if (!bal_read_only (reader, allowed, error)
      || !bal_read_token (reader, BAL_REQUIRED, "domain", &uuid, error)
      || !bal_read_token (reader, BAL_REQUIRED, "port", &port, error)
      || !bal_vf_book_check_remove (self->book, uuid, port, error))
    return FALSE;
  bal_vf_book_remove (self->book, uuid, port);
  return TRUE;
}

static gboolean
replay_head (BalVfLedger *self, const BalJsonReader *reader, GError **error)
{
  static const char *const allowed[] = {"version", "generation", NULL};
  guint64 version;

  if (!bal_read_uint (reader, BAL_REQUIRED, "version", 0, G_MAXINT64, &version, error))
    return FALSE;
  if (version != BAL_VF_LEDGER_VERSION)
    return bal_read_fail (reader, error, "\"version\" is another version of Ballast's");
  return bal_read_only (reader, allowed, error)
         && bal_read_uint (reader, BAL_REQUIRED, "generation", 0, G_MAXINT64, &self->generation,
                           error);
}

static gboolean
replay_change (BalVfLedger *self, const BalJsonReader *reader, GError **error)
{
  static const char *const allowed[] = {"generation", "keep", "put", "remove", NULL};
  BalJsonReader keep = {.object = NULL};
  BalJsonReader put = {.object = NULL};
  BalJsonReader removal = {.object = NULL};
  guint64 next = self->generation + 1;

  if (!bal_read_only (reader, allowed, error)
      || !bal_read_uint (reader, BAL_REQUIRED, "generation", next, next, &self->generation, error)
      || !bal_read_object (reader, BAL_OPTIONAL, "keep", &keep, error)
      || !bal_read_object (reader, BAL_OPTIONAL, "put", &put, error)
      || !bal_read_object (reader, BAL_OPTIONAL, "remove", &removal, error))
    return FALSE;
  if ((keep.object != NULL) + (put.object != NULL) + (removal.object != NULL) != 1)
    return bal_read_fail (reader, error, "\"keep\", \"put\" or \"remove\" is not the only one");
  if (keep.object != NULL)
    return replay_entry (self, &keep, bal_vf_book_check_keep, error);
  return put.object != NULL ? replay_entry (self, &put, bal_vf_book_check_put, error)
                            : replay_remove (self, &removal, error);
}

static gboolean
replay_line (BalVfLedger *self, const char *line, gsize length, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (JsonObject) object = bal_json_parse_line (line, length, &cause);
  BalJsonReader reader = {object, BAL_VF_ERROR, BAL_VF_ERROR_LEDGER, "member"};
  gboolean ok = FALSE;

  if (object != NULL && self->n_lines == 0)
    ok = replay_head (self, &reader, &cause);
  else if (object != NULL)
    ok = replay_change (self, &reader, &cause);
  self->n_lines++;
  if (ok)
    return TRUE;
  g_autofree char *problem = g_strdup_printf ("its line %" G_GUINT64_FORMAT " is not valid (%s)",
                                              self->n_lines, cause->message);
  return fail (error, self, problem);
}

/* *@torn when a last line was cut short. */
static gboolean
replay (BalVfLedger *self, const char *text, gsize length, gboolean *torn, GError **error)
{
  const char *end = text + length;

  for (const char *newline; (newline = memchr (text, '\n', (gsize)(end - text))) != NULL;)
    {
      if (!replay_line (self, text, (gsize)(newline - text), error))
        return FALSE;
      text = newline + 1;
    }
  *torn = text < end;
  return self->n_lines > 0 || fail (error, self, "it is empty");
}

/* --- the file --- */

static gboolean
open_for_append (BalVfLedger *self, GError **error)
{
  self->fd = bal_open (self->path, O_WRONLY | O_APPEND | O_NOFOLLOW, 0, error);
  return self->fd >= 0;
}

/* Replaces the file by what the book holds. On failure no descriptor is open. */
static gboolean
replace_file (BalVfLedger *self, GError **error)
{
  g_autoptr (GPtrArray) entries = bal_vf_book_list (self->book, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  guint64 generation = self->generation;

  g_string_printf (text, "{\"version\":%d,\"generation\":%" G_GUINT64_FORMAT "}\n",
                   BAL_VF_LEDGER_VERSION, generation);
  for (guint i = 0; i < entries->len; i++)
    append_line (text, "keep", bal_vf_entry_build (entries->pdata[i]), ++generation);
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  self->fd = -1;
  BAL_BREAKPOINT ("vf-ledger-replace");
  if (!bal_write_durably (self->folder, BAL_VF_LEDGER_NAME, text->str, text->len, 0600, error)
      || !open_for_append (self, error))
    return FALSE;
  self->generation = generation;
  self->n_lines = 1 + entries->len;
  return TRUE;
}

/* What a crash left of a file that was to replace the ledger. */
static void
remove_leftovers (const BalVfLedger *self)
{
  g_autoptr (GDir) folder = g_dir_open (self->folder, 0, NULL);

  for (const char *name; folder != NULL && (name = g_dir_read_name (folder)) != NULL;)
    if (g_str_has_prefix (name, "." BAL_VF_LEDGER_NAME ".tmp-"))
      {
        g_autofree char *path = g_build_filename (self->folder, name, NULL);
        g_unlink (path);
      }
}

static gboolean
load (BalVfLedger *self, GError **error)
{
  g_autoptr (GError) read_error = NULL;
  gboolean torn = FALSE;
  gsize length;
  g_autofree char *text = bal_read_file (self->path, BAL_VF_LEDGER_MAX_BYTES, &length, &read_error);

  if (text == NULL && g_error_matches (read_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return replace_file (self, error);
  if (text == NULL)
    return fail (error, self, read_error->message);
  if (!replay (self, text, length, &torn, error))
    return FALSE;
  return torn ? replace_file (self, error) : open_for_append (self, error);
}

static gboolean
lock (BalVfLedger *self, GError **error)
{
  g_autofree char *path = g_build_filename (self->folder, LOCK_NAME, NULL);
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

  self->lock_fd = bal_open (path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, error);
  if (self->lock_fd < 0)
    return FALSE;
  if (fcntl (self->lock_fd, F_OFD_SETLK, &whole) == 0)
    return TRUE;
  return fail (error, self,
               errno == EAGAIN || errno == EACCES ? "another process has it open"
                                                  : g_strerror (errno));
}

BalVfLedger *
bal_vf_ledger_open (const char *root, GError **error)
{
  g_autoptr (BalVfLedger) self = g_new0 (BalVfLedger, 1);

  self->fd = self->lock_fd = -1;
  self->folder = bal_root_path (root, BAL_VF_LEDGER_FOLDER);
  self->path = g_build_filename (self->folder, BAL_VF_LEDGER_NAME, NULL);
  self->book = bal_vf_book_new ();
  if (!bal_make_folder (self->folder, 0700, error) || !lock (self, error))
    return NULL;
  remove_leftovers (self);
  return load (self, error) ? g_steal_pointer (&self) : NULL;
}

void
bal_vf_ledger_free (BalVfLedger *self)
{
  bal_fd_cleanup (&self->fd);
  bal_fd_cleanup (&self->lock_fd);
  g_free (self->folder);
  g_free (self->path);
  bal_vf_book_free (self->book);
  g_free (self);
}

const BalVfBook *
bal_vf_ledger_book (const BalVfLedger *self)
{
  return self->book;
}

/* --- changes --- */

/* Takes @content over. After a failure nothing has happened as far as the book knows; where that
 * could not be written either, no file is open. */
static gboolean
append_change (BalVfLedger *self, const char *name, JsonObject *content, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) cause = NULL;

  /* What is on the disk is not known since a write failed, maybe for want of room. */
  if (self->fd < 0 && !replace_file (self, &cause))
    {
      json_object_unref (content);
      return fail (error, self, cause->message);
    }
  append_line (text, name, content, self->generation + 1);
  BAL_BREAKPOINT ("vf-ledger-append");
  if (bal_write_all (self->fd, text->str, text->len, self->path, &cause)
      && bal_fsync (self->fd, self->path, &cause))
    {
      self->generation++;
      self->n_lines++;
      return TRUE;
    }
  replace_file (self, NULL);
  return fail (error, self, cause->message);
}

/* After a change: one that fails here has been made nevertheless. */
static void
shorten (BalVfLedger *self)
{
  g_autoptr (GError) cause = NULL;

  if (self->n_lines <= LINES_MIN + 4 * (guint64)bal_vf_book_size (self->book))
    return;
  if (!replace_file (self, &cause))
    g_warning ("%s: no VF is handed out until it can be written", cause->message);
}

gboolean
bal_vf_ledger_put (BalVfLedger *self, const BalVfEntry *entry, GError **error)
{
  g_autoptr (BalVfEntry) copy = bal_vf_entry_copy (entry);

  copy->changed_us = g_get_real_time ();
  if (!bal_vf_book_check_put (self->book, copy, error)
      || !append_change (self, "put", bal_vf_entry_build (copy), error))
    return FALSE;
  bal_vf_book_put (self->book, g_steal_pointer (&copy));
  shorten (self);
  return TRUE;
}

gboolean
bal_vf_ledger_remove (BalVfLedger *self, const char *uuid, const char *port, GError **error)
{
  if (!bal_vf_book_check_remove (self->book, uuid, port, error)
      || !append_change (self, "remove", build_key (uuid, port), error))
    return FALSE;
  bal_vf_book_remove (self->book, uuid, port);
  shorten (self);
  return TRUE;
}
