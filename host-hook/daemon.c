/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon.h"

#include <string.h>
#include <unistd.h>

#include "host-hook/daemon-book.h"
#include "host-hook/daemon-domains.h"
#include "host-hook/daemon-link.h"
#include "host-hook/daemon-log.h"
#include "host-hook/daemon-marks.h"
#include "host-hook/daemon-server.h"
#include "host-hook/daemon-vf.h"
#include "host-hook/daemon-window.h"
#include "host-hook/journal.h"
#include "host-hook/recover.h"
#include "host-hook/status-folder.h"

/* How often the journal is looked through for releases whose owner died. */
#define SWEEP_S 15

struct _BalDaemon
{
  char *root;
  BalConfig *config;
  BalLink *link;
  BalLink *vf_link;         /* for calls about VFs, which block: no other one waits behind them */
  virConnectPtr connection; /* NULL: libvirt is away */
  char *away_reason;        /* NULL: it is there, or nobody knows yet */
  BalStatusFolder *status;
  gboolean is_first_look; /* at domains that may have arrived while nobody looked */
  BalDomains *domains;
  GHashTable *uuids;   /* name -> uuid, of domains that have a status file */
  GHashTable *marking; /* uuids that the marks are at work on */
  BalMarks *marks;
  BalIncarnation me;
  guint sweep_id;
  BalWindows *windows;
  BalDaemonServer *server;
  BalBook *book;
  BalDaemonVf *vf;
};

static void
mark (BalDaemon *self, const char *uuid)
{
  if (self->connection && g_hash_table_add (self->marking, g_strdup (uuid)))
    bal_marks_add (self->marks, self->connection, uuid);
}

static void
on_marked (const char *uuid, gpointer user_data)
{
  BalDaemon *self = user_data;

  g_hash_table_remove (self->marking, uuid);
}

/* NB: a status is told again and again. */
static void
on_status (const char *name, const BalStatus *status, gpointer user_data)
{
  BalDaemon *self = user_data;
  g_autofree char *uuid =
    g_strdup (status->uuid ? status->uuid : g_hash_table_lookup (self->uuids, name));
  BalEvent event = status->kind == BAL_STATUS_LEAVING ? BAL_EVENT_LEAVING
                   : status->kind == BAL_STATUS_GONE  ? BAL_EVENT_GONE
                                                      : BAL_EVENT_STAYING;

  if (!uuid)
    return;
  if (status->kind == BAL_STATUS_GONE)
    g_hash_table_remove (self->uuids, name);
  else
    g_hash_table_replace (self->uuids, g_strdup (name), g_strdup (uuid));
  if (status->kind == BAL_STATUS_NO_JOB && status->has_agent && !status->has_window)
    mark (self, uuid);
  bal_book_note_status (self->book, uuid, name, status);

  if (self->is_first_look && status->lacks_memory)
    bal_domains_tell_unsettled (self->domains, uuid, event);
  else
    bal_domains_tell (self->domains, uuid, event);
}

/* NB: a saved image and a snapshot keep the sizes that the guest had, and the journal forgets them.
 */
static gboolean
comes_from_elsewhere (int detail)
{
  return detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED || detail == VIR_DOMAIN_EVENT_STARTED_RESTORED
         || detail == VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT;
}

static void
on_lifecycle (const char *uuid, int event, int detail, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_book_note_lifecycle (self->book, uuid, event, detail);
  if (event == VIR_DOMAIN_EVENT_STARTED && comes_from_elsewhere (detail))
    bal_domains_tell (self->domains, uuid, BAL_EVENT_ARRIVING);
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    bal_domains_tell (self->domains, uuid, BAL_EVENT_GONE);
  else if (event == VIR_DOMAIN_EVENT_RESUMED)
    bal_domains_tell (self->domains, uuid,
                      detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED ? BAL_EVENT_ARRIVED
                                                                  : BAL_EVENT_RESUMED);
  if (event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_STOPPED
      || event == VIR_DOMAIN_EVENT_RESUMED)
    bal_daemon_vf_settle (self->vf, uuid);
}

static void
on_leaving (const char *uuid, gpointer user_data)
{
  const BalDaemon *self = user_data;

  bal_domains_tell (self->domains, uuid, BAL_EVENT_LEAVING);
}

static void
on_failed (const char *uuid, gpointer user_data)
{
  const BalDaemon *self = user_data;

  bal_domains_tell (self->domains, uuid, BAL_EVENT_FAILED);
}

static void
on_migrated (const char *uuid, const BalMigrationFigures *figures, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_book_note_figures (self->book, uuid, figures);
}

static void
sweep_entry (BalDaemon *self, const BalJournalEntry *entry)
{
  gboolean is_ours = bal_incarnation_equal (&entry->owner, &self->me);

  /* What is ours and not at work was left where a file could not be removed. */
  if (is_ours ? bal_domains_is_idle (self->domains, entry->uuid)
              : !bal_process_is_alive (self->root, &entry->owner)
                  && !bal_recover_is_for_others (self->config, entry))
    bal_domains_tell (self->domains, entry->uuid, BAL_EVENT_ORPHANED);
}

static void
look_afresh (BalDaemon *self)
{
  self->is_first_look = TRUE;
  bal_status_folder_rescan (self->status);
  self->is_first_look = FALSE;
}

static void
watch_status (BalDaemon *self)
{
  g_autoptr (GError) error = NULL;

  if (self->status && !bal_status_folder_works (self->status))
    g_clear_pointer (&self->status, bal_status_folder_free);
  if (self->status)
    return;
  self->status = bal_status_folder_new (self->root, on_status, self, &error);
  if (self->status)
    look_afresh (self);
  else
    bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "%s", error->message);
}

static gboolean
on_sweep (gpointer user_data)
{
  BalDaemon *self = user_data;
  g_autoptr (GPtrArray) items = bal_journal_list (self->root, NULL, NULL);

  if (self->connection)
    watch_status (self);
  for (guint i = 0; items && i < items->len; i++)
    {
      const BalJournalItem *item = g_ptr_array_index (items, i);

      if (item->entry)
        sweep_entry (self, item->entry);
    }
  return G_SOURCE_CONTINUE;
}

static void
on_up (virConnectPtr connection, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_MESSAGE, NULL, "connected to libvirt");
  g_clear_pointer (&self->away_reason, g_free);
  self->connection = connection;
  virConnectRef (connection);
  bal_domains_set_connection (self->domains, connection);
  if (self->status)
    look_afresh (self);
  /* Some may have begun to run while libvirt could not tell. */
  bal_domains_tell_all (self->domains, BAL_EVENT_RESUMED);
  bal_daemon_vf_settle (self->vf, NULL);
  on_sweep (self);
}

static void
on_down (gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "libvirt is away");
  bal_domains_set_connection (self->domains, NULL);
  g_clear_pointer (&self->connection, virConnectClose);
}

static void
on_away (const char *reason, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "libvirt is away: %s", reason);
  g_free (self->away_reason);
  /* NB: libvirt's words may quote what is no UTF-8. */
  self->away_reason = g_utf8_make_valid (reason, -1);
}

static void
on_vf_up (virConnectPtr connection, gpointer user_data)
{
  const BalDaemon *self = user_data;

  bal_daemon_vf_set_connection (self->vf, connection);
}

static void
on_vf_down (gpointer user_data)
{
  const BalDaemon *self = user_data;

  bal_daemon_vf_set_connection (self->vf, NULL);
}

static void
on_hook (BalDaemonRequest *request, const BalHookCall *call, gpointer user_data)
{
  BalDaemon *self = user_data;

  if (strcmp (call->hook, "vf") == 0)
    bal_daemon_vf_hook (self->vf, request, call);
  else
    bal_windows_open (self->windows, request, call);
}

static void
on_vf (BalDaemonRequest *request, BalVfCall *call, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_vf_call (self->vf, request, call);
}

static void
on_request_status (BalDaemonRequest *request, const char *domain, gpointer user_data)
{
  const BalDaemon *self = user_data;
  JsonNode *result = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_node_take_object (result, object);
  json_object_set_boolean_member (object, "libvirt", self->connection != NULL);
  if (self->away_reason)
    json_object_set_string_member (object, "libvirt-error", self->away_reason);
  bal_book_to_json (self->book, domain, object);
  bal_daemon_request_return (request, result);
}

BalDaemon *
bal_daemon_new (const char *root,
                const char *uri,
                const BalConfig *config,
                const char *vf_config_path,
                GError **error)
{
  static const BalDaemonHandlers requests = {.hook = on_hook,
                                             .status = on_request_status,
                                             .vf = on_vf};
  static const BalLinkHandlers handlers = {.up = on_up,
                                           .down = on_down,
                                           .away = on_away,
                                           .lifecycle = on_lifecycle,
                                           .leaving = on_leaving,
                                           .failed = on_failed,
                                           .migrated = on_migrated};
  static const BalLinkHandlers vf_handlers = {.up = on_vf_up, .down = on_vf_down};
  BalDaemon *self = g_new0 (BalDaemon, 1);

  if (bal_process_incarnation (root, getpid (), &self->me, error))
    self->server = bal_daemon_server_new (root, &requests, self, error);
  if (!self->server)
    {
      g_free (self);
      return NULL;
    }
  /* Behind the server: there is no other ballastd any more, and hooks that come wait. */
  self->vf = bal_daemon_vf_new (root, vf_config_path, NULL);
  self->windows = bal_windows_new (config->window_ms);
  self->book = bal_book_new ();
  self->root = g_strdup (root);
  self->config = bal_config_share (config);
  self->domains = bal_domains_new (root, config, self->book);
  self->uuids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->marking = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->marks = bal_marks_new (on_marked, self);
  self->link = bal_link_new (root, uri, &handlers, self);
  self->vf_link = bal_link_new (root, uri, &vf_handlers, self);
  self->sweep_id = g_timeout_add_seconds (SWEEP_S, on_sweep, self);
  return self;
}

void
bal_daemon_set_config (BalDaemon *self, const BalConfig *config)
{
  bal_config_free (self->config);
  self->config = bal_config_share (config);
  bal_domains_set_config (self->domains, config);
  bal_windows_set_length (self->windows, config->window_ms);
}

void
bal_daemon_reload_vf (BalDaemon *self)
{
  bal_daemon_vf_reload (self->vf);
}

void
bal_daemon_free (BalDaemon *self)
{
  g_clear_handle_id (&self->sweep_id, g_source_remove);
  bal_link_free (self->vf_link);
  bal_daemon_vf_free (self->vf);
  bal_windows_free (self->windows);
  bal_daemon_server_free (self->server);
  g_clear_pointer (&self->status, bal_status_folder_free);
  bal_link_free (self->link);
  bal_domains_free (self->domains);
  bal_book_free (self->book);
  bal_config_free (self->config);
  bal_marks_free (self->marks);
  g_hash_table_unref (self->uuids);
  g_hash_table_unref (self->marking);
  g_clear_pointer (&self->connection, virConnectClose);
  g_free (self->away_reason);
  g_free (self->root);
  g_free (self);
}
