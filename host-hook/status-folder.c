/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/status-folder.h"

#include <errno.h>
#include <glib-unix.h>
#include <libxml/tree.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host-hook/file-io.h"
#include "host-hook/window-tag.h"
#include "host-hook/xml-util.h"
#include "protocol/limits.h"

#define SUFFIX ".xml"

struct _BalStatusFolder
{
  char *path;
  int fd;
  guint source_id;
  gboolean is_gone;
  GHashTable *names; /* of the files that were told of and are there */
  BalStatusFunc func;
  gpointer user_data;
};

static BalStatusKind
job_kind (const xmlNode *job)
{
  g_autofree char *async = bal_xml_attribute (job, "async");

  if (!async || strcmp (async, "none") == 0)
    return BAL_STATUS_NO_JOB;
  return strcmp (async, "migration out") == 0 ? BAL_STATUS_LEAVING : BAL_STATUS_BUSY;
}

static gboolean
has_agent_channel (const xmlNode *domain)
{
  xmlNode *channel = bal_xml_child (bal_xml_child (domain, "devices"), "channel");

  for (; channel; channel = bal_xml_next (channel, "channel"))
    if (bal_xml_attribute_is (bal_xml_child (channel, "target"), "name", BAL_CHANNEL_NAME))
      return TRUE;
  return FALSE;
}

static guint64
read_kib (const xmlNode *target, const char *name)
{
  g_autofree char *text = bal_xml_text (bal_xml_child (target, name));

  return text ? g_ascii_strtoull (text, NULL, 10) : 0;
}

static gboolean
lacks_memory (const xmlNode *domain)
{
  xmlNode *memory = bal_xml_child (bal_xml_child (domain, "devices"), "memory");

  for (; memory; memory = bal_xml_next (memory, "memory"))
    {
      const xmlNode *target = bal_xml_child (memory, "target");

      if (bal_xml_attribute_is (memory, "model", "virtio-mem")
          && read_kib (target, "current") < read_kib (target, "requested"))
        return TRUE;
    }
  return FALSE;
}

/* <domstatus><job async='migration out' phase='begin3'/><domain><uuid/></domain></domstatus>. */
gboolean
bal_status_parse (const char *text, BalStatus *out)
{
  g_autoptr (xmlDoc) document = bal_xml_parse (text, "The status file", NULL);
  xmlNode *root = document ? xmlDocGetRootElement (document) : NULL;
  xmlNode *domain = bal_xml_child (root, "domain");
  g_autofree char *uuid = bal_xml_text (bal_xml_child (domain, "uuid"));

  if (!uuid || !g_uuid_string_is_valid (uuid))
    return FALSE;
  *out = (BalStatus){.kind = job_kind (bal_xml_child (root, "job")),
                     .uuid = g_ascii_strdown (uuid, -1),
                     .has_agent = has_agent_channel (domain),
                     .has_window = bal_window_tag_is_below (domain),
                     .lacks_memory = lacks_memory (domain)};
  return TRUE;
}

static void
tell_gone (BalStatusFolder *self, const char *file_name)
{
  static const BalStatus gone = {.kind = BAL_STATUS_GONE};

  g_hash_table_remove (self->names, file_name);
  g_autofree char *name = g_strndup (file_name, strlen (file_name) - strlen (SUFFIX));

  self->func (name, &gone, self->user_data);
}

/* A file that cannot be read, for want of descriptors say, is no news. */
static void
tell (BalStatusFolder *self, const char *file_name)
{
  g_autofree char *path = g_build_filename (self->path, file_name, NULL);
  g_autofree char *name = g_strndup (file_name, strlen (file_name) - strlen (SUFFIX));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = bal_read_file (path, BAL_DOMAIN_XML_MAX_BYTES, NULL, &error);
  BalStatus status = {0};

  if (text)
    g_hash_table_add (self->names, g_strdup (file_name));
  if (text && bal_status_parse (text, &status))
    self->func (name, &status, self->user_data);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    tell_gone (self, file_name);
  g_free (status.uuid);
}

static void
tell_all (BalStatusFolder *self, GHashTable *names)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    tell (self, name);
}

static gboolean
read_events (BalStatusFolder *self, GHashTable *names)
{
  char buffer[16384] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  gssize got = read (self->fd, buffer, sizeof buffer);
  gboolean overflow = FALSE;

  for (gssize at = 0; at < got;)
    {
      const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

      at += (gssize)(sizeof *event + event->len);
      overflow |= (event->mask & IN_Q_OVERFLOW) != 0;
      self->is_gone |= (event->mask & IN_IGNORED) != 0;
      if (event->len == 0 || !g_str_has_suffix (event->name, SUFFIX))
        continue;
      /* Also when there is a new one by now: that is of another run of the domain. */
      if (event->mask & IN_DELETE)
        tell_gone (self, event->name);
      g_hash_table_add (names, g_strdup (event->name));
    }
  return overflow;
}

static gboolean
on_events (int fd, GIOCondition condition, gpointer user_data)
{
  BalStatusFolder *self = user_data;
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  if (read_events (self, names))
    bal_status_folder_rescan (self);
  else
    tell_all (self, names);
  return G_SOURCE_CONTINUE;
}

BalStatusFolder *
bal_status_folder_new (const char *root, BalStatusFunc func, gpointer user_data, GError **error)
{
  g_autoptr (BalStatusFolder) self = g_new0 (BalStatusFolder, 1);

  self->path = bal_root_path (root, BAL_STATUS_FOLDER);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->func = func;
  self->user_data = user_data;
  self->fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->fd < 0
      || inotify_add_watch (self->fd, self->path,
                            IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR)
           < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "Cannot watch %s: %s",
                   self->path, g_strerror (errno));
      return NULL;
    }
  self->source_id = g_unix_fd_add (self->fd, G_IO_IN, on_events, self);
  return g_steal_pointer (&self);
}

void
bal_status_folder_free (BalStatusFolder *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_hash_table_unref (self->names);
  g_free (self->path);
  g_free (self);
}

void
bal_status_folder_rescan (BalStatusFolder *self)
{
  g_autoptr (GDir) folder = g_dir_open (self->path, 0, NULL);
  g_autoptr (GList) known = g_hash_table_get_keys (self->names);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *entry;

  /* What is not there any more tells that itself when it is read. */
  for (GList *at = known; at; at = at->next)
    g_hash_table_add (names, g_strdup (at->data));
  while (folder && (entry = g_dir_read_name (folder)))
    if (g_str_has_suffix (entry, SUFFIX))
      g_hash_table_add (names, g_strdup (entry));
  tell_all (self, names);
}

gboolean
bal_status_folder_works (const BalStatusFolder *self)
{
  return !self->is_gone;
}
