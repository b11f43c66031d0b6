/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-marks.h"

#include "host-hook/connection.h"
#include "host-hook/daemon-log.h"
#include "host-hook/window-tag.h"

/* `ballast migrate` takes the tag off and then calls libvirt, whose job keeps it off from there on.
 */
#define DELAY_MS 1000

struct _BalMarks
{
  guint ref_count; /* the creator's, and one for each mark on its way; main context only */
  GThreadPool *pool;
  BalMarkFunc func; /* NULL once the creator has freed it */
  gpointer user_data;
};

typedef struct
{
  BalMarks *marks;
  virConnectPtr connection;
  char *uuid;
} Mark;

static void
marks_unref (BalMarks *self)
{
  if (--self->ref_count > 0)
    return;
  g_thread_pool_free (self->pool, TRUE, FALSE);
  g_free (self);
}

static gboolean
mark_done (gpointer data)
{
  Mark *self = data;

  if (self->marks->func)
    self->marks->func (self->uuid, self->marks->user_data);
  marks_unref (self->marks);
  virConnectClose (self->connection);
  g_free (self->uuid);
  g_free (self);
  return G_SOURCE_REMOVE;
}

static void
run_mark (gpointer data, gpointer user_data)
{
  Mark *self = data;
  g_autoptr (virDomain) domain = virDomainLookupByUUIDString (self->connection, self->uuid);
  g_autoptr (GError) error = NULL;

  if (domain && bal_domain_state (self->connection, self->uuid) == BAL_DOMAIN_RUNNING
      && !bal_window_tag_is_on (domain) && !bal_window_tag_write (domain, TRUE, &error))
    bal_daemon_log (G_LOG_LEVEL_INFO, self->uuid, "%s", error->message);
  g_idle_add (mark_done, self);
}

BalMarks *
bal_marks_new (BalMarkFunc func, gpointer user_data)
{
  BalMarks *self = g_new0 (BalMarks, 1);

  self->ref_count = 1;
  self->func = func;
  self->user_data = user_data;
  self->pool = g_thread_pool_new (run_mark, self, 1, FALSE, NULL);
  return self;
}

void
bal_marks_free (BalMarks *self)
{
  self->func = NULL;
  marks_unref (self);
}

static gboolean
on_delay (gpointer data)
{
  Mark *self = data;

  g_thread_pool_push (self->marks->pool, self, NULL);
  return G_SOURCE_REMOVE;
}

void
bal_marks_add (BalMarks *self, virConnectPtr connection, const char *uuid)
{
  Mark *mark = g_new (Mark, 1);

  *mark = (Mark){.marks = self, .connection = connection, .uuid = g_strdup (uuid)};
  self->ref_count++;
  virConnectRef (connection);
  g_timeout_add (DELAY_MS, on_delay, mark);
}
