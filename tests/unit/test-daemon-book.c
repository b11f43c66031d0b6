/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-book.h"

#include <libvirt/libvirt.h>

#include "host-hook/daemon-message.h"

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"

static void
note (BalBook *book, const char *uuid, const char *name, BalStatusKind kind)
{
  const BalStatus status = {.kind = kind, .has_window = kind != BAL_STATUS_GONE};

  bal_book_note_status (book, uuid, name, &status);
}

/* What the book says about @domain, as a reply's text. */
static char *
ask (const BalBook *book, const char *domain, JsonObject **object)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) reply = NULL;
  g_autoptr (JsonNode) parsed = NULL;
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  gsize length;
  const char *line;

  json_node_take_object (node, json_object_new ());
  bal_book_to_json (book, domain, json_node_get_object (node));
  reply = bal_daemon_build_return (node);
  line = g_bytes_get_data (reply, &length);
  parsed = bal_daemon_parse_reply (line, length - 1, &error);
  g_assert_no_error (error);
  *object = json_node_dup_object (parsed);
  return g_strndup (line, length);
}

static const char *
first_text (JsonObject *object, const char *array, const char *member)
{
  return json_object_get_string_member (
    json_array_get_object_element (json_object_get_array_member (object, array), 0), member);
}

static guint
count (JsonObject *object, const char *array)
{
  return json_array_get_length (json_object_get_array_member (object, array));
}

static void
test_domain (void)
{
  BalBook *book = bal_book_new ();
  g_autoptr (JsonObject) idle = NULL;
  g_autoptr (JsonObject) other = NULL;
  g_autoptr (JsonObject) settling = NULL;
  g_autoptr (JsonObject) gone = NULL;

  note (book, UUID, "one", BAL_STATUS_NO_JOB);
  g_free (ask (book, "one", &idle));
  g_assert_cmpstr (first_text (idle, "domains", "state"), ==, "idle");
  g_assert_cmpstr (first_text (idle, "domains", "domain"), ==, "one");
  g_assert_cmpuint (count (idle, "migrations"), ==, 0);
  g_free (ask (book, "two", &other));
  g_assert_cmpuint (count (other, "domains"), ==, 0);

  /* Whatever is still to be settled is told of, though the domain is off. */
  bal_book_note_state (book, UUID, BAL_STATE_RESTORING);
  note (book, UUID, "one", BAL_STATUS_GONE);
  g_free (ask (book, UUID, &settling));
  g_assert_cmpstr (first_text (settling, "domains", "state"), ==, "restoring");
  bal_book_note_state (book, UUID, BAL_STATE_IDLE);
  g_free (ask (book, NULL, &gone));
  g_assert_cmpuint (count (gone, "domains"), ==, 0);
  bal_book_free (book);
}

static void
test_migration (void)
{
  static const BalMigrationFigures figures = {.sent_bytes = 5};
  BalBook *book = bal_book_new ();
  g_autoptr (JsonObject) running = NULL;
  g_autoptr (JsonObject) over = NULL;
  const BalReleaseResult release = {.began_us = G_MAXINT64,
                                    .releaser = BAL_RELEASER_BALLASTD,
                                    .released_bytes = 77};

  note (book, UUID, "one", BAL_STATUS_LEAVING);
  bal_book_note_state (book, UUID, BAL_STATE_RELEASED);
  bal_book_note_release (book, UUID, &release);
  g_free (ask (book, NULL, &running));
  g_assert_cmpstr (first_text (running, "migrations", "outcome"), ==, "running");
  g_assert_cmpint (json_object_get_int_member (json_array_get_object_element (
                                                 json_object_get_array_member (running, "domains"),
                                                 0),
                                               "released-bytes"),
                   ==, 77);

  note (book, UUID, "one", BAL_STATUS_GONE);
  bal_book_note_lifecycle (book, UUID, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED);
  bal_book_note_figures (book, UUID, &figures);
  bal_book_note_state (book, UUID, BAL_STATE_IDLE);
  g_free (ask (book, "one", &over));
  g_assert_cmpuint (count (over, "domains"), ==, 0);
  g_assert_cmpuint (count (over, "migrations"), ==, 1);
  g_assert_cmpstr (first_text (over, "migrations", "outcome"), ==, "left");
  g_assert_cmpstr (first_text (over, "migrations", "released-by"), ==, "ballastd");
  bal_book_free (book);
}

/* A reply has a limit: what is not idle comes first, the others are counted. */
static void
test_thousands_of_domains_with_odd_names (void)
{
  BalBook *book = bal_book_new ();
  g_autofree char *odd = g_strnfill (250, '\001');
  g_autofree char *text = NULL;
  g_autoptr (JsonObject) all = NULL;

  for (guint i = 0; i < 5000; i++)
    {
      g_autofree char *uuid = g_uuid_string_random ();

      note (book, uuid, odd, BAL_STATUS_LEAVING);
      if (i == 2500)
        bal_book_note_state (book, uuid, BAL_STATE_PLAIN);
    }
  text = ask (book, NULL, &all);
  g_assert_cmpuint (count (all, "domains"), ==, BAL_STATUS_DOMAINS_MAX);
  g_assert_cmpint (json_object_get_int_member (all, "domains-left-out"), ==,
                   5000 - BAL_STATUS_DOMAINS_MAX);
  g_assert_cmpstr (first_text (all, "domains", "state"), ==, "plain");
  g_assert_cmpuint (count (all, "migrations"), ==, BAL_HISTORY_MAX);
  bal_book_free (book);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-book/domain", test_domain);
  g_test_add_func ("/daemon-book/migration", test_migration);
  g_test_add_func ("/daemon-book/thousands", test_thousands_of_domains_with_odd_names);
  return g_test_run ();
}
