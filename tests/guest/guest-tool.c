/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * guest-tool: the host's hand inside a test guest. One static program, libc only.
 *
 *   guest-tool serve PORT-NAME
 *   guest-tool fill MIB|all SEED [--verify] [--hold | --fragment]
 *   guest-tool canary MIB SEED STATUS-FILE [BLOCKS]
 *   guest-tool stall STATUS-FILE
 *   guest-tool flush-tlb
 *
 * Every subcommand exits 0 on success, 1 on failure with a line on stderr, 2 on bad usage.
 * --hold, --fragment, canary, stall and flush-tlb go on in the background: the command returns when
 * they are at work, having printed the background process' pid.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-tool.h"

uint64_t
noise_next (uint64_t *state)
{
  uint64_t x = *state;

  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  *state = x;
  return x;
}

uint64_t
noise_seed (uint64_t a, uint64_t b)
{
  uint64_t z = (a + 1) * 0x9e3779b97f4a7c15u + b;

  /* splitmix64: neighbouring seeds give unrelated streams, and never the state 0. */
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return z ? z : 1;
}

bool
parse_u64 (const char *text, uint64_t *value)
{
  char *end = NULL;

  errno = 0;
  *value = strtoull (text, &end, 10);
  return errno == 0 && end != text && *end == '\0';
}

void
write_status (const char *status_file, const char *line)
{
  char temporary[256];
  FILE *file;

  snprintf (temporary, sizeof temporary, "%s.new", status_file);
  file = fopen (temporary, "we");
  if (!file)
    return;
  fprintf (file, "%s\n", line);
  if (fclose (file) == 0)
    rename (temporary, status_file);
}

static int
usage (void)
{
  fprintf (stderr, "usage: guest-tool serve PORT-NAME\n"
                   "       guest-tool fill MIB|all SEED [--verify] [--hold|--fragment]\n"
                   "       guest-tool canary MIB SEED STATUS-FILE [BLOCKS]\n"
                   "       guest-tool stall STATUS-FILE\n"
                   "       guest-tool flush-tlb\n");
  return 2;
}

static int
run_fill (int argc, char **argv)
{
  struct fill_options options = {0};

  if (argc < 4 || !parse_u64 (argv[3], &options.seed))
    return usage ();
  options.all = strcmp (argv[2], "all") == 0;
  if (!options.all && !parse_u64 (argv[2], &options.mib))
    return usage ();

  for (int i = 4; i < argc; i++)
    {
      if (strcmp (argv[i], "--verify") == 0)
        options.verify = true;
      else if (strcmp (argv[i], "--hold") == 0)
        options.hold = true;
      else if (strcmp (argv[i], "--fragment") == 0)
        options.fragment = true;
      else
        return usage ();
    }
  return fill (&options);
}

static int
run_canary (int argc, char **argv)
{
  uint64_t mib = 0, seed = 0, rewrites = 1;

  if (argc < 5 || argc > 6 || !parse_u64 (argv[2], &mib) || !parse_u64 (argv[3], &seed) || mib == 0)
    return usage ();
  if (argc == 6 && !parse_u64 (argv[5], &rewrites))
    return usage ();
  return canary (mib, seed, argv[4], rewrites);
}

int
main (int argc, char **argv)
{
  if (argc >= 3 && strcmp (argv[1], "serve") == 0)
    return serve (argv[2]);
  if (argc >= 2 && strcmp (argv[1], "fill") == 0)
    return run_fill (argc, argv);
  if (argc >= 2 && strcmp (argv[1], "canary") == 0)
    return run_canary (argc, argv);
  if (argc == 3 && strcmp (argv[1], "stall") == 0)
    return stall (argv[2]);
  if (argc == 2 && strcmp (argv[1], "flush-tlb") == 0)
    return flush_tlb ();
  return usage ();
}
