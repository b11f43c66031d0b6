/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-agent-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

AgentFixture *
agent_fixture_new (void)
{
  AgentFixture *self = g_new0 (AgentFixture, 1);
  g_autoptr (GError) error = NULL;

  self->root = g_dir_make_tmp ("test-agent-XXXXXX", &error);
  g_assert_no_error (error);
  return self;
}

static void
remove_below (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_below (child);
    }
  g_remove (path);
}

void
agent_fixture_free (AgentFixture *self)
{
  remove_below (self->root);
  g_free (self->root);
  g_free (self);
}

void
agent_fixture_put_bytes (AgentFixture *self, const char *path, const void *data, gsize length)
{
  g_autofree char *full = g_strconcat (self->root, path, NULL);
  g_autofree char *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_file_set_contents (full, data, (gssize)length, &error);
  g_assert_no_error (error);
}

void
agent_fixture_put (AgentFixture *self, const char *path, const char *text)
{
  agent_fixture_put_bytes (self, path, text, strlen (text));
}

char *
agent_fixture_get (AgentFixture *self, const char *path)
{
  g_autofree char *full = g_strconcat (self->root, path, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (full, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

void
agent_fixture_put_guest (AgentFixture *self)
{
  agent_fixture_put (self, "/proc/meminfo",
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
  agent_fixture_put (self, "/proc/zoneinfo",
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
                     "              count: 0\n"
                     "              high:  7777777\n"
                     "              batch: 1\n"
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
  agent_fixture_put (self, "/proc/sys/vm/overcommit_memory", "0\n");
  agent_fixture_put (self, "/proc/sys/vm/panic_on_oom", "0\n");
  agent_fixture_put (self, "/proc/sys/vm/oom_kill_allocating_task", "0\n");
  agent_fixture_put (self, "/proc/sys/kernel/random/boot_id",
                     "a07232b2-e769-4cc5-bc2f-0350a86d5b0a\n");
}
