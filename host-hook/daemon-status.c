/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-status.h"

#include "host-hook/format.h"

static const char *const outcome_names[BAL_N_MIGRATION_OUTCOMES] = {"running", "left", "stayed",
                                                                    "unknown"};
static const char *const releaser_names[BAL_N_RELEASERS] = {"unknown", "nobody", "ballastd",
                                                            "another"};

const char *
bal_migration_outcome_name (BalMigrationOutcome outcome)
{
  return outcome_names[outcome];
}

/* The index of @name, or @otherwise. */
static guint
find_name (const char *name, const char *const *names, guint n_names, guint otherwise)
{
  for (guint i = 0; i < n_names; i++)
    if (g_strcmp0 (names[i], name) == 0)
      return i;
  return otherwise;
}

/* --- members --- */

static void
set_text (JsonObject *object, const char *member, const char *text)
{
  /* NB: what names a file need not be UTF-8. */
  g_autofree char *valid = text ? g_utf8_make_valid (text, -1) : NULL;

  if (valid)
    json_object_set_string_member (object, member, valid);
  else
    json_object_set_null_member (object, member);
}

static void
set_number (JsonObject *object, const char *member, guint64 number)
{
  json_object_set_int_member (object, member, (gint64)MIN (number, (guint64)G_MAXINT64));
}

/* The member when it is of @type, or NULL. */
static JsonNode *
get (JsonObject *object, const char *member, GType type)
{
  JsonNode *node = object ? json_object_get_member (object, member) : NULL;

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type ? node
                                                                                         : NULL;
}

static const char *
get_text (JsonObject *object, const char *member)
{
  JsonNode *node = get (object, member, G_TYPE_STRING);

  return node ? json_node_get_string (node) : NULL;
}

/* TRUE when it is there. */
static gboolean
get_number (JsonObject *object, const char *member, guint64 *out)
{
  JsonNode *node = get (object, member, G_TYPE_INT64);

  *out = node ? (guint64)MAX (0, json_node_get_int (node)) : 0;
  return node != NULL;
}

static gint64
get_time (JsonObject *object, const char *member)
{
  guint64 us;

  get_number (object, member, &us);
  return (gint64)us;
}

static JsonNode *
make_node (JsonObject *object)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return node;
}

static JsonObject *
object_of (JsonNode *node)
{
  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* --- domains --- */

void
bal_domain_status_clear (BalDomainStatus *self)
{
  g_free (self->uuid);
  g_free (self->name);
  *self = (BalDomainStatus){0};
}

JsonNode *
bal_domain_status_to_json (const BalDomainStatus *self)
{
  JsonObject *object = json_object_new ();

  set_text (object, "domain", self->name);
  set_text (object, "uuid", self->uuid);
  set_text (object, "state", bal_state_name (self->state));
  if (self->state != BAL_STATE_IDLE)
    json_object_set_int_member (object, "since-us", self->since_us);
  if (self->has_released)
    set_number (object, "released-bytes", self->released_bytes);
  json_object_set_boolean_member (object, "window", self->has_window);
  return make_node (object);
}

void
bal_domain_status_from_json (JsonNode *node, BalDomainStatus *out)
{
  JsonObject *object = object_of (node);
  JsonNode *window = get (object, "window", G_TYPE_BOOLEAN);

  *out = (BalDomainStatus){.uuid = g_strdup (get_text (object, "uuid")),
                           .name = g_strdup (get_text (object, "domain")),
                           .since_us = get_time (object, "since-us"),
                           .has_window = window && json_node_get_boolean (window)};
  for (guint i = 0; i < BAL_N_STATES; i++)
    if (g_strcmp0 (bal_state_name (i), get_text (object, "state")) == 0)
      out->state = i;
  out->has_released = get_number (object, "released-bytes", &out->released_bytes);
}

char *
bal_domain_status_describe (const BalDomainStatus *self, gint64 now_us)
{
  g_autofree char *age = bal_format_duration_ms ((guint64)MAX (0, now_us - self->since_us) / 1000);
  g_autofree char *bytes = bal_format_bytes (self->released_bytes);

  if (self->state == BAL_STATE_IDLE)
    return g_strdup (bal_state_name (self->state));
  return g_strdup_printf ("%s%s%s since %s", bal_state_name (self->state),
                          self->has_released ? " " : "", self->has_released ? bytes : "", age);
}

/* --- migrations --- */

static void
add_release (JsonObject *object, const BalReleaseResult *release)
{
  set_text (object, "released-by", releaser_names[release->releaser]);
  set_text (object, "why-nothing", release->why);
  set_number (object, "gain-bytes", release->gain_bytes);
  set_number (object, "released-bytes", release->released_bytes);
  set_number (object, "release-ms", release->release_ms);
  set_text (object, "hold-ended", release->hold_end);
}

static void
read_release (JsonObject *object, BalReleaseResult *out)
{
  out->releaser = (BalReleaser)find_name (get_text (object, "released-by"), releaser_names,
                                          BAL_N_RELEASERS, BAL_RELEASER_UNKNOWN);
  out->why = g_strdup (get_text (object, "why-nothing"));
  get_number (object, "gain-bytes", &out->gain_bytes);
  get_number (object, "released-bytes", &out->released_bytes);
  get_number (object, "release-ms", &out->release_ms);
  out->hold_end = g_strdup (get_text (object, "hold-ended"));
}

static void
add_figures (JsonObject *object, const BalMigrationFigures *figures)
{
  set_number (object, "sent-bytes", figures->sent_bytes);
  set_number (object, "memory-sent-bytes", figures->memory_sent_bytes);
  set_number (object, "total-ms", figures->total_ms);
  if (figures->has_downtime)
    set_number (object, "downtime-ms", figures->downtime_ms);
}

JsonNode *
bal_past_migration_to_json (const BalPastMigration *self)
{
  JsonObject *object = json_object_new ();

  set_text (object, "domain", self->name);
  set_text (object, "uuid", self->uuid);
  set_text (object, "outcome", bal_migration_outcome_name (self->outcome));
  json_object_set_int_member (object, "began-us", self->began.real_us);
  if (self->outcome != BAL_MIGRATION_RUNNING)
    json_object_set_int_member (object, "ended-us", self->ended.real_us);
  add_release (object, &self->release);
  if (self->has_figures)
    add_figures (object, &self->figures);
  return make_node (object);
}

void
bal_past_migration_from_json (JsonNode *node, BalPastMigration *out)
{
  JsonObject *object = object_of (node);
  BalMigrationFigures *figures = &out->figures;

  *out = (BalPastMigration){.uuid = g_strdup (get_text (object, "uuid")),
                            .name = g_strdup (get_text (object, "domain")),
                            .began.real_us = get_time (object, "began-us"),
                            .ended.real_us = get_time (object, "ended-us")};
  out->outcome = (BalMigrationOutcome)find_name (get_text (object, "outcome"), outcome_names,
                                                 BAL_N_MIGRATION_OUTCOMES, BAL_MIGRATION_UNKNOWN);
  read_release (object, &out->release);
  out->has_figures = get_number (object, "sent-bytes", &figures->sent_bytes);
  get_number (object, "memory-sent-bytes", &figures->memory_sent_bytes);
  get_number (object, "total-ms", &figures->total_ms);
  figures->has_downtime = get_number (object, "downtime-ms", &figures->downtime_ms);
}

static char *
describe_release (const BalReleaseResult *self)
{
  g_autofree char *bytes = bal_format_bytes (self->released_bytes);
  g_autofree char *gain = bal_format_bytes (self->gain_bytes);
  g_autofree char *duration = bal_format_duration_ms (self->release_ms);

  switch (self->releaser)
    {
    case BAL_RELEASER_UNKNOWN:
      return g_strdup ("ballastd has not come to a release");
    case BAL_RELEASER_ANOTHER:
      return self->released_bytes > 0
               ? g_strdup_printf ("%s were released by another process", bytes)
               : g_strdup ("another process is in charge of its release");
    case BAL_RELEASER_NOBODY:
      return g_strdup_printf ("plainly%s%s", self->why ? ": " : "", self->why ? self->why : "");
    case BAL_RELEASER_BALLASTD:
      break;
    }
  return g_strdup_printf ("released %s of %s in %s%s%s", bytes, gain, duration,
                          self->hold_end ? ", given back early: " : "",
                          self->hold_end ? self->hold_end : "");
}

static char *
describe_figures (const BalMigrationFigures *self)
{
  g_autofree char *bytes = bal_format_bytes (self->sent_bytes);
  g_autofree char *duration = bal_format_duration_ms (self->total_ms);
  g_autofree char *downtime = bal_format_duration_ms (self->downtime_ms);

  return g_strdup_printf ("; sent %s in %s%s%s", bytes, duration,
                          self->has_downtime ? ", downtime " : "",
                          self->has_downtime ? downtime : "");
}

char *
bal_past_migration_describe (const BalPastMigration *self)
{
  static const char *const openings[BAL_N_MIGRATION_OUTCOMES] = {
    [BAL_MIGRATION_RUNNING] = "is on its way",
    [BAL_MIGRATION_LEFT] = "left",
    [BAL_MIGRATION_STAYED] = "stayed",
    [BAL_MIGRATION_UNKNOWN] = "is off, nobody said why",
  };
  g_autofree char *release = describe_release (&self->release);
  g_autofree char *figures = self->has_figures ? describe_figures (&self->figures) : NULL;

  return g_strdup_printf ("%s: %s%s", openings[self->outcome], release, figures ? figures : "");
}
