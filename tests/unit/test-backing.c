/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/backing.h"

#include "test-root.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define TIB (G_GUINT64_CONSTANT (1) << 40)
#define PRESENT (G_GUINT64_CONSTANT (1) << 63)
#define SWAPPED (G_GUINT64_CONSTANT (1) << 62)
#define EXCLUSIVE (G_GUINT64_CONSTANT (1) << 56)

static const BalIncarnation qemu = {4711, 123456};

static void
put_page (TestRoot *root, guint64 hva, guint64 entry)
{
  g_autofree char *path = test_root_path (root, "proc/4711/pagemap");
  int fd = open (path, O_WRONLY | O_CREAT, 0600);
  g_assert_cmpint (pwrite (fd, &entry, sizeof entry, (off_t)(hva / 4096 * sizeof entry)), ==,
                   sizeof entry);
  close (fd);
}

/* A /proc of our own with one process. */
static void
set_up (TestRoot *root, gconstpointer user_data)
{
  test_root_set_up (root, NULL);
  test_root_put (root, "proc/4711/stat",
                 "4711 (qemu) S 1 2 3 0 -1 0 1 0 0 0 10 20 0 0 20 0 4 0 123456 4096 100\n");
  test_root_put (root, "proc/4711/maps",
                 "00100000-00200000 r-xp 00000000 08:01 1  /usr/bin/qemu\n"
                 "10000000-10004000 rw-p 00000000 00:00 0 \n"
                 "10004000-10008000 rw-p 00000000 00:00 0  other flags, the same memory\n"
                 "20000000-20008000 rw-s 00000000 00:01 2  /memfd:mem (deleted)\n"
                 "30000000-30004000 rw-s 00000000 00:01 2  /memfd:mem (deleted)\n"
                 "30004000-30008000 rw-p 00000000 00:01 2  /memfd:mem (deleted)\n"
                 "30008000-3000c000 rw-s 00000000 00:01 2  /memfd:mem (deleted)\n"
                 "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n");
  put_page (root, 0x40000000, 0);
}

static BalRanges *
ranges_of (guint64 start, guint64 length)
{
  g_autoptr (BalRanges) ranges = bal_ranges_new ();
  g_assert_true (bal_ranges_append (ranges, start, length, NULL));
  return g_steal_pointer (&ranges);
}

static BalBackingAmount
count_amount (const BalBacking *backing, const BalRanges *ranges, const BalRange *window)
{
  BalBackingAmount amount = {0};
  g_autoptr (GError) error = NULL;
  bal_backing_count (backing, ranges, window, &amount, &error);
  g_assert_no_error (error);
  return amount;
}

/* The made-up processes have no memory to read: everything counts as filled. */
static guint64
count (const BalBacking *backing, const BalRanges *ranges, const BalRange *window)
{
  BalBackingAmount amount = count_amount (backing, ranges, window);
  g_assert_cmpuint (amount.filled_bytes, ==, amount.backed_bytes);
  return amount.backed_bytes;
}

static BalBacking *
open_segments (TestRoot *root, const BalBackingSegment *segments, gsize n)
{
  g_autoptr (GError) error = NULL;
  BalBacking *backing = bal_backing_open (root->path, &qemu, segments, n, &error);
  g_assert_no_error (error);
  return backing;
}

static void
test_private (TestRoot *root, gconstpointer user_data)
{
  static const BalBackingSegment segment = {0x100000, 0x8000, 0x10000000};
  put_page (root, 0x10000000, PRESENT | EXCLUSIVE);
  put_page (root, 0x10001000, PRESENT);
  put_page (root, 0x10002000, SWAPPED);
  put_page (root, 0x10003000, EXCLUSIVE);
  put_page (root, 0x10006000, PRESENT | EXCLUSIVE);

  g_autoptr (BalBacking) backing = open_segments (root, &segment, 1);
  g_autoptr (BalRanges) all = ranges_of (0x100000, 0x8000);
  g_assert_cmpuint (count (backing, all, NULL), ==, 3 * 4096);
  g_autoptr (BalRanges) some = ranges_of (0x102000, 0x4000);
  g_assert_cmpuint (count (backing, some, NULL), ==, 4096);
}

static void
test_shared (TestRoot *root, gconstpointer user_data)
{
  static const BalBackingSegment segment = {0, 0x8000, 0x20000000};
  put_page (root, 0x20000000, PRESENT | EXCLUSIVE);
  put_page (root, 0x20001000, PRESENT);
  put_page (root, 0x20002000, SWAPPED);

  g_autoptr (BalBacking) backing = open_segments (root, &segment, 1);
  g_autoptr (BalRanges) all = ranges_of (0, 0x8000);
  g_assert_cmpuint (count (backing, all, NULL), ==, 3 * 4096);
}

static void
test_mixed_counts_less (TestRoot *root, gconstpointer user_data)
{
  static const guint64 places[] = {0x30000000, 0x30004000};
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      BalBackingSegment segment = {0, 0x8000, places[i]};
      put_page (root, places[i], PRESENT);
      put_page (root, places[i] + 0x4000, PRESENT);
      g_autoptr (BalBacking) backing = open_segments (root, &segment, 1);
      g_autoptr (BalRanges) all = ranges_of (0, 0x8000);
      g_assert_cmpuint (count (backing, all, NULL), ==, 0);
    }
}

static void
test_segments_and_window (TestRoot *root, gconstpointer user_data)
{
  /* Not in order; with a hole between 0x4000 and 0x10000. */
  static const BalBackingSegment segments[] = {{0x10000, 0x4000, 0x20000000},
                                               {0, 0x4000, 0x10000000}};
  for (guint i = 0; i < 4; i++)
    {
      put_page (root, 0x10000000 + i * 4096, PRESENT | EXCLUSIVE);
      put_page (root, 0x20000000 + i * 4096, PRESENT);
    }
  g_autoptr (BalBacking) backing = open_segments (root, segments, 2);

  g_autoptr (BalRanges) all = ranges_of (0, 0x100000);
  g_assert_cmpuint (count (backing, all, NULL), ==, 8 * 4096);
  BalRange window = {0x3000, 0xe000};
  g_assert_cmpuint (count (backing, all, &window), ==, 2 * 4096);
  BalRange hole = {0x4000, 0xc000};
  g_assert_cmpuint (count (backing, all, &hole), ==, 0);

  g_autoptr (BalRanges) pieces = bal_ranges_new ();
  bal_ranges_append (pieces, 0x1000, 0x1000, NULL);
  bal_ranges_append (pieces, 0x3000, 0x1000, NULL);
  bal_ranges_append (pieces, 0xf000, 0x2000, NULL);
  bal_ranges_append (pieces, 0x13000, 0x4000, NULL);
  g_assert_cmpuint (count (backing, pieces, NULL), ==, 4 * 4096);

  /* Parts of pages do not count. */
  g_autoptr (BalRanges) parts = bal_ranges_new ();
  bal_ranges_append (parts, 0x800, 0x1000, NULL);
  bal_ranges_append (parts, 0x2800, 0x1800, NULL);
  g_assert_cmpuint (count (backing, parts, NULL), ==, 4096);
}

static void
test_nothing_to_count (TestRoot *root, gconstpointer user_data)
{
  g_autoptr (BalBacking) backing = open_segments (root, NULL, 0);
  g_autoptr (BalRanges) all = ranges_of (0, 12 * TIB);
  g_assert_cmpuint (count (backing, all, NULL), ==, 0);
  g_autoptr (BalRanges) none = bal_ranges_new ();
  g_assert_cmpuint (count (backing, none, NULL), ==, 0);
}

static void
test_refuses (TestRoot *root, gconstpointer user_data)
{
  static const struct
  {
    BalBackingSegment segments[2];
    gsize n;
  } cases[] = {
    {{{1, 0x1000, 0x10000000}}, 1},
    {{{0, 0x1001, 0x10000000}}, 1},
    {{{0, 0x1000, 0x10000001}}, 1},
    {{{0, 0, 0x10000000}}, 1},
    {{{0, 0x9000, 0x10000000}}, 1},
    {{{0, 0x1000, 0x50000000}}, 1},
    {{{0, 0x2000, 0x0ffff000}}, 1},
    {{{0, 0xfffffffffffff000, 0x10000000}}, 1},
    {{{0x1000, 0xfffffffffffff000, 0x0}}, 1},
    {{{0, 0x2000, 0x10000000}, {0x1000, 0x1000, 0x20000000}}, 2},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BalBacking) backing =
        bal_backing_open (root->path, &qemu, cases[i].segments, cases[i].n, &error);
      g_assert_null (backing);
      g_assert_error (error, BAL_BACKING_ERROR, BAL_BACKING_ERROR_MAP);
    }
}

static void
test_bad_maps (TestRoot *root, gconstpointer user_data)
{
  static const BalBackingSegment segment = {0, 0x1000, 0x10000000};
  static const char *const bad[] = {"",
                                    "x",
                                    "10000000",
                                    "10000000-",
                                    "10000000-10001000",
                                    "10001000-10000000 rw-p 0\n",
                                    "10000000-10001000 rw"};
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      test_root_put (root, "proc/4711/maps", bad[i]);
      g_autoptr (BalBacking) backing = bal_backing_open (root->path, &qemu, &segment, 1, &error);
      g_assert_null (backing);
      g_assert_error (error, BAL_BACKING_ERROR, BAL_BACKING_ERROR_MAP);
    }
}

static void
test_another_process (TestRoot *root, gconstpointer user_data)
{
  static const BalBackingSegment segment = {0, 0x1000, 0x10000000};
  BalIncarnation earlier = {4711, 1};
  g_autoptr (GError) error = NULL;
  g_autoptr (BalBacking) backing = bal_backing_open (root->path, &earlier, &segment, 1, &error);
  g_assert_null (backing);
  g_assert_error (error, BAL_PROCESS_ERROR, BAL_PROCESS_ERROR_GONE);
}

static void
test_short_pagemap (TestRoot *root, gconstpointer user_data)
{
  static const BalBackingSegment segment = {0, 0x4000, 0x10000000};
  g_autofree char *path = test_root_path (root, "proc/4711/pagemap");
  g_assert_cmpint (truncate (path, 0x10002 * 8), ==, 0);
  g_autoptr (BalBacking) backing = open_segments (root, &segment, 1);
  g_autoptr (BalRanges) all = ranges_of (0, 0x4000);
  BalBackingAmount amount = {7, 7};
  g_autoptr (GError) error = NULL;
  g_assert_false (bal_backing_count (backing, all, NULL, &amount, &error));
  g_assert_error (error, BAL_BACKING_ERROR, BAL_BACKING_ERROR_READ);
  g_assert_cmpuint (amount.backed_bytes, ==, 7);
}

static BalBackingAmount
count_here (gconstpointer memory, gsize length)
{
  BalIncarnation self;
  g_autoptr (GError) error = NULL;
  g_assert_true (bal_process_incarnation ("/", getpid (), &self, NULL));
  BalBackingSegment segment = {4096 * MIB, length, (guint64)(gsize)memory};
  g_autoptr (BalBacking) backing = bal_backing_open ("/", &self, &segment, 1, &error);
  g_assert_no_error (error);
  g_autoptr (BalRanges) all = ranges_of (4096 * MIB, length);
  return count_amount (backing, all, NULL);
}

/* The kernel's own word: written, only read, and never touched pages of this process. */
static void
count_own_memory (int flags, int fd, guint64 backed_bytes)
{
  gsize length = 4 * MIB;
  volatile char *memory = mmap (NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);
  g_assert_true (memory != MAP_FAILED);
  madvise ((void *)memory, length, MADV_NOHUGEPAGE);
  for (gsize i = 0; i < MIB; i += 4096)
    memory[i] = 1;
  for (gsize i = 2 * MIB; i < 3 * MIB; i += 4096)
    g_assert_cmpint (memory[i], ==, 0);

  BalBackingAmount amount = count_here ((gconstpointer)memory, length);
  g_assert_cmpuint (amount.backed_bytes, ==, backed_bytes);
  g_assert_cmpuint (amount.filled_bytes, ==, MIB);
  munmap ((void *)memory, length);
}

/* More pages than are looked at: an eighth holds a byte each, its last, and the rest is zeros. */
static void
test_estimate (void)
{
  gsize length = 128 * MIB;
  char *memory = mmap (NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert_true (memory != MAP_FAILED);
  madvise (memory, length, MADV_NOHUGEPAGE);
  memset (memory, 0, length);
  for (gsize i = 0; i < length / 8; i += 4096)
    memory[i + 4095] = 1;

  BalBackingAmount amount = count_here (memory, length);
  g_assert_cmpuint (amount.backed_bytes, ==, length);
  g_assert_cmpuint (amount.filled_bytes, >, length / 8 - length / 30);
  g_assert_cmpuint (amount.filled_bytes, <, length / 8 + length / 30);
  munmap (memory, length);
}

static void
test_own_private_memory (void)
{
  count_own_memory (MAP_PRIVATE | MAP_ANONYMOUS, -1, MIB);
}

static void
test_own_shared_memory (void)
{
  int fd = memfd_create ("test", MFD_CLOEXEC);
  g_assert_cmpint (ftruncate (fd, 4 * MIB), ==, 0);
  /* Reading makes the page cache fill the hole: backed by then. */
  count_own_memory (MAP_SHARED, fd, 2 * MIB);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add (name, TestRoot, NULL, set_up, function, test_root_tear_down)
  ADD ("/backing/private", test_private);
  ADD ("/backing/shared", test_shared);
  ADD ("/backing/mixed-counts-less", test_mixed_counts_less);
  ADD ("/backing/segments-and-window", test_segments_and_window);
  ADD ("/backing/nothing-to-count", test_nothing_to_count);
  ADD ("/backing/refuses", test_refuses);
  ADD ("/backing/bad-maps", test_bad_maps);
  ADD ("/backing/another-process", test_another_process);
  ADD ("/backing/short-pagemap", test_short_pagemap);
  g_test_add_func ("/backing/estimate", test_estimate);
  g_test_add_func ("/backing/own-private-memory", test_own_private_memory);
  g_test_add_func ("/backing/own-shared-memory", test_own_shared_memory);
  return g_test_run ();
}
