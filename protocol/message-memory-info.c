/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-read.h"
#include "protocol/messages.h"

#include <string.h>

/* Linux's page sizes: 4 KiB to 256 KiB. */
#define PAGE_MIN_BYTES 4096u
#define PAGE_MAX_BYTES (256u * 1024u)

typedef struct
{
  const char *name;
  gsize offset; /* of a guint64 */
} UintMember;

#define MEMBER(name, field)                                                                        \
  {                                                                                                \
    name, G_STRUCT_OFFSET (BalMemoryInfo, field)                                                   \
  }

static const UintMember byte_members[] = {
  MEMBER ("total-bytes", total_bytes),
  MEMBER ("free-bytes", free_bytes),
  MEMBER ("available-bytes", available_bytes),
  MEMBER ("clean-cache-bytes", clean_cache_bytes),
  MEMBER ("swap-total-bytes", swap_total_bytes),
  MEMBER ("swap-free-bytes", swap_free_bytes),
  MEMBER ("page-bytes", page_bytes),
  MEMBER ("block-bytes", block_bytes),
  MEMBER ("held-bytes", held_bytes),
  MEMBER ("holdable-bytes", holdable_bytes),
};

static const UintMember psi_members[] = {
  MEMBER ("some-total-us", psi_some_total_us),
  MEMBER ("full-total-us", psi_full_total_us),
};

void
bal_memory_info_clear (BalMemoryInfo *self)
{
  g_free (self->boot_id);
  memset (self, 0, sizeof *self);
}

static void
build_uints (JsonObject *object, const BalMemoryInfo *info, const UintMember *members, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      guint64 value = G_STRUCT_MEMBER (guint64, info, members[i].offset);

      json_object_set_int_member (object, members[i].name, (gint64)value);
    }
}

static void
build_tri (JsonObject *object, const char *name, BalTri value)
{
  if (value != BAL_TRI_UNKNOWN)
    json_object_set_boolean_member (object, name, value == BAL_TRI_YES);
}

JsonNode *
bal_memory_info_build (const BalMemoryInfo *info)
{
  JsonObject *result = json_object_new ();

  build_uints (result, info, byte_members, G_N_ELEMENTS (byte_members));
  json_object_set_string_member (result, "boot-id", info->boot_id);
  if (info->has_psi)
    {
      JsonObject *psi = json_object_new ();

      build_uints (psi, info, psi_members, G_N_ELEMENTS (psi_members));
      json_object_set_object_member (result, "psi", psi);
    }
  json_object_set_int_member (result, "overcommit-mode", info->overcommit_mode);
  json_object_set_int_member (result, "panic-on-oom", info->panic_on_oom);
  json_object_set_boolean_member (result, "oom-kill-allocating-task",
                                  info->oom_kill_allocating_task);
  build_tri (result, "init-on-alloc", info->init_on_alloc);
  build_tri (result, "init-on-free", info->init_on_free);
  build_tri (result, "page-poisoning", info->page_poisoning);
  return bal_result_take (result);
}

static gboolean
parse_uints (const BalJsonReader *reader,
             BalMemoryInfo *info,
             const UintMember *members,
             guint count,
             guint64 max,
             GError **error)
{
  for (guint i = 0; i < count; i++)
    if (!bal_read_uint (reader, BAL_REQUIRED, members[i].name, 0, max,
                        &G_STRUCT_MEMBER (guint64, info, members[i].offset), error))
      return FALSE;
  return TRUE;
}

/* Readers divide and align by these two. */
static gboolean
check_sizes (const BalJsonReader *reader, const BalMemoryInfo *info, GError **error)
{
  guint64 page = info->page_bytes;
  guint64 block = info->block_bytes;

  if (page < PAGE_MIN_BYTES || page > PAGE_MAX_BYTES || (page & (page - 1)) != 0)
    return bal_read_fail (reader, error, "\"page-bytes\" is not a power of two from %u to %u",
                          PAGE_MIN_BYTES, PAGE_MAX_BYTES);
  if (block != 0 && (block < page || (block & (block - 1)) != 0))
    return bal_read_fail (reader, error,
                          "\"block-bytes\" is not 0 or a power of two of at least a page");
  return TRUE;
}

static gboolean
parse_psi (const BalJsonReader *reader, BalMemoryInfo *info, GError **error)
{
  BalJsonReader psi = {.object = NULL};

  if (!bal_read_object (reader, BAL_OPTIONAL, "psi", &psi, error))
    return FALSE;
  if (psi.object == NULL)
    return TRUE;
  info->has_psi = TRUE;
  return parse_uints (&psi, info, psi_members, G_N_ELEMENTS (psi_members), G_MAXINT64, error);
}

static gboolean
parse_mode (const BalJsonReader *reader, const char *name, gint64 *out, GError **error)
{
  guint64 value;

  if (!bal_read_uint (reader, BAL_REQUIRED, name, 0, 2, &value, error))
    return FALSE;
  *out = (gint64)value;
  return TRUE;
}

static gboolean
parse_tri (const BalJsonReader *reader, const char *name, BalTri *out, GError **error)
{
  gboolean value = -1;

  if (!bal_read_bool (reader, BAL_OPTIONAL, name, &value, error))
    return FALSE;
  *out = value == -1 ? BAL_TRI_UNKNOWN : (value ? BAL_TRI_YES : BAL_TRI_NO);
  return TRUE;
}

gboolean
bal_memory_info_parse (JsonNode *result, BalMemoryInfo *out, GError **error)
{
  g_auto (BalMemoryInfo) info = {0};
  BalJsonReader reader;

  memset (out, 0, sizeof *out);
  if (!bal_json_reader_result (result, &reader, error)
      || !parse_uints (&reader, &info, byte_members, G_N_ELEMENTS (byte_members), BAL_ADDRESS_LIMIT,
                       error)
      || !check_sizes (&reader, &info, error)
      || !bal_read_token (&reader, BAL_REQUIRED, "boot-id", &info.boot_id, error)
      || !parse_psi (&reader, &info, error)
      || !parse_mode (&reader, "overcommit-mode", &info.overcommit_mode, error)
      || !parse_mode (&reader, "panic-on-oom", &info.panic_on_oom, error)
      || !bal_read_bool (&reader, BAL_REQUIRED, "oom-kill-allocating-task",
                         &info.oom_kill_allocating_task, error)
      || !parse_tri (&reader, "init-on-alloc", &info.init_on_alloc, error)
      || !parse_tri (&reader, "init-on-free", &info.init_on_free, error)
      || !parse_tri (&reader, "page-poisoning", &info.page_poisoning, error))
    return FALSE;
  *out = info;
  memset (&info, 0, sizeof info);
  return TRUE;
}
