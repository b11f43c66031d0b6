/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/codec.h"

#include <string.h>

#define SENTINEL '\xff'

/*
 * The stream is cut into segments, each ended by a newline (a line) or by a sentinel (void). What
 * comes out does not depend on how the bytes were split into feeds.
 */
struct _BalFramer
{
  gsize line_max_bytes;
  GString *buffer;
  gsize begin;             /* first byte of the segment under way */
  gsize scanned;           /* bytes before it hold no end of that segment */
  gboolean dropping;       /* the segment under way was reported as overlong */
  gboolean sentinel_ahead; /* the segment under way follows a sentinel */
  gboolean line_had_sentinel;
};

BalFramer *
bal_framer_new (gsize line_max_bytes)
{
  BalFramer *self = g_new0 (BalFramer, 1);

  self->line_max_bytes = line_max_bytes;
  self->buffer = g_string_new (NULL);
  return self;
}

void
bal_framer_free (BalFramer *self)
{
  if (self == NULL)
    return;
  g_string_free (self->buffer, TRUE);
  g_free (self);
}

void
bal_framer_feed (BalFramer *self, const void *data, gsize length_bytes)
{
  if (length_bytes == 0)
    return;
  g_string_erase (self->buffer, 0, (gssize)self->begin);
  self->scanned -= self->begin;
  self->begin = 0;
  g_string_append_len (self->buffer, data, (gssize)length_bytes);
}

/* Position of the segment's end, or of the buffer's when the end has not come yet. */
static gsize
find_segment_end (BalFramer *self)
{
  gsize at = self->scanned;

  while (at < self->buffer->len && self->buffer->str[at] != '\n'
         && self->buffer->str[at] != SENTINEL)
    at++;
  self->scanned = at;
  return at;
}

static gboolean
is_blank (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
      return FALSE;
  return TRUE;
}

/* Steps over the segment that ends at @end. */
static void
finish_segment (BalFramer *self, gsize end)
{
  self->line_had_sentinel = self->sentinel_ahead;
  self->sentinel_ahead = self->buffer->str[end] == SENTINEL;
  self->dropping = FALSE;
  self->begin = end + 1;
  self->scanned = self->begin;
}

BalFrame
bal_framer_next (BalFramer *self, char **line, gsize *length_bytes)
{
  for (;;)
    {
      gsize end = find_segment_end (self);
      gsize length = end - self->begin;
      const char *text = self->buffer->str + self->begin;
      gboolean is_whole = end < self->buffer->len;

      if (!self->dropping && length > self->line_max_bytes)
        {
          self->dropping = TRUE;
          return BAL_FRAME_OVERLONG;
        }
      if (self->dropping)
        self->begin = end;
      if (!is_whole)
        return BAL_FRAME_NONE;

      gboolean keep = !self->dropping && self->buffer->str[end] == '\n' && !is_blank (text, length);

      finish_segment (self, end);
      if (keep)
        {
          /* Not g_strndup(), which stops at a NUL in the line. */
          *line = g_malloc (length + 1);
          memcpy (*line, text, length);
          (*line)[length] = '\0';
          *length_bytes = length;
          return BAL_FRAME_LINE;
        }
    }
}

gboolean
bal_framer_after_sentinel (const BalFramer *self)
{
  return self->line_had_sentinel;
}

void
bal_framer_reset (BalFramer *self)
{
  g_string_truncate (self->buffer, 0);
  self->begin = 0;
  self->scanned = 0;
  self->dropping = FALSE;
  self->sentinel_ahead = FALSE;
  self->line_had_sentinel = FALSE;
}
