/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-agent-fixture.h"

void
agent_fixture_put_guest (const TestRoot *root)
{
  test_root_put (root, "/proc/meminfo",
                 "MemTotal:        4009396 kB\n"
                 "MemFree:         3145728 kB\n"
                 "MemAvailable:    3300000 kB\n"
                 "Buffers:           10240 kB\n"
                 "Cached:           204800 kB\n"
                 "SwapCached:            0 kB\n"
                 "Active(file):     102400 kB\n"
                 "Inactive(file):    81920 kB\n"
                 "SwapTotal:       1048576 kB\n"
                 "SwapFree:        1040384 kB\n"
                 "Dirty:              4096 kB\n"
                 "Writeback:          1024 kB\n"
                 "Shmem:              8192 kB\n");
  test_root_put (root, "/proc/zoneinfo",
                 "Node 0, zone      DMA\n"
                 "  per-node stats\n"
                 "      nr_inactive_anon 17\n"
                 "  pages free     3840\n"
                 "        boost    0\n"
                 "        min      65\n"
                 "        low      81\n"
                 "        high     97\n"
                 "        spanned  4095\n"
                 "        present  3998\n"
                 "        managed  3840\n"
                 "        cma      0\n"
                 "        protection: (0, 2913, 3911, 3911, 3911)\n"
                 "      nr_free_pages 3840\n"
                 "  pagesets\n"
                 "    cpu: 0\n"
                 "              count: 234\n"
                 "              high:  7777777\n"
                 "              batch: 1\n"
                 "    cpu: 1\n"
                 "              count: 1000\n"
                 "  node_unreclaimable:  0\n"
                 "  start_pfn:           1\n"
                 "Node 0, zone    DMA32\n"
                 "  pages free     600000\n"
                 "        boost    0\n"
                 "        min      12610\n"
                 "        low      15762\n"
                 "        high     18914\n"
                 "        managed  745961\n"
                 "        protection: (0, 0, 998, 998, 998)\n"
                 "Node 0, zone   Normal\n"
                 "  pages free     182592\n"
                 "        min      4319\n"
                 "        low      5398\n"
                 "        high     6477\n"
                 "        managed  252548\n"
                 "        protection: (0, 0, 0, 0, 0)\n"
                 "Node 0, zone  Movable\n"
                 "  pages free     0\n"
                 "        min      0\n"
                 "        high     0\n"
                 "        managed  0\n"
                 "        protection: (0, 0, 0, 0, 0)\n");
  test_root_put (root, "/proc/sys/vm/overcommit_memory", "0\n");
  test_root_put (root, "/proc/sys/vm/panic_on_oom", "0\n");
  test_root_put (root, "/proc/sys/vm/oom_kill_allocating_task", "0\n");
  test_root_put (root, "/proc/sys/kernel/random/boot_id", "a07232b2-e769-4cc5-bc2f-0350a86d5b0a\n");
}
