/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _GNU_SOURCE
#include "guest-tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* With "all": stop when the kernel's MemAvailable, which leaves the watermarks alone, is
 * below this. */
#define ALL_RESERVE_KIB ((uint64_t)8 * 1024)

#define FRAGMENT_PERIOD ((size_t)256 * 1024)
#define FRAGMENT_KEEP ((size_t)64 * 1024)

/* One word of each cache line is enough for a page that is none of zeros, and for a line that is
 * another's to be noticed; under emulation each word takes its time. */
#define STRIDE (64 / sizeof (uint64_t))

int
background (void)
{
  int pipe_fds[2];
  char byte;
  pid_t child;

  if (pipe (pipe_fds) != 0)
    return -1;

  child = fork ();
  if (child < 0)
    return -1;
  if (child == 0)
    {
      close (pipe_fds[0]);
      setsid ();
      return pipe_fds[1];
    }

  close (pipe_fds[1]);
  if (read (pipe_fds[0], &byte, 1) == 1)
    {
      printf ("%d\n", (int)child);
      exit (0);
    }
  waitpid (child, NULL, 0);
  fprintf (stderr, "guest-tool: the background process ended early\n");
  exit (1);
}

void
background_ready (int ready_fd)
{
  if (!freopen ("/dev/null", "w", stdout))
    _exit (1);
  if (write (ready_fd, "", 1) != 1)
    _exit (1);
  close (ready_fd);
}

static uint64_t
available_kib (void)
{
  char line[128];
  unsigned long long kib = 0;
  FILE *meminfo = fopen ("/proc/meminfo", "re");

  if (!meminfo)
    return 0;
  while (fgets (line, sizeof line, meminfo))
    {
      if (sscanf (line, "MemAvailable: %llu kB", &kib) == 1)
        break;
    }
  fclose (meminfo);
  return kib;
}

static void
write_noise (uint64_t *words, size_t bytes, uint64_t *state)
{
  uint64_t x = *state;

  for (size_t i = 0; i < bytes / sizeof *words; i += STRIDE)
    words[i] = noise_next (&x);
  *state = x;
}

/* Returns the offset of the first wrong word, or @bytes. */
static size_t
check_noise (const uint64_t *words, size_t bytes, uint64_t *state)
{
  uint64_t x = *state;

  for (size_t i = 0; i < bytes / sizeof *words; i += STRIDE)
    {
      if (words[i] != noise_next (&x))
        return i * sizeof *words;
    }
  *state = x;
  return bytes;
}

/* Writes MiB after MiB; with "all" until the reserve is reached. Returns the MiB written. */
static size_t
write_all (char *memory, size_t limit_mib, const struct fill_options *options)
{
  uint64_t state = noise_seed (options->seed, 0);
  size_t done = 0;

  for (; done < limit_mib; done++)
    {
      if (options->all && available_kib () < ALL_RESERVE_KIB + 1024)
        break;
      write_noise ((uint64_t *)(memory + done * MIB), MIB, &state);
    }
  return done;
}

static int
verify_all (const char *memory, size_t mib, uint64_t seed)
{
  uint64_t state = noise_seed (seed, 0);

  for (size_t i = 0; i < mib; i++)
    {
      size_t at = check_noise ((const uint64_t *)(memory + i * MIB), MIB, &state);

      if (at != MIB)
        {
          fprintf (stderr, "guest-tool: fill: wrong data at byte %zu\n", i * MIB + at);
          return 1;
        }
    }
  return 0;
}

static void
drop_fragments (char *memory, size_t bytes)
{
  for (size_t at = 0; at + FRAGMENT_PERIOD <= bytes; at += FRAGMENT_PERIOD)
    madvise (memory + at + FRAGMENT_KEEP, FRAGMENT_PERIOD - FRAGMENT_KEEP, MADV_DONTNEED);
}

int
fill (const struct fill_options *options)
{
  bool stay = options->hold || options->fragment;
  size_t limit_mib = options->all ? (size_t)available_kib () / 1024 : (size_t)options->mib;
  size_t done;
  char *memory;
  int ready_fd = -1;

  if (limit_mib == 0)
    return 0;
  if (stay)
    {
      ready_fd = background ();
      if (ready_fd < 0)
        return 1;
    }

  memory = mmap (NULL, limit_mib * MIB, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    {
      fprintf (stderr, "guest-tool: fill: %s\n", strerror (errno));
      return 1;
    }
  if (options->fragment)
    madvise (memory, limit_mib * MIB, MADV_NOHUGEPAGE);

  done = write_all (memory, limit_mib, options);
  if (options->verify && verify_all (memory, done, options->seed) != 0)
    return 1;

  if (!stay)
    {
      printf ("%zu\n", done);
      return 0;
    }
  if (options->fragment)
    drop_fragments (memory, done * MIB);
  background_ready (ready_fd);
  for (;;)
    pause ();
}
