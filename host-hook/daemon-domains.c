/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-domains.h"

#include "host-hook/daemon-task.h"

/* A give-back that has to wait is tried again when something happens to the domain; if nothing is
 * seen to happen, after this time, and then twice and so on. */
#define RETRY_MIN_S 5
#define RETRY_MAX_S 60

struct _BalDomains
{
  char *root;
  BalConfig *config;
  virConnectPtr connection; /* NULL: libvirt is away */
  BalBook *book;
  GHashTable *table; /* uuid -> Domain */
};

typedef struct
{
  BalDomains *domains;
  char *uuid;
  BalState state;
  BalTask *task; /* at work, or NULL */
  guint retry_id;
  guint retry_s;
  gboolean is_unsettled;      /* has arrived, and no restore has begun since */
  gboolean has_just_arrived;  /* a restore is to know of it, until one has succeeded */
  gboolean arrived_meanwhile; /* after the restore that is at work began */
  gboolean is_leaving;        /* as last told */
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
find_domain (BalDomains *self, const char *uuid)
{
  Domain *domain = g_hash_table_lookup (self->table, uuid);

  if (domain)
    return domain;
  domain = g_new0 (Domain, 1);
  domain->domains = self;
  domain->uuid = g_strdup (uuid);
  g_hash_table_insert (self->table, domain->uuid, domain);
  return domain;
}

static void step (Domain *self, BalEvent event);

static void
on_task_event (BalTask *task, BalEvent event, gpointer user_data)
{
  Domain *self = user_data;

  if (event == BAL_EVENT_RELEASED || event == BAL_EVENT_RELEASE_ENDED
      || event == BAL_EVENT_NOT_LEAVING)
    bal_book_note_release (self->domains->book, self->uuid, bal_task_result (task));
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
task_host (const BalDomains *self)
{
  return (BalTaskHost){.root = self->root, .config = self->config, .connection = self->connection};
}

static void
act (Domain *self, BalAction action)
{
  BalTaskHost host = task_host (self->domains);

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
  if (self->is_leaving && self->domains->connection)
    return bal_state_step (&self->state, BAL_EVENT_LEAVING);
  return BAL_ACTION_NONE;
}

/* NB: frees @self when it has become idle. */
static void
step (Domain *self, BalEvent event)
{
  BalAction action;

  /* Without libvirt nothing can be begun. */
  if (event == BAL_EVENT_LEAVING && self->state == BAL_STATE_IDLE && !self->domains->connection)
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
  bal_book_note_state (self->domains->book, self->uuid, self->state);
  act (self, action);
  if (self->state == BAL_STATE_IDLE)
    g_hash_table_remove (self->domains->table, self->uuid);
}

BalDomains *
bal_domains_new (const char *root, const BalConfig *config, BalBook *book)
{
  BalDomains *self = g_new0 (BalDomains, 1);

  self->root = g_strdup (root);
  self->config = bal_config_share (config);
  self->book = book;
  self->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, domain_free);
  return self;
}

void
bal_domains_free (BalDomains *self)
{
  g_hash_table_unref (self->table);
  g_clear_pointer (&self->connection, virConnectClose);
  bal_config_free (self->config);
  g_free (self->root);
  g_free (self);
}

void
bal_domains_set_config (BalDomains *self, const BalConfig *config)
{
  bal_config_free (self->config);
  self->config = bal_config_share (config);
}

void
bal_domains_set_connection (BalDomains *self, virConnectPtr connection)
{
  if (connection)
    virConnectRef (connection);
  g_clear_pointer (&self->connection, virConnectClose);
  self->connection = connection;
}

void
bal_domains_tell (BalDomains *self, const char *uuid, BalEvent event)
{
  Domain *domain = find_domain (self, uuid);

  domain->is_unsettled |= event == BAL_EVENT_ARRIVING || event == BAL_EVENT_ARRIVED;
  if (event == BAL_EVENT_LEAVING || event == BAL_EVENT_STAYING || event == BAL_EVENT_GONE)
    domain->is_leaving = event == BAL_EVENT_LEAVING;
  step (domain, event);
}

void
bal_domains_tell_all (BalDomains *self, BalEvent event)
{
  g_autoptr (GList) domains = g_hash_table_get_values (self->table);

  for (GList *at = domains; at; at = at->next)
    step (at->data, event);
}

void
bal_domains_tell_unsettled (BalDomains *self, const char *uuid, BalEvent event)
{
  find_domain (self, uuid)->is_unsettled = TRUE;
  bal_domains_tell (self, uuid, event);
}

gboolean
bal_domains_is_idle (const BalDomains *self, const char *uuid)
{
  return !g_hash_table_contains (self->table, uuid);
}
