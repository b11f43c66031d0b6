/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/ranges.h"

#include "protocol/limits.h"

G_DEFINE_QUARK (bal_ranges_error, bal_ranges_error)

struct _BalRanges
{
  GArray *items;       /* of BalRange */
  guint64 total_bytes; /* at most BAL_ADDRESS_LIMIT, as the items are disjoint */
};

static guint64
range_end (const BalRange *range)
{
  return range->start + range->length;
}

BalRanges *
bal_ranges_new (void)
{
  BalRanges *self = g_new0 (BalRanges, 1);

  self->items = g_array_new (FALSE, FALSE, sizeof (BalRange));
  return self;
}

void
bal_ranges_free (BalRanges *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->items);
  g_free (self);
}

gboolean
bal_ranges_append (BalRanges *self, guint64 start, guint64 length, GError **error)
{
  BalRange *last = NULL;

  if (length == 0)
    {
      g_set_error (error, BAL_RANGES_ERROR, BAL_RANGES_ERROR_EMPTY,
                   "The range at 0x%" G_GINT64_MODIFIER "x is empty", start);
      return FALSE;
    }
  /* Compared by subtraction: start + length could wrap. */
  if (start > BAL_ADDRESS_LIMIT || length > BAL_ADDRESS_LIMIT - start)
    {
      g_set_error (error, BAL_RANGES_ERROR, BAL_RANGES_ERROR_LIMIT,
                   "The range at 0x%" G_GINT64_MODIFIER
                   "x reaches beyond the largest guest-physical address",
                   start);
      return FALSE;
    }
  if (self->items->len > 0)
    last = &g_array_index (self->items, BalRange, self->items->len - 1);
  if (last != NULL && start < range_end (last))
    {
      g_set_error (error, BAL_RANGES_ERROR, BAL_RANGES_ERROR_ORDER,
                   "The range at 0x%" G_GINT64_MODIFIER
                   "x begins before the end of the one in front of it",
                   start);
      return FALSE;
    }

  self->total_bytes += length;
  if (last != NULL && start == range_end (last))
    {
      last->length += length;
      return TRUE;
    }
  BalRange range = {.start = start, .length = length};
  g_array_append_val (self->items, range);
  return TRUE;
}

guint
bal_ranges_count (const BalRanges *self)
{
  return self->items->len;
}

const BalRange *
bal_ranges_get (const BalRanges *self, guint index)
{
  g_assert (index < self->items->len);
  return &g_array_index (self->items, BalRange, index);
}

guint64
bal_ranges_total_bytes (const BalRanges *self)
{
  return self->total_bytes;
}

gboolean
bal_ranges_equal (const BalRanges *a, const BalRanges *b)
{
  if (a->items->len != b->items->len || a->total_bytes != b->total_bytes)
    return FALSE;
  for (guint i = 0; i < a->items->len; i++)
    {
      const BalRange *left = bal_ranges_get (a, i);
      const BalRange *right = bal_ranges_get (b, i);

      if (left->start != right->start || left->length != right->length)
        return FALSE;
    }
  return TRUE;
}
