/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _GNU_SOURCE
#include "guest-tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define PERIOD_NS (1000 * 1000)

static int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 * 1000 * 1000 + now.tv_nsec;
}

/* Only when the worst gap grew: the probe itself must not be what stalls. */
static void
write_worst (const char *status_file, int64_t gap_ns, int64_t at_ns)
{
  char line[64];

  snprintf (line, sizeof line, "%lld %lld", (long long)(gap_ns / 1000), (long long)(at_ns / 1000));
  write_status (status_file, line);
}

int
stall (const char *status_file)
{
  const struct timespec period = {.tv_nsec = PERIOD_NS};
  int ready_fd = background ();
  int64_t worst_ns = 0;
  int64_t began_ns;
  int64_t last_ns;

  if (ready_fd < 0)
    return 1;
  /* The kernel may otherwise be 50 us late, on purpose. */
  if (prctl (PR_SET_TIMERSLACK, 1) != 0)
    {
      fprintf (stderr, "guest-tool: stall: %s\n", strerror (errno));
      return 1;
    }
  write_worst (status_file, 0, 0);
  background_ready (ready_fd);

  began_ns = last_ns = now_ns ();
  for (;;)
    {
      int64_t woke_ns;

      nanosleep (&period, NULL);
      woke_ns = now_ns ();
      if (woke_ns - last_ns > worst_ns)
        {
          worst_ns = woke_ns - last_ns;
          write_worst (status_file, worst_ns, woke_ns - began_ns);
          woke_ns = now_ns ();
        }
      last_ns = woke_ns;
    }
}
