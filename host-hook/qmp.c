/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/qmp.h"

#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "host-hook/failure.h"
#include "host-hook/flatview.h"
#include "protocol/codec.h"
#include "protocol/limits.h"

/* More ranges than any machine type has; each costs a round trip. */
#define MAP_SEGMENTS_MAX 64

static char *
ask (virDomainPtr domain, const char *command, unsigned int flags, GError **error)
{
  char *reply = NULL;

  if (virDomainQemuMonitorCommand (domain, command, &reply, flags) < 0)
    {
      bal_failure_libvirt (error, BAL_EXIT_FAILED, "QEMU does not answer \"%s\"", command);
      return NULL;
    }
  return reply;
}

static gboolean
add_segment (virDomainPtr domain, const BalFlatRange *range, BalGuestMap *map, GError **error)
{
  g_autofree char *command = bal_flatview_gpa2hva_command (range);
  g_autofree char *reply = ask (domain, command, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP, error);
  BalBackingSegment segment = {.gpa = range->start, .length = range->length};

  if (!reply || !bal_flatview_gpa2hva_parse (reply, range, &segment.hva, error))
    return FALSE;
  g_array_append_val (map->segments, segment);
  return bal_ranges_append (map->ram, range->start, range->length, error);
}

void
bal_guest_map_clear (BalGuestMap *self)
{
  g_clear_pointer (&self->segments, g_array_unref);
  g_clear_pointer (&self->ram, bal_ranges_free);
}

/* Firmware and option ROMs are RAM to QEMU but never free memory of the guest; they are the many
 * small ranges below 1 MiB and would cost a round trip each. */
static gboolean
is_worth_asking (const BalFlatRange *range)
{
  return range->length >= 1024 * 1024;
}

gboolean
bal_qmp_guest_map (virDomainPtr domain, BalGuestMap *out, GError **error)
{
  g_autofree char *text = ask (domain, "info mtree -f", VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP, error);
  g_autoptr (BalFlatView) view = text ? bal_flatview_parse (text, error) : NULL;
  g_auto (BalGuestMap) map = {0};

  if (!view)
    return FALSE;
  map.segments = g_array_new (FALSE, TRUE, sizeof (BalBackingSegment));
  map.ram = bal_ranges_new ();
  for (guint i = 0; i < view->ranges->len && map.segments->len < MAP_SEGMENTS_MAX; i++)
    {
      const BalFlatRange *range = &g_array_index (view->ranges, BalFlatRange, i);

      if (is_worth_asking (range) && !add_segment (domain, range, &map, error))
        return FALSE;
    }
  *out = map;
  map = (BalGuestMap){0};
  return TRUE;
}

/* The answer to @command, which has to be of @type; *@document owns it. */
static JsonNode *
ask_json (virDomainPtr domain,
          const char *command,
          JsonNodeType type,
          JsonObject **document,
          GError **error)
{
  g_autofree char *text = ask (domain, command, 0, error);
  g_autoptr (JsonObject) reply = text ? bal_json_parse_line (text, strlen (text), error) : NULL;
  JsonNode *result;

  if (!reply)
    return NULL;
  result = json_object_get_member (reply, "return");
  if (!result || json_node_get_node_type (result) != type)
    {
      g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED, "QEMU does not do \"%s\"", command);
      return NULL;
    }
  *document = g_steal_pointer (&reply);
  return result;
}

/* A device's `id` is libvirt's alias. NB: json-glib's getters complain about missing members, so
 * each is looked for first. */
static JsonObject *
find_memory_device (JsonArray *devices, const char *alias)
{
  for (guint i = 0; i < json_array_get_length (devices); i++)
    {
      JsonNode *node = json_array_get_element (devices, i);
      JsonNode *data = JSON_NODE_HOLDS_OBJECT (node)
                         ? json_object_get_member (json_node_get_object (node), "data")
                         : NULL;

      if (data && JSON_NODE_HOLDS_OBJECT (data)
          && g_strcmp0 (json_object_get_string_member_with_default (json_node_get_object (data),
                                                                    "id", NULL),
                        alias)
               == 0)
        return json_node_get_object (data);
    }
  return NULL;
}

static guint64
read_bytes (JsonObject *device, const char *name)
{
  return (guint64)json_object_get_int_member_with_default (device, name, 0);
}

gboolean
bal_qmp_virtio_mem (virDomainPtr domain, const char *alias, BalQmpVirtioMem *out, GError **error)
{
  g_autoptr (JsonObject) document = NULL;
  JsonNode *devices =
    ask_json (domain, "{\"execute\":\"query-memory-devices\"}", JSON_NODE_ARRAY, &document, error);
  JsonObject *device = devices ? find_memory_device (json_node_get_array (devices), alias) : NULL;

  if (!devices)
    return FALSE;
  if (device)
    *out = (BalQmpVirtioMem){.window = {.start = read_bytes (device, "memaddr"),
                                        .length = read_bytes (device, "max-size")},
                             .requested_bytes = read_bytes (device, "requested-size"),
                             .plugged_bytes = read_bytes (device, "size")};
  if (device && out->window.length > 0 && out->window.start < BAL_ADDRESS_LIMIT
      && out->window.length <= BAL_ADDRESS_LIMIT - out->window.start
      && out->requested_bytes <= out->window.length && out->plugged_bytes <= out->window.length)
    return TRUE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED,
               "QEMU does not tell about virtio-mem device \"%s\"", alias);
  return FALSE;
}

/* The alias is libvirt's, or the administrator's "ua-...": letters, digits and a few signs. */
static gboolean
is_alias (const char *alias)
{
  return *alias && strspn (alias, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-.") == strlen (alias);
}

gboolean
bal_qmp_virtio_mem_resize (virDomainPtr domain, const char *alias, guint64 bytes, GError **error)
{
  g_autoptr (JsonObject) document = NULL;
  g_autofree char *command = NULL;

  if (!is_alias (alias))
    {
      g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_FAILED,
                           "A virtio-mem device has an alias that QEMU cannot be told of");
      return FALSE;
    }
  command = g_strdup_printf ("{\"execute\":\"qom-set\",\"arguments\":{\"path\":"
                             "\"/machine/peripheral/%s\",\"property\":\"requested-size\","
                             "\"value\":%" G_GUINT64_FORMAT "}}",
                             alias, bytes);
  return ask_json (domain, command, JSON_NODE_OBJECT, &document, error) != NULL;
}

gboolean
bal_qmp_balloon (virDomainPtr domain, guint64 *bytes, GError **error)
{
  g_autoptr (JsonObject) document = NULL;
  JsonNode *answer =
    ask_json (domain, "{\"execute\":\"query-balloon\"}", JSON_NODE_OBJECT, &document, error);

  if (!answer)
    return FALSE;
  *bytes = read_bytes (json_node_get_object (answer), "actual");
  if (*bytes > 0 && *bytes <= BAL_ADDRESS_LIMIT)
    return TRUE;
  g_set_error_literal (error, BAL_FAILURE, BAL_EXIT_FAILED,
                       "QEMU does not tell the balloon's size");
  return FALSE;
}

gboolean
bal_qmp_balloon_set (virDomainPtr domain, guint64 bytes, GError **error)
{
  g_autoptr (JsonObject) document = NULL;
  g_autofree char *command =
    g_strdup_printf ("{\"execute\":\"balloon\",\"arguments\":{\"value\":%" G_GUINT64_FORMAT "}}",
                     bytes);

  return ask_json (domain, command, JSON_NODE_OBJECT, &document, error) != NULL;
}
