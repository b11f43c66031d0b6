/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-vf-order.h"

struct _BalVfOrder
{
  GHashTable *queues; /* UUID -> GQueue of what waits behind what is at work */
  GDestroyNotify free_item;
};

BalVfOrder *
bal_vf_order_new (GDestroyNotify free_item)
{
  BalVfOrder *self = g_new (BalVfOrder, 1);

  self->queues =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_queue_free);
  self->free_item = free_item;
  return self;
}

void
bal_vf_order_free (BalVfOrder *self)
{
  bal_vf_order_clear (self);
  g_hash_table_unref (self->queues);
  g_free (self);
}

void
bal_vf_order_clear (BalVfOrder *self)
{
  GHashTableIter iter;
  gpointer queue;

  g_hash_table_iter_init (&iter, self->queues);
  while (g_hash_table_iter_next (&iter, NULL, &queue))
    g_queue_clear_full (queue, self->free_item);
  g_hash_table_remove_all (self->queues);
}

gboolean
bal_vf_order_enter (BalVfOrder *self, const char *uuid, gpointer item)
{
  GQueue *behind = g_hash_table_lookup (self->queues, uuid);

  if (!behind)
    return g_hash_table_insert (self->queues, g_strdup (uuid), g_queue_new ());
  g_queue_push_tail (behind, item);
  return FALSE;
}

gpointer
bal_vf_order_leave (BalVfOrder *self, const char *uuid)
{
  gpointer next = g_queue_pop_head (g_hash_table_lookup (self->queues, uuid));

  if (!next)
    g_hash_table_remove (self->queues, uuid);
  return next;
}
