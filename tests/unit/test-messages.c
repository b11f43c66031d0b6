/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each message carries, and what stands between members. That each member alone is checked for
 * presence, type and range is test-schema's business. */
#include "json-literal.h"
#include "protocol/messages.h"

/* --- guest-info --- */

static void
test_guest_info (void)
{
  g_auto (BalGuestInfo) sent = {0};
  g_auto (BalGuestInfo) received = {0};
  gpointer enabled;

  sent.version = g_strdup ("0.1.0");
  sent.lease_ms = 20000;
  sent.commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_insert (sent.commands, g_strdup ("guest-sync"), GINT_TO_POINTER (TRUE));
  g_hash_table_insert (sent.commands, g_strdup ("guest-ping"), GINT_TO_POINTER (FALSE));
  g_autoptr (JsonNode) result = bal_guest_info_build (&sent);
  assert_json_node (
    result, "{'version':'0.1.0','supported_commands':["
            "{'name':'guest-ping','enabled':false,'success-response':true},"
            "{'name':'guest-sync','enabled':true,'success-response':true}],'lease-ms':20000}");

  g_assert_true (bal_guest_info_parse (result, &received, NULL));
  g_assert_cmpstr (received.version, ==, "0.1.0");
  g_assert_cmpuint (received.lease_ms, ==, 20000);
  g_assert_cmpuint (g_hash_table_size (received.commands), ==, 2);
  g_assert_true (g_hash_table_lookup (received.commands, "guest-sync") != NULL);
  g_assert_true (g_hash_table_lookup_extended (received.commands, "guest-ping", NULL, &enabled));
  g_assert_null (enabled);
}

static void
test_guest_info_of_qemu_ga (void)
{
  g_autoptr (JsonNode) result =
    json_node_literal ("{'version':'7.2.9','supported_commands':["
                       "{'enabled':true,'name':'guest-get-osinfo','success-response':true},"
                       "{'enabled':false,'name':'guest-exec','success-response':true},"
                       "{'enabled':true,'name':'guest-shutdown','success-response':false}]}");
  g_auto (BalGuestInfo) info = {0};

  g_assert_true (bal_guest_info_parse (result, &info, NULL));
  g_assert_cmpuint (info.lease_ms, ==, 0);
  g_assert_cmpuint (g_hash_table_size (info.commands), ==, 3);
}

static void
assert_guest_info_refused (const char *text)
{
  g_autoptr (JsonNode) result = json_node_literal (text);
  g_autoptr (GError) error = NULL;
  g_auto (BalGuestInfo) info = {0};

  g_assert_false (bal_guest_info_parse (result, &info, &error));
  g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
  g_assert_null (info.version);
  g_assert_null (info.commands);
}

static void
test_guest_info_refused (void)
{
  assert_guest_info_refused ("{'version':'1','supported_commands':[1]}");
  assert_guest_info_refused ("{'version':'1','supported_commands':{}}");
  assert_guest_info_refused ("{'version':'1','supported_commands':["
                             "{'name':'a','enabled':true},{'name':'a','enabled':true}]}");
}

static void
test_guest_info_commands_limit (void)
{
  g_autoptr (GString) text = g_string_new ("{'version':'1','supported_commands':[");
  g_auto (BalGuestInfo) info = {0};

  for (guint i = 0; i < BAL_COMMANDS_MAX; i++)
    g_string_append_printf (text, "%s{'name':'c%u','enabled':true}", i == 0 ? "" : ",", i);
  g_autofree char *most = g_strconcat (text->str, "]}", NULL);
  g_autofree char *too_many = g_strconcat (text->str, ",{'name':'x','enabled':true}]}", NULL);
  g_autoptr (JsonNode) result = json_node_literal (most);

  g_assert_true (bal_guest_info_parse (result, &info, NULL));
  assert_guest_info_refused (too_many);
}

/* --- guest-get-memory-info --- */

#define MEMORY_INFO_BYTES                                                                          \
  "'total-bytes':1,'free-bytes':2,'available-bytes':3,'clean-cache-bytes':4,"                      \
  "'swap-total-bytes':5,'swap-free-bytes':6,'page-bytes':4096,'block-bytes':134217728,"            \
  "'held-bytes':7,'holdable-bytes':8,'boot-id':'b'"
#define MEMORY_INFO_MODES "'overcommit-mode':1,'panic-on-oom':2,'oom-kill-allocating-task':true"

static void
test_memory_info (void)
{
  static const char text[] =
    "{" MEMORY_INFO_BYTES ",'psi':{'some-total-us':9,'full-total-us':10}," MEMORY_INFO_MODES
    ",'init-on-alloc':true,'init-on-free':false,'page-poisoning':true}";
  g_autoptr (JsonNode) result = json_node_literal (text);
  g_auto (BalMemoryInfo) info = {0};

  g_assert_true (bal_memory_info_parse (result, &info, NULL));
  g_assert_cmpuint (info.total_bytes, ==, 1);
  g_assert_cmpuint (info.free_bytes, ==, 2);
  g_assert_cmpuint (info.available_bytes, ==, 3);
  g_assert_cmpuint (info.clean_cache_bytes, ==, 4);
  g_assert_cmpuint (info.swap_total_bytes, ==, 5);
  g_assert_cmpuint (info.swap_free_bytes, ==, 6);
  g_assert_cmpuint (info.page_bytes, ==, 4096);
  g_assert_cmpuint (info.block_bytes, ==, 134217728);
  g_assert_cmpuint (info.held_bytes, ==, 7);
  g_assert_cmpuint (info.holdable_bytes, ==, 8);
  g_assert_cmpstr (info.boot_id, ==, "b");
  g_assert_true (info.has_psi);
  g_assert_cmpuint (info.psi_some_total_us, ==, 9);
  g_assert_cmpuint (info.psi_full_total_us, ==, 10);
  g_assert_cmpint (info.overcommit_mode, ==, 1);
  g_assert_cmpint (info.panic_on_oom, ==, 2);
  g_assert_true (info.oom_kill_allocating_task);
  g_assert_cmpint (info.init_on_alloc, ==, BAL_TRI_YES);
  g_assert_cmpint (info.init_on_free, ==, BAL_TRI_NO);
  g_assert_cmpint (info.page_poisoning, ==, BAL_TRI_YES);

  g_autoptr (JsonNode) again = bal_memory_info_build (&info);
  assert_json_node (again, text);
}

static void
test_memory_info_without_what_is_unknown (void)
{
  static const char text[] = "{" MEMORY_INFO_BYTES "," MEMORY_INFO_MODES "}";
  g_autoptr (JsonNode) result = json_node_literal (text);
  g_auto (BalMemoryInfo) info = {.psi_some_total_us = 5, .init_on_free = BAL_TRI_YES};

  g_assert_true (bal_memory_info_parse (result, &info, NULL));
  g_assert_false (info.has_psi);
  g_assert_cmpuint (info.psi_some_total_us, ==, 0);
  g_assert_cmpint (info.init_on_alloc, ==, BAL_TRI_UNKNOWN);
  g_assert_cmpint (info.init_on_free, ==, BAL_TRI_UNKNOWN);
  g_assert_cmpint (info.page_poisoning, ==, BAL_TRI_UNKNOWN);

  g_autoptr (JsonNode) again = bal_memory_info_build (&info);
  assert_json_node (again, text);
}

static void
assert_sizes (guint64 page_bytes, guint64 block_bytes, gboolean accepted)
{
  g_autoptr (JsonNode) result = json_node_literal ("{" MEMORY_INFO_BYTES "," MEMORY_INFO_MODES "}");
  g_auto (BalMemoryInfo) info = {0};
  g_autoptr (GError) error = NULL;

  json_object_set_int_member (json_node_get_object (result), "page-bytes", (gint64)page_bytes);
  json_object_set_int_member (json_node_get_object (result), "block-bytes", (gint64)block_bytes);
  g_assert_cmpint (bal_memory_info_parse (result, &info, &error), ==, accepted);
  if (!accepted)
    {
      g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
      g_assert_null (info.boot_id);
    }
}

static void
test_memory_info_sizes_are_safe_to_divide_by (void)
{
  assert_sizes (4096, 0, TRUE);
  assert_sizes (65536, 65536, TRUE);
  assert_sizes (0, 0, FALSE);
  assert_sizes (4097, 0, FALSE);
  assert_sizes (12288, 0, FALSE);
  assert_sizes (4096, 3 * 4096, FALSE);
  assert_sizes (65536, 4096, FALSE);
}

static void
test_result_must_be_an_object (void)
{
  g_autoptr (JsonNode) array = json_node_init_array (json_node_alloc (), NULL);
  g_autoptr (JsonNode) null = json_node_init_null (json_node_alloc ());
  g_auto (BalMemoryInfo) info = {0};
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (GError) error = NULL;

  g_assert_false (bal_memory_info_parse (array, &info, &error));
  g_assert_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_CONTENT);
  g_assert_false (bal_hold_status_parse (null, &status, NULL));
}

/* --- guest-trim-page-cache --- */

static void
test_trim (void)
{
  g_auto (BalTrim) sent = {.trimmed_bytes = 9, .method = g_strdup ("drop_caches")};
  g_auto (BalTrim) received = {0};
  g_autoptr (JsonNode) result = bal_trim_build (&sent);
  g_autoptr (JsonObject) arguments = bal_trim_arguments_build (7);
  guint64 bytes = 0;

  assert_json (arguments, "{'bytes':7}");
  g_assert_true (bal_trim_arguments_parse (arguments, &bytes, NULL));
  g_assert_cmpuint (bytes, ==, 7);
  assert_json_node (result, "{'trimmed-bytes':9,'method':'drop_caches'}");
  g_assert_true (bal_trim_parse (result, &received, NULL));
  g_assert_cmpuint (received.trimmed_bytes, ==, 9);
  g_assert_cmpstr (received.method, ==, "drop_caches");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/messages/guest-info", test_guest_info);
  g_test_add_func ("/messages/guest-info-of-qemu-ga", test_guest_info_of_qemu_ga);
  g_test_add_func ("/messages/guest-info-refused", test_guest_info_refused);
  g_test_add_func ("/messages/guest-info-commands-limit", test_guest_info_commands_limit);
  g_test_add_func ("/messages/memory-info", test_memory_info);
  g_test_add_func ("/messages/memory-info-without-what-is-unknown",
                   test_memory_info_without_what_is_unknown);
  g_test_add_func ("/messages/memory-info-sizes-are-safe-to-divide-by",
                   test_memory_info_sizes_are_safe_to_divide_by);
  g_test_add_func ("/messages/result-must-be-an-object", test_result_must_be_an_object);
  g_test_add_func ("/messages/trim", test_trim);
  return g_test_run ();
}
