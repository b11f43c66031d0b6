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

/* A device's `id` is libvirt's alias. NB: json-glib's getters complain about missing members, so
 * each is looked for first. */
static gboolean
read_window (JsonNode *node, const char *alias, BalRange *window)
{
  JsonObject *device, *data;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  device = json_node_get_object (node);
  if (!json_object_has_member (device, "data")
      || !JSON_NODE_HOLDS_OBJECT (json_object_get_member (device, "data")))
    return FALSE;
  data = json_object_get_object_member (device, "data");
  if (g_strcmp0 (json_object_get_string_member_with_default (data, "id", NULL), alias) != 0)
    return FALSE;
  window->start = (guint64)json_object_get_int_member_with_default (data, "memaddr", 0);
  window->length = (guint64)json_object_get_int_member_with_default (data, "max-size", 0);
  return window->length > 0 && window->start < BAL_ADDRESS_LIMIT
         && window->length <= BAL_ADDRESS_LIMIT - window->start;
}

gboolean
bal_qmp_virtio_mem_window (virDomainPtr domain, const char *alias, BalRange *window, GError **error)
{
  g_autofree char *text = ask (domain, "{\"execute\":\"query-memory-devices\"}", 0, error);
  g_autoptr (JsonObject) reply = text ? bal_json_parse_line (text, strlen (text), error) : NULL;
  JsonNode *result = reply ? json_object_get_member (reply, "return") : NULL;

  if (!reply)
    return FALSE;
  if (result && JSON_NODE_HOLDS_ARRAY (result))
    {
      JsonArray *devices = json_node_get_array (result);

      for (guint i = 0; i < json_array_get_length (devices); i++)
        if (read_window (json_array_get_element (devices, i), alias, window))
          return TRUE;
    }
  g_set_error (error, BAL_FAILURE, BAL_EXIT_FAILED,
               "QEMU does not tell where virtio-mem device \"%s\" lies", alias);
  return FALSE;
}
