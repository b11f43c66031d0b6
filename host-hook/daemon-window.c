/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-window.h"

#include <string.h>

#include "host-hook/window-tag.h"

struct _BalWindows
{
  guint window_ms;
  GList *waiting; /* of Window */
};

typedef struct
{
  BalWindows *windows;
  BalDaemonRequest *request;
  guint timer_id;
} Window;

static void
answer (BalDaemonRequest *request)
{
  JsonNode *result = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (result, json_object_new ());
  bal_daemon_request_return (request, result);
}

static void
window_close (gpointer data)
{
  Window *self = data;

  g_clear_handle_id (&self->timer_id, g_source_remove);
  answer (self->request);
  g_free (self);
}

static gboolean
on_time (gpointer user_data)
{
  Window *self = user_data;

  self->timer_id = 0;
  self->windows->waiting = g_list_remove (self->windows->waiting, self);
  window_close (self);
  return G_SOURCE_REMOVE;
}

BalWindows *
bal_windows_new (guint window_ms)
{
  BalWindows *self = g_new0 (BalWindows, 1);

  self->window_ms = window_ms;
  return self;
}

void
bal_windows_free (BalWindows *self)
{
  g_list_free_full (self->waiting, window_close);
  g_free (self);
}

void
bal_windows_set_length (BalWindows *self, guint window_ms)
{
  self->window_ms = window_ms;
}

static gboolean
is_worth_it (const BalWindows *self, const BalHookCall *call)
{
  g_autofree char *xml = NULL;

  if (self->window_ms == 0 || g_list_length (self->waiting) >= BAL_WINDOWS_MAX
      || strcmp (call->hook, "memory") != 0 || strcmp (call->operation, "migrate") != 0
      || strcmp (call->sub_operation, "begin") != 0)
    return FALSE;
  xml = g_strndup (g_bytes_get_data (call->xml, NULL), g_bytes_get_size (call->xml));
  return bal_window_tag_is_in (xml);
}

void
bal_windows_open (BalWindows *self, BalDaemonRequest *request, const BalHookCall *call)
{
  Window *window;

  if (!is_worth_it (self, call))
    {
      answer (request);
      return;
    }
  window = g_new (Window, 1);
  window->windows = self;
  window->request = request;
  window->timer_id = g_timeout_add (self->window_ms, on_time, window);
  self->waiting = g_list_prepend (self->waiting, window);
}
