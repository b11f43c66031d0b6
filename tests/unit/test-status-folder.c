/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/status-folder.h"

#include <glib/gstdio.h>

#include "host-hook/file-io.h"
#include "test-root.h"

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define STATUS(job)                                                                                \
  "<!-- WARNING -->\n<domstatus state='running' reason='booted' pid='5886'>\n" job                 \
  "  <domain type='qemu' id='1'><name>a b</name><uuid>" UUID "</uuid></domain>\n</domstatus>\n"
#define LEAVING                                                                                    \
  "  <job type='none' async='migration out' phase='begin3' flags='0x203'><migParams/></job>\n"

static void
assert_parsed (const char *text, BalStatusKind expected)
{
  BalStatus status = {0};

  g_assert_true (bal_status_parse (text, &status));
  g_assert_cmpint (status.kind, ==, expected);
  g_assert_cmpstr (status.uuid, ==, UUID);
  g_assert_false (status.has_agent);
  g_assert_false (status.has_window);
  g_free (status.uuid);
}

static void
test_agent_and_window (void)
{
#define DOMAIN(inside) "<domstatus><domain><uuid>" UUID "</uuid>" inside "</domain></domstatus>"
#define CHANNEL(name) "<devices><channel/><channel><target name='" name "'/></channel></devices>"
#define TAG(uri) "<metadata><a/><t:window xmlns:t='" uri "'/></metadata>"
  static const struct
  {
    const char *text;
    gboolean has_agent, has_window;
  } cases[] = {
    {DOMAIN (CHANNEL ("org.ballast.guest_agent.0")), TRUE, FALSE},
    {DOMAIN (CHANNEL ("org.qemu.guest_agent.0")), FALSE, FALSE},
    {DOMAIN (TAG ("urn:x-ballast:window:1")), FALSE, TRUE},
    {DOMAIN (TAG ("urn:x-ballast:memory:1")), FALSE, FALSE},
    {DOMAIN (TAG ("urn:x-ballast:window:1") CHANNEL ("org.ballast.guest_agent.0")), TRUE, TRUE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BalStatus status = {0};

      g_assert_true (bal_status_parse (cases[i].text, &status));
      g_assert_cmpint (status.has_agent, ==, cases[i].has_agent);
      g_assert_cmpint (status.has_window, ==, cases[i].has_window);
      g_free (status.uuid);
    }
}

static void
test_virtio_mem (void)
{
#define MEMORY(model, requested, current)                                                          \
  "<devices><memory model='" model "'><target><requested>" requested                               \
  "</requested><current>" current "</current></target></memory></devices>"
  static const struct
  {
    const char *text;
    gboolean lacks_memory;
  } cases[] = {
    {DOMAIN (MEMORY ("virtio-mem", "393216", "112640")), TRUE},
    {DOMAIN (MEMORY ("virtio-mem", "393216", "393216")), FALSE},
    {DOMAIN (MEMORY ("virtio-mem", "112640", "393216")), FALSE},
    {DOMAIN (MEMORY ("dimm", "393216", "112640")), FALSE},
    {DOMAIN (CHANNEL ("org.ballast.guest_agent.0")), FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BalStatus status = {0};

      g_assert_true (bal_status_parse (cases[i].text, &status));
      g_assert_cmpint (status.lacks_memory, ==, cases[i].lacks_memory);
      g_free (status.uuid);
    }
}

static void
test_parse (void)
{
  assert_parsed (STATUS (LEAVING), BAL_STATUS_LEAVING);
  assert_parsed (STATUS (""), BAL_STATUS_NO_JOB);
  assert_parsed (STATUS ("<job type='modify' async='none'/>"), BAL_STATUS_NO_JOB);
  assert_parsed (STATUS ("<job type='none' async='migration in' phase='prepare'/>"),
                 BAL_STATUS_BUSY);
  assert_parsed (STATUS ("<job type='none' async='save'/>"), BAL_STATUS_BUSY);
  assert_parsed (STATUS ("<job type='none' async='dump'/>"), BAL_STATUS_BUSY);
  assert_parsed (STATUS ("<job type='none' async='snapshot'/>"), BAL_STATUS_BUSY);
}

static void
test_not_a_status (void)
{
  static const char *const texts[] = {
    "",
    "<domstatus>",
    "<domstatus/>",
    "garbage",
    "<domstatus><domain/></domstatus>",
    "<domstatus><domain><uuid>../../x</uuid></domain></domstatus>",
    "<!DOCTYPE domstatus [<!ENTITY a 'b'>]><domstatus><domain><uuid>" UUID
    "</uuid></domain></domstatus>",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      BalStatus status = {0};

      g_assert_false (bal_status_parse (texts[i], &status));
      g_assert_null (status.uuid);
    }
}

typedef struct
{
  GMainLoop *loop;
  char *name;
  char *uuid;
  BalStatusKind kind;
} Seen;

static void
on_status (const char *name, const BalStatus *status, gpointer user_data)
{
  Seen *seen = user_data;

  g_free (seen->name);
  g_free (seen->uuid);
  seen->name = g_strdup (name);
  seen->uuid = g_strdup (status->uuid);
  seen->kind = status->kind;
  g_main_loop_quit (seen->loop);
}

/* Runs the loop until the folder tells of something. */
static void
wait_for (Seen *seen, const char *name, const char *uuid, BalStatusKind kind)
{
  g_main_loop_run (seen->loop);
  g_assert_cmpstr (seen->name, ==, name);
  g_assert_cmpstr (seen->uuid, ==, uuid);
  g_assert_cmpint (seen->kind, ==, kind);
}

static void
put (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *fresh = g_strconcat (path, ".new", NULL);

  g_assert_true (g_file_set_contents (fresh, text, -1, NULL));
  g_assert_cmpint (g_rename (fresh, path), ==, 0);
}

static void
test_watch (TestRoot *root, gconstpointer user_data)
{
  g_autofree char *folder = test_root_path (root, BAL_STATUS_FOLDER);
  g_autofree char *file = g_build_filename (folder, "a b.xml", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  BalStatusFolder *status;
  Seen seen = {.loop = loop};

  g_assert_null (bal_status_folder_new (root->path, on_status, &seen, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_true (bal_make_folder (folder, 0755, NULL));
  put (folder, "a b.xml", STATUS (""));
  status = bal_status_folder_new (root->path, on_status, &seen, NULL);
  g_assert_nonnull (status);
  g_assert_null (seen.name);
  bal_status_folder_rescan (status);
  g_assert_cmpstr (seen.name, ==, "a b");

  put (folder, "a b.xml", STATUS (LEAVING));
  wait_for (&seen, "a b", UUID, BAL_STATUS_LEAVING);
  put (folder, "a b.xml", STATUS (""));
  wait_for (&seen, "a b", UUID, BAL_STATUS_NO_JOB);
  put (folder, "a b.pid", "5886");
  g_assert_cmpint (g_unlink (file), ==, 0);
  wait_for (&seen, "a b", NULL, BAL_STATUS_GONE);

  /* Events may be lost: what was there and is not any more is told of as well. */
  put (folder, "a b.xml", STATUS (""));
  bal_status_folder_rescan (status);
  g_assert_cmpint (seen.kind, ==, BAL_STATUS_NO_JOB);
  g_assert_cmpint (g_unlink (file), ==, 0);
  bal_status_folder_rescan (status);
  g_assert_cmpstr (seen.name, ==, "a b");
  g_assert_cmpint (seen.kind, ==, BAL_STATUS_GONE);

  bal_status_folder_free (status);
  g_free (seen.name);
  g_free (seen.uuid);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/status-folder/parse", test_parse);
  g_test_add_func ("/status-folder/agent-and-window", test_agent_and_window);
  g_test_add_func ("/status-folder/virtio-mem", test_virtio_mem);
  g_test_add_func ("/status-folder/not-a-status", test_not_a_status);
  TEST_ROOT_ADD ("/status-folder/watch", test_watch);
  return g_test_run ();
}
