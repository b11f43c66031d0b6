/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/backing.h"

#include "host-hook/file-io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (G_GUINT64_CONSTANT (1) << 63)
#define PAGEMAP_SWAPPED (G_GUINT64_CONSTANT (1) << 62)
#define PAGEMAP_EXCLUSIVE (G_GUINT64_CONSTANT (1) << 56)

/* 256 KiB of pagemap, 128 MiB of guest memory, a read. */
#define ENTRIES_PER_READ 32768u

/* Pages that are read to see whether they are zero, at most; half as many at least, when there are.
 * 8 MiB are read in some milliseconds. */
#define SAMPLE_MAX 2048u
#define SWAPPED_OUT G_MAXUINT64

G_DEFINE_QUARK (bal_backing_error, bal_backing_error)

typedef struct
{
  BalBackingSegment place;
  gboolean is_shared;
} Segment;

struct _BalBacking
{
  int pagemap_fd;
  int mem_fd; /* -1: the pages themselves cannot be read */
  char *pagemap_path;
  guint64 page_bytes;
  GArray *segments; /* of Segment, sorted by guest-physical address, disjoint */
};

void
bal_backing_free (BalBacking *self)
{
  if (self->pagemap_fd >= 0)
    g_close (self->pagemap_fd, NULL);
  if (self->mem_fd >= 0)
    g_close (self->mem_fd, NULL);
  g_free (self->pagemap_path);
  g_array_unref (self->segments);
  g_free (self);
}

static int
compare_segments (gconstpointer a, gconstpointer b)
{
  const Segment *first = a;
  const Segment *second = b;
  return (first->place.gpa > second->place.gpa) - (first->place.gpa < second->place.gpa);
}

static gboolean
fail_map (GError **error, const char *what)
{
  g_set_error (error, BAL_BACKING_ERROR, BAL_BACKING_ERROR_MAP,
               "The guest's memory map does not fit its QEMU: %s", what);
  return FALSE;
}

static gboolean
take_segments (BalBacking *self,
               const BalBackingSegment *segments,
               gsize n_segments,
               GError **error)
{
  for (gsize i = 0; i < n_segments; i++)
    {
      Segment segment = {.place = segments[i]};
      const BalBackingSegment *place = &segment.place;
      if ((place->gpa | place->length | place->hva) % self->page_bytes != 0 || place->length == 0
          || place->gpa > G_MAXUINT64 - place->length || place->hva > G_MAXUINT64 - place->length)
        return fail_map (error, "a piece is not made of whole pages");
      g_array_append_val (self->segments, segment);
    }

  g_array_sort (self->segments, compare_segments);
  for (guint i = 1; i < self->segments->len; i++)
    {
      const BalBackingSegment *before = &g_array_index (self->segments, Segment, i - 1).place;
      if (before->gpa + before->length > g_array_index (self->segments, Segment, i).place.gpa)
        return fail_map (error, "two pieces overlap");
    }
  return TRUE;
}

/* What is known while /proc/<pid>/maps goes by: how far each segment's host addresses are covered.
 */
typedef struct
{
  guint64 next_hva;
  guint64 end_hva;
} Coverage;

static void
note_mapping (BalBacking *self, Coverage *coverage, guint64 start, guint64 end, gboolean is_shared)
{
  for (guint i = 0; i < self->segments->len; i++)
    {
      Coverage *covered = &coverage[i];
      if (covered->next_hva >= covered->end_hva || start > covered->next_hva
          || end <= covered->next_hva)
        continue;
      /* Of two kinds of mapping in one segment the one that counts less. */
      Segment *segment = &g_array_index (self->segments, Segment, i);
      gboolean is_first = covered->next_hva == segment->place.hva;
      segment->is_shared = is_shared && (is_first || segment->is_shared);
      covered->next_hva = end;
    }
}

/* Lines are sorted by address: "7f00-7f10 rw-p 00000000 00:00 0  name". */
static gboolean
classify_segments (BalBacking *self, const char *path, GError **error)
{
  g_autofree Coverage *coverage = g_new0 (Coverage, self->segments->len);
  for (guint i = 0; i < self->segments->len; i++)
    {
      const BalBackingSegment *place = &g_array_index (self->segments, Segment, i).place;
      coverage[i] = (Coverage){place->hva, place->hva + place->length};
    }

  g_autofree char *maps = bal_read_file (path, 64u * 1024u * 1024u, NULL, error);
  if (maps == NULL)
    return FALSE;
  for (const char *line = maps; line != NULL && *line != '\0';)
    {
      char *end_text = NULL;
      guint64 start = g_ascii_strtoull (line, &end_text, 16);
      guint64 end = *end_text == '-' ? g_ascii_strtoull (end_text + 1, &end_text, 16) : 0;
      if (end <= start || strnlen (end_text, 5) < 5)
        return fail_map (error, "its list of mappings does not read like the kernel's");
      note_mapping (self, coverage, start, end, end_text[4] == 's');
      line = strchr (line, '\n');
      if (line != NULL)
        line++;
    }

  for (guint i = 0; i < self->segments->len; i++)
    if (coverage[i].next_hva < coverage[i].end_hva)
      return fail_map (error, "a piece is not mapped");
  return TRUE;
}

BalBacking *
bal_backing_open (const char *root,
                  const BalIncarnation *qemu,
                  const BalBackingSegment *segments,
                  gsize n_segments,
                  GError **error)
{
  g_autoptr (BalBacking) self = g_new0 (BalBacking, 1);
  self->page_bytes = (guint64)sysconf (_SC_PAGESIZE);
  self->segments = g_array_new (FALSE, TRUE, sizeof (Segment));
  g_autofree char *pagemap = g_strdup_printf ("/proc/%d/pagemap", (int)qemu->pid);
  g_autofree char *maps = g_strdup_printf ("/proc/%d/maps", (int)qemu->pid);
  self->pagemap_path = bal_root_path (root, pagemap);
  g_autofree char *maps_path = bal_root_path (root, maps);
  g_autofree char *mem = g_strdup_printf ("/proc/%d/mem", (int)qemu->pid);
  g_autofree char *mem_path = bal_root_path (root, mem);

  self->mem_fd = bal_open (mem_path, O_RDONLY, 0, NULL);
  self->pagemap_fd = bal_open (self->pagemap_path, O_RDONLY, 0, error);
  if (self->pagemap_fd < 0 || !take_segments (self, segments, n_segments, error)
      || !classify_segments (self, maps_path, error))
    return NULL;

  /* The descriptor stays with the memory that it was opened on, so that the pid need be checked
   * only now, after everything that goes by it. */
  if (!bal_process_is_alive (root, qemu))
    {
      g_set_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE, "QEMU, process %d, is gone",
                   (int)qemu->pid);
      return NULL;
    }
  return g_steal_pointer (&self);
}

/* Pages counted so far, and every n-th of them, with n growing so that the sample does not. */
typedef struct
{
  guint64 entries[ENTRIES_PER_READ];
  guint64 pages;
  guint64 stride;
  guint n_sampled;
  guint64 sampled[SAMPLE_MAX]; /* host addresses; SWAPPED_OUT: not to be read */
} Count;

static void
sample (Count *self, guint64 hva)
{
  if (self->n_sampled == SAMPLE_MAX)
    {
      self->n_sampled = SAMPLE_MAX / 2;
      self->stride *= 2;
      for (guint i = 0; i < self->n_sampled; i++)
        self->sampled[i] = self->sampled[2 * i];
    }
  if (self->pages % self->stride == 0)
    self->sampled[self->n_sampled++] = hva;
}

static void
count_entries (Count *self, gsize n_entries, guint64 hva, guint64 page_bytes, gboolean is_shared)
{
  for (gsize i = 0; i < n_entries; i++, hva += page_bytes)
    {
      guint64 entry = self->entries[i];
      gboolean is_present = (entry & PAGEMAP_PRESENT) && (is_shared || (entry & PAGEMAP_EXCLUSIVE));

      if (!is_present && !(entry & PAGEMAP_SWAPPED))
        continue;
      if (self->pages % self->stride == 0)
        sample (self, is_present ? hva : SWAPPED_OUT);
      self->pages++;
    }
}

/* A page that cannot be read may hold anything. */
static gboolean
is_zero (const BalBacking *self, guint64 hva, guint64 *page)
{
  if (hva == SWAPPED_OUT
      || pread (self->mem_fd, page, self->page_bytes, (off_t)hva) != (gssize)self->page_bytes)
    return FALSE;
  for (gsize i = 0; i < self->page_bytes / sizeof *page; i++)
    if (page[i] != 0)
      return FALSE;
  return TRUE;
}

static guint64
estimate_filled (const BalBacking *self, const Count *count)
{
  g_autofree guint64 *page = g_malloc (self->page_bytes);
  guint64 filled = 0;

  if (self->mem_fd < 0 || count->n_sampled == 0)
    return count->pages * self->page_bytes;
  for (guint i = 0; i < count->n_sampled; i++)
    filled += is_zero (self, count->sampled[i], page) ? 0 : 1;
  return count->pages * filled / count->n_sampled * self->page_bytes;
}

/* Counts the backed pages of [hva, hva + length). */
static gboolean
count_piece (const BalBacking *self,
             Count *count,
             guint64 hva,
             guint64 length,
             gboolean is_shared,
             GError **error)
{
  guint64 page = hva / self->page_bytes;
  guint64 left = length / self->page_bytes;
  while (left > 0)
    {
      gsize want = (gsize)MIN (left, ENTRIES_PER_READ);
      gssize got = bal_pread (self->pagemap_fd, count->entries, want * sizeof *count->entries,
                              page * sizeof *count->entries, self->pagemap_path, error);
      if (got < 0)
        return FALSE;
      /* A process that ended has no memory: the kernel gives an end of file. */
      if (got < (gssize)sizeof *count->entries)
        {
          g_set_error (error, BAL_BACKING_ERROR, BAL_BACKING_ERROR_READ,
                       "%s ends before the guest's memory does: QEMU has ended",
                       self->pagemap_path);
          return FALSE;
        }
      gsize n_entries = (gsize)got / sizeof *count->entries;
      count_entries (count, n_entries, page * self->page_bytes, self->page_bytes, is_shared);
      page += n_entries;
      left -= n_entries;
    }
  return TRUE;
}

/* The whole pages of @range in @segment and in @window (unless NULL); FALSE when there are none. */
static gboolean
clip (const BalBacking *self,
      const BalRange *range,
      const BalBackingSegment *segment,
      const BalRange *window,
      guint64 *start,
      guint64 *length)
{
  guint64 from = MAX (range->start, segment->gpa);
  guint64 to = MIN (range->start + range->length, segment->gpa + segment->length);
  if (window != NULL)
    {
      from = MAX (from, window->start);
      to = MIN (to, window->start + window->length);
    }
  from = (from + self->page_bytes - 1) / self->page_bytes * self->page_bytes;
  to = to / self->page_bytes * self->page_bytes;
  if (from >= to)
    return FALSE;
  *start = from;
  *length = to - from;
  return TRUE;
}

gboolean
bal_backing_count (const BalBacking *self,
                   const BalRanges *ranges,
                   const BalRange *window,
                   BalBackingAmount *amount,
                   GError **error)
{
  g_autofree Count *count = g_new (Count, 1);
  guint segment = 0;

  count->pages = 0;
  count->stride = 1;
  count->n_sampled = 0;

  for (guint i = 0; i < bal_ranges_count (ranges); i++)
    {
      const BalRange *range = bal_ranges_get (ranges, i);

      /* Both lists are sorted: segments that end before this range are done with. */
      while (segment < self->segments->len)
        {
          const BalBackingSegment *place = &g_array_index (self->segments, Segment, segment).place;
          if (place->gpa + place->length > range->start)
            break;
          segment++;
        }
      for (guint s = segment; s < self->segments->len; s++)
        {
          const Segment *in = &g_array_index (self->segments, Segment, s);
          guint64 start;
          guint64 length;
          if (in->place.gpa >= range->start + range->length)
            break;
          if (clip (self, range, &in->place, window, &start, &length)
              && !count_piece (self, count, in->place.hva + (start - in->place.gpa), length,
                               in->is_shared, error))
            return FALSE;
        }
    }
  amount->backed_bytes = count->pages * self->page_bytes;
  amount->filled_bytes = estimate_filled (self, count);
  return TRUE;
}
