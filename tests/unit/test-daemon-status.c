/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-status.h"

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"
#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

static char name[] = "vm \"1\"";
static char uuid[] = UUID;
static char why[] = "too little is to be gained";
static char pressure[] = "pressure";

static const BalPastMigration left = {
  .uuid = uuid,
  .name = name,
  .began = {.real_us = 1000},
  .ended = {.real_us = 2000},
  .outcome = BAL_MIGRATION_LEFT,
  .release = {.releaser = BAL_RELEASER_BALLASTD,
              .gain_bytes = 200 * MIB,
              .released_bytes = 100 * MIB,
              .release_ms = 1200,
              .hold_end = pressure},
  .has_figures = TRUE,
  .figures = {.sent_bytes = 30 * MIB,
              .memory_sent_bytes = 29 * MIB,
              .total_ms = 2500,
              .has_downtime = TRUE,
              .downtime_ms = 60},
};

static const BalPastMigration running = {
  .uuid = uuid,
  .name = name,
  .began = {.real_us = 1000},
  .outcome = BAL_MIGRATION_RUNNING,
  .release = {.releaser = BAL_RELEASER_NOBODY, .why = why},
};

static const BalPastMigration adopted = {
  .uuid = uuid,
  .name = name,
  .outcome = BAL_MIGRATION_STAYED,
  .release = {.releaser = BAL_RELEASER_ANOTHER, .released_bytes = 5 * MIB},
};

static void
check_described (const BalPastMigration *migration, const char *expected)
{
  g_autofree char *text = bal_past_migration_describe (migration);

  g_assert_cmpstr (text, ==, expected);
}

static void
round_trip (const BalPastMigration *migration)
{
  g_autoptr (JsonNode) node = bal_past_migration_to_json (migration);
  g_autoptr (JsonNode) again = NULL;
  BalPastMigration out;

  bal_past_migration_from_json (node, &out);
  again = bal_past_migration_to_json (&out);
  g_assert_true (json_node_equal (node, again));
  g_assert_cmpint (out.outcome, ==, migration->outcome);
  g_assert_cmpint (out.release.releaser, ==, migration->release.releaser);
  g_assert_cmpint (out.has_figures, ==, migration->has_figures);
  bal_past_migration_clear (&out);
}

static void
test_migration (void)
{
  round_trip (&left);
  round_trip (&running);
  round_trip (&adopted);
  check_described (&left,
                   "left: released 100.0 MiB of 200.0 MiB in 1.2 s, given back early: pressure; "
                   "sent 30.0 MiB in 2.5 s, downtime 60 ms");
  check_described (&adopted, "stayed: 5.0 MiB were released by another process");
  check_described (&running, "is on its way: plainly: too little is to be gained");
}

static void
test_domain (void)
{
  const BalDomainStatus released = {.uuid = uuid,
                                    .name = name,
                                    .state = BAL_STATE_RELEASED,
                                    .since_us = 1000000,
                                    .has_released = TRUE,
                                    .released_bytes = 3 * MIB,
                                    .has_window = TRUE};
  g_autoptr (JsonNode) node = bal_domain_status_to_json (&released);
  g_autoptr (JsonNode) again = NULL;
  g_autofree char *text = NULL;
  BalDomainStatus out;

  bal_domain_status_from_json (node, &out);
  again = bal_domain_status_to_json (&out);
  g_assert_true (json_node_equal (node, again));
  text = bal_domain_status_describe (&out, 3000000);
  g_assert_cmpstr (text, ==, "released 3.0 MiB since 2.0 s");
  bal_domain_status_clear (&out);
}

/* Of another version, or of nobody. */
static void
test_odd (void)
{
  static const char *const texts[] = {
    "{}",
    "5",
    "{\"domain\": {}, \"uuid\": 5, \"state\": \"dancing\", \"outcome\": [], \"window\": \"x\", "
    "\"sent-bytes\": \"many\", \"began-us\": -1, \"released-bytes\": 1.5}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (JsonNode) node = json_from_string (texts[i], NULL);
      BalPastMigration migration;
      BalDomainStatus domain;

      bal_past_migration_from_json (node, &migration);
      check_described (&migration, "is off, nobody said why: ballastd has not come to a release");
      bal_past_migration_clear (&migration);
      bal_domain_status_from_json (node, &domain);
      g_assert_cmpint (domain.state, ==, BAL_STATE_IDLE);
      g_assert_null (domain.name);
      g_assert_false (domain.has_window);
      bal_domain_status_clear (&domain);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-status/migration", test_migration);
  g_test_add_func ("/daemon-status/domain", test_domain);
  g_test_add_func ("/daemon-status/odd", test_odd);
  return g_test_run ();
}
