/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _GNU_SOURCE
#include "guest-tool.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Linux on x86 flushes page by page up to 33 pages and everything above
 * (tlb_single_page_flush_ceiling). */
#define FLUSHED_BYTES ((size_t)40 * 4096)
#define PERIOD_NS (10 * 1000 * 1000)

/* Making present, writable pages read-only is what the kernel must flush the TLB for; lazily
 * it does not, so this has to run on the very CPU. Never returns. */
static void
flush_for_ever (int cpu)
{
  const struct timespec period = {.tv_nsec = PERIOD_NS};
  cpu_set_t cpus;
  char *memory;

  CPU_ZERO (&cpus);
  CPU_SET (cpu, &cpus);
  memory = mmap (NULL, FLUSHED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || sched_setaffinity (0, sizeof cpus, &cpus) != 0)
    _exit (1);

  for (;;)
    {
      for (size_t i = 0; i < FLUSHED_BYTES; i += 4096)
        memory[i] = 1;
      mprotect (memory, FLUSHED_BYTES, PROT_READ);
      mprotect (memory, FLUSHED_BYTES, PROT_READ | PROT_WRITE);
      nanosleep (&period, NULL);
    }
}

int
flush_tlb (void)
{
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  int ready_fd = background ();
  FILE *score;

  if (ready_fd < 0)
    return 1;

  score = fopen ("/proc/self/oom_score_adj", "we");
  if (!score || fputs ("-1000", score) < 0 || fclose (score) != 0)
    {
      fprintf (stderr, "guest-tool: tlb: cannot opt out of the OOM killer\n");
      return 1;
    }

  for (int cpu = 1; cpu < cpus; cpu++)
    {
      pid_t child = fork ();

      if (child < 0)
        return 1;
      if (child == 0)
        {
          close (ready_fd);
          prctl (PR_SET_PDEATHSIG, SIGKILL);
          flush_for_ever (cpu);
        }
    }
  background_ready (ready_fd);
  flush_for_ever (0);
  return 1;
}
