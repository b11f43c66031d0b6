/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon.h"

#include <unistd.h>

#include "host-hook/daemon-book.h"
#include "host-hook/daemon-link.h"
#include "host-hook/daemon-log.h"
#include "host-hook/daemon-marks.h"
#include "host-hook/daemon-server.h"
#include "host-hook/daemon-task.h"
#include "host-hook/daemon-window.h"
#include "host-hook/domain-states.h"
#include "host-hook/journal.h"
#include "host-hook/recover.h"
#include "host-hook/status-folder.h"

/* A give-back that has to wait is tried again when something happens to the domain; if nothing is
 * seen to happen, after this time, and then twice and so on. */
#define RETRY_MIN_S 5
#define RETRY_MAX_S 60

/* How often the journal is looked through for releases whose owner died. */
#define SWEEP_S 15

struct _BalDaemon
{
  char *root;
  const BalConfig *config;
  BalLink *link;
  virConnectPtr connection; /* NULL: libvirt is away */
  BalStatusFolder *status;
  gboolean is_first_look; /* at domains that may have arrived while nobody looked */
  GHashTable *domains;    /* uuid -> Domain; only those that are not idle */
  GHashTable *uuids;      /* name -> uuid, of domains that have a status file */
  GHashTable *marking;    /* uuids that the marks are at work on */
  BalMarks *marks;
  BalIncarnation me;
  guint sweep_id;
  BalWindows *windows;
  BalDaemonServer *server;
  BalBook *book;
};

typedef struct
{
  BalDaemon *daemon;
  char *uuid;
  BalState state;
  BalTask *task; /* at work, or NULL */
  guint retry_id;
  guint retry_s;
  gboolean is_unsettled;      /* has arrived, and no restore has begun since */
  gboolean has_just_arrived;  /* a restore is to know of it, until one has succeeded */
  gboolean arrived_meanwhile; /* after the restore that is at work began */
  gboolean is_leaving;        /* by its status file, as last read */
} Domain;

static void
domain_free (gpointer data)
{
  Domain *self = data;

  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_pointer (&self->task, bal_task_free);
  g_free (self->uuid);
  g_free (self);
}

static Domain *
find_domain (BalDaemon *self, const char *uuid)
{
  Domain *domain = g_hash_table_lookup (self->domains, uuid);

  if (domain)
    return domain;
  domain = g_new0 (Domain, 1);
  domain->daemon = self;
  domain->uuid = g_strdup (uuid);
  g_hash_table_insert (self->domains, domain->uuid, domain);
  return domain;
}

static void step (Domain *self, BalEvent event);

static void
on_task_event (BalTask *task, BalEvent event, gpointer user_data)
{
  Domain *self = user_data;

  if (event == BAL_EVENT_RELEASED || event == BAL_EVENT_RELEASE_ENDED)
    bal_book_note_release (self->daemon->book, self->uuid, bal_task_result (task));
  if (event != BAL_EVENT_RELEASED)
    g_clear_pointer (&self->task, bal_task_free);
  step (self, event);
}

static gboolean
on_retry (gpointer user_data)
{
  Domain *self = user_data;

  self->retry_id = 0;
  step (self, BAL_EVENT_RETRY);
  return G_SOURCE_REMOVE;
}

static void
wait_for_retry (Domain *self)
{
  self->retry_s = CLAMP (2 * self->retry_s, RETRY_MIN_S, RETRY_MAX_S);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  self->retry_id = g_timeout_add_seconds (self->retry_s, on_retry, self);
}

static BalTaskHost
task_host (const BalDaemon *self)
{
  return (BalTaskHost){.root = self->root, .config = self->config, .connection = self->connection};
}

static void
act (Domain *self, BalAction action)
{
  BalTaskHost host = task_host (self->daemon);

  switch (action)
    {
    case BAL_ACTION_NONE:
      break;
    case BAL_ACTION_RELEASE:
      self->task = bal_task_release (&host, self->uuid, on_task_event, self);
      break;
    case BAL_ACTION_STOP_RELEASE:
      bal_task_stop (self->task);
      break;
    case BAL_ACTION_RESTORE:
      self->arrived_meanwhile = FALSE;
      self->has_just_arrived |= self->is_unsettled;
      self->is_unsettled = FALSE;
      if (host.connection)
        self->task =
          bal_task_restore (&host, self->uuid, self->has_just_arrived, on_task_event, self);
      else
        wait_for_retry (self);
      break;
    case BAL_ACTION_WAIT:
      wait_for_retry (self);
      break;
    }
}

/* What began while the last migration was being settled is not told of again. */
static BalAction
begin_anew (Domain *self)
{
  if (self->arrived_meanwhile)
    return bal_state_step (&self->state, BAL_EVENT_ARRIVED);
  if (self->is_leaving && self->daemon->connection)
    return bal_state_step (&self->state, BAL_EVENT_LEAVING);
  return BAL_ACTION_NONE;
}

/* NB: frees @self when it has become idle. */
static void
step (Domain *self, BalEvent event)
{
  BalAction action;

  /* Without libvirt nothing can be begun. */
  if (event == BAL_EVENT_LEAVING && self->state == BAL_STATE_IDLE && !self->daemon->connection)
    event = BAL_EVENT_STAYING;
  if (self->retry_id
      && (event == BAL_EVENT_STAYING || event == BAL_EVENT_GONE || event == BAL_EVENT_ARRIVED))
    {
      g_clear_handle_id (&self->retry_id, g_source_remove);
      event = BAL_EVENT_RETRY;
    }
  self->arrived_meanwhile |= event == BAL_EVENT_ARRIVED && self->state == BAL_STATE_RESTORING;
  action = bal_state_step (&self->state, event);
  if (self->state == BAL_STATE_IDLE && event == BAL_EVENT_RESTORED)
    action = begin_anew (self);
  /* It arrived paused, say, and a migration of it away from here came to nothing. */
  if (self->state == BAL_STATE_IDLE && self->is_unsettled && event != BAL_EVENT_GONE)
    action = bal_state_step (&self->state, BAL_EVENT_ORPHANED);
  bal_book_note_state (self->daemon->book, self->uuid, self->state);
  act (self, action);
  if (self->state == BAL_STATE_IDLE)
    g_hash_table_remove (self->daemon->domains, self->uuid);
}

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
  Domain *domain;

  if (!uuid)
    return;
  if (status->kind == BAL_STATUS_GONE)
    g_hash_table_remove (self->uuids, name);
  else
    g_hash_table_replace (self->uuids, g_strdup (name), g_strdup (uuid));
  if (status->kind == BAL_STATUS_NO_JOB && status->has_agent && !status->has_window)
    mark (self, uuid);
  bal_book_note_status (self->book, uuid, name, status);

  domain = find_domain (self, uuid);
  domain->is_unsettled |= self->is_first_look && self->config->cluster_wide && status->lacks_memory;
  domain->is_leaving = status->kind == BAL_STATUS_LEAVING;
  step (domain, status->kind == BAL_STATUS_LEAVING ? BAL_EVENT_LEAVING
                : status->kind == BAL_STATUS_GONE  ? BAL_EVENT_GONE
                                                   : BAL_EVENT_STAYING);
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
  Domain *domain;

  bal_book_note_lifecycle (self->book, uuid, event, detail);
  if (event == VIR_DOMAIN_EVENT_STARTED && comes_from_elsewhere (detail))
    {
      domain = find_domain (self, uuid);
      domain->is_unsettled = TRUE;
      step (domain, BAL_EVENT_ARRIVING);
    }
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    step (find_domain (self, uuid), BAL_EVENT_GONE);
  else if (event == VIR_DOMAIN_EVENT_RESUMED)
    {
      gboolean arrived = detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED;

      domain = find_domain (self, uuid);
      domain->is_unsettled |= arrived;
      step (domain, arrived ? BAL_EVENT_ARRIVED : BAL_EVENT_RESUMED);
    }
}

static void
on_leaving (const char *uuid, gpointer user_data)
{
  step (find_domain (user_data, uuid), BAL_EVENT_LEAVING);
}

static void
on_failed (const char *uuid, gpointer user_data)
{
  step (find_domain (user_data, uuid), BAL_EVENT_FAILED);
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
  if (is_ours ? !g_hash_table_contains (self->domains, entry->uuid)
              : !bal_process_is_alive (self->root, &entry->owner)
                  && !bal_recover_is_for_others (self->config, entry))
    step (find_domain (self, entry->uuid), BAL_EVENT_ORPHANED);
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

/* Those that began to run while libvirt could not tell. */
static void
settle_missed_arrivals (BalDaemon *self)
{
  g_autoptr (GList) domains = g_hash_table_get_values (self->domains);

  for (GList *at = domains; at; at = at->next)
    step (at->data, BAL_EVENT_RESUMED);
}

static void
on_up (virConnectPtr connection, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_MESSAGE, NULL, "connected to libvirt");
  self->connection = connection;
  virConnectRef (connection);
  if (self->status)
    look_afresh (self);
  settle_missed_arrivals (self);
  on_sweep (self);
}

static void
on_down (gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_daemon_log (G_LOG_LEVEL_WARNING, NULL, "libvirt is away");
  g_clear_pointer (&self->connection, virConnectClose);
}

static void
on_hook (BalDaemonRequest *request, const BalHookCall *call, gpointer user_data)
{
  BalDaemon *self = user_data;

  bal_windows_open (self->windows, request, call);
}

static void
on_request_status (BalDaemonRequest *request, const char *domain, gpointer user_data)
{
  const BalDaemon *self = user_data;
  JsonNode *result = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_node_take_object (result, object);
  json_object_set_boolean_member (object, "libvirt", self->connection != NULL);
  bal_book_to_json (self->book, domain, object);
  bal_daemon_request_return (request, result);
}

BalDaemon *
bal_daemon_new (const char *root, const char *uri, const BalConfig *config, GError **error)
{
  static const BalDaemonHandlers requests = {.hook = on_hook, .status = on_request_status};
  static const BalLinkHandlers handlers = {.up = on_up,
                                           .down = on_down,
                                           .lifecycle = on_lifecycle,
                                           .leaving = on_leaving,
                                           .failed = on_failed,
                                           .migrated = on_migrated};
  BalDaemon *self = g_new0 (BalDaemon, 1);

  if (bal_process_incarnation (root, getpid (), &self->me, error))
    self->server = bal_daemon_server_new (root, &requests, self, error);
  if (!self->server)
    {
      g_free (self);
      return NULL;
    }
  self->windows = bal_windows_new (config->window_ms);
  self->book = bal_book_new ();
  self->root = g_strdup (root);
  self->config = config;
  self->domains = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, domain_free);
  self->uuids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->marking = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->marks = bal_marks_new (on_marked, self);
  self->link = bal_link_new (root, uri, &handlers, self);
  self->sweep_id = g_timeout_add_seconds (SWEEP_S, on_sweep, self);
  return self;
}

void
bal_daemon_set_config (BalDaemon *self, const BalConfig *config)
{
  self->config = config;
  bal_windows_set_length (self->windows, config->window_ms);
}

void
bal_daemon_free (BalDaemon *self)
{
  g_clear_handle_id (&self->sweep_id, g_source_remove);
  bal_windows_free (self->windows);
  bal_daemon_server_free (self->server);
  g_clear_pointer (&self->status, bal_status_folder_free);
  bal_link_free (self->link);
  g_hash_table_unref (self->domains);
  bal_book_free (self->book);
  g_hash_table_unref (self->uuids);
  g_hash_table_unref (self->marking);
  g_clear_pointer (&self->connection, virConnectClose);
  g_free (self->root);
  g_free (self);
}
