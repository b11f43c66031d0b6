/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/table.h"

#include "protocol/codec.h"

struct _BalTable
{
  guint n_columns;
  GPtrArray *cells; /* of char *, row by row, the headings first */
};

BalTable *
bal_table_new (const char *const *headings)
{
  BalTable *self = g_new (BalTable, 1);

  *self = (BalTable){.cells = g_ptr_array_new_with_free_func (g_free)};
  for (; headings[self->n_columns]; self->n_columns++)
    bal_table_add (self, headings[self->n_columns]);
  return self;
}

void
bal_table_free (BalTable *self)
{
  g_ptr_array_unref (self->cells);
  g_free (self);
}

void
bal_table_add (BalTable *self, const char *text)
{
  g_ptr_array_add (self->cells, text && *text ? bal_escape_whole (text) : g_strdup ("-"));
}

void
bal_table_take (BalTable *self, char *text)
{
  bal_table_add (self, text);
  g_free (text);
}

void
bal_table_add_number (BalTable *self, gint64 number)
{
  bal_table_take (self, g_strdup_printf ("%" G_GINT64_FORMAT, number));
}

static glong
width_of (const BalTable *self, guint column)
{
  glong width = 0;

  for (guint i = column; i < self->cells->len; i += self->n_columns)
    width = MAX (width, g_utf8_strlen (self->cells->pdata[i], -1));
  return width;
}

void
bal_table_print (const BalTable *self, FILE *stream)
{
  g_autofree glong *widths = g_new (glong, self->n_columns);

  for (guint i = 0; i < self->n_columns; i++)
    widths[i] = width_of (self, i);
  for (guint i = 0; i < self->cells->len; i++)
    {
      const char *cell = self->cells->pdata[i];
      guint column = i % self->n_columns;
      gboolean is_last = column + 1 == self->n_columns;

      fputs (cell, stream);
      if (is_last)
        fputc ('\n', stream);
      else
        for (glong j = g_utf8_strlen (cell, -1); j < widths[column] + 2; j++)
          fputc (' ', stream);
    }
}
