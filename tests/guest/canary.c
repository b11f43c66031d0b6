/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _GNU_SOURCE
#include "guest-tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)64 * 1024)
#define BLOCK_WORDS (BLOCK_BYTES / sizeof (uint64_t))

/* One tick: verify this many blocks, about 50 MB/s. */
#define BLOCKS_PER_TICK 8
#define TICK_NS (10 * 1000 * 1000)

struct canary
{
  uint64_t *memory;
  uint64_t *versions; /* expected version of each block: an old page is caught as well */
  size_t blocks;
  uint64_t seed;
  uint64_t rounds;
  uint64_t rewrites; /* blocks a tick */
  const char *status_file;
};

static void
write_block (struct canary *c, size_t block)
{
  uint64_t state = noise_seed (c->seed ^ (uint64_t)block << 32, c->versions[block]);
  uint64_t *words = c->memory + block * BLOCK_WORDS;

  for (size_t i = 0; i < BLOCK_WORDS; i++)
    words[i] = noise_next (&state);
}

/* Returns the first wrong word of @block or BLOCK_WORDS. */
static size_t
check_block (const struct canary *c, size_t block)
{
  uint64_t state = noise_seed (c->seed ^ (uint64_t)block << 32, c->versions[block]);
  const uint64_t *words = c->memory + block * BLOCK_WORDS;

  for (size_t i = 0; i < BLOCK_WORDS; i++)
    {
      if (words[i] != noise_next (&state))
        return i;
    }
  return BLOCK_WORDS;
}

static bool
verify_or_report (const struct canary *c, size_t block)
{
  char line[160];
  size_t word = check_block (c, block);

  if (word == BLOCK_WORDS)
    return true;
  snprintf (line, sizeof line, "CORRUPT block %zu version %llu byte %zu found %016llx", block,
            (unsigned long long)c->versions[block], word * sizeof (uint64_t),
            (unsigned long long)c->memory[block * BLOCK_WORDS + word]);
  write_status (c->status_file, line);
  return false;
}

/* A stride that is coprime to any block count reaches every block, out of order. */
static bool
rewrite_some (struct canary *c, size_t *next)
{
  for (uint64_t i = 0; i < c->rewrites; i++)
    {
      if (!verify_or_report (c, *next))
        return false;
      c->versions[*next]++;
      write_block (c, *next);
      *next = (*next + 104729) % c->blocks;
    }
  return true;
}

static void
report_round (struct canary *c)
{
  char line[64];

  c->rounds++;
  snprintf (line, sizeof line, "ok %llu", (unsigned long long)c->rounds);
  write_status (c->status_file, line);
}

/* Runs until something is wrong. */
static int
watch (struct canary *c)
{
  const struct timespec tick = {.tv_nsec = TICK_NS};
  size_t next = 0;
  size_t rewrite = 0;

  for (;;)
    {
      for (int i = 0; i < BLOCKS_PER_TICK; i++)
        {
          if (!verify_or_report (c, next))
            return 1;
          next = (next + 1) % c->blocks;
          if (next == 0)
            report_round (c);
        }

      if (!rewrite_some (c, &rewrite))
        return 1;
      nanosleep (&tick, NULL);
    }
}

int
canary (uint64_t mib, uint64_t seed, const char *status_file, uint64_t rewrites)
{
  struct canary c = {.blocks = mib * MIB / BLOCK_BYTES,
                     .seed = seed,
                     .status_file = status_file,
                     .rewrites = rewrites};
  int ready_fd = background ();

  if (ready_fd < 0)
    return 1;

  c.memory = mmap (NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  c.versions = calloc (c.blocks, sizeof *c.versions);
  if (c.memory == MAP_FAILED || !c.versions)
    {
      fprintf (stderr, "guest-tool: canary: %s\n", strerror (errno));
      return 1;
    }

  for (size_t block = 0; block < c.blocks; block++)
    write_block (&c, block);
  write_status (status_file, "ok 0");
  background_ready (ready_fd);
  return watch (&c);
}
