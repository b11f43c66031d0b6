/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's XML, read by each part that reads one: the hooks' standard input, libvirt's answer.
 * What is taken from it must survive being written and read again.
 */
#include "fuzz.h"

#include "host-hook/domain-xml.h"
#include "host-hook/release-tag.h"
#include "host-hook/vf-interface.h"
#include "host-hook/window-tag.h"

static void
check_sizes (const char *xml)
{
  g_auto (BalDomainXml) domain = {0};

  if (!FUZZ_CHECK (bal_domain_xml_parse (xml, &domain, &error)))
    return;
  for (guint i = 0; i < domain.virtio_mem->len; i++)
    {
      const BalVirtioMem *device = &g_array_index (domain.virtio_mem, BalVirtioMem, i);
      g_autofree char *written = NULL;

      g_assert_cmpuint (device->block_kib, >, 0);
      g_assert_cmpuint (device->requested_kib, <=, device->size_kib);
      if (device->alias != NULL)
        FUZZ_CHECK ((written = bal_domain_xml_virtio_mem_device (xml, device->alias,
                                                                 device->requested_kib, &error))
                    != NULL);
    }
}

/* As libvirt would keep it. */
static char *
wrap_tag (const BalReleaseTag *tag)
{
  g_autofree char *element = bal_release_tag_build (tag);

  return g_strconcat ("<domain><metadata><release xmlns='" BAL_RELEASE_TAG_URI "'",
                      element + sizeof "<release" - 1, "</metadata></domain>", NULL);
}

static void
check_tag (const char *xml)
{
  g_auto (BalReleaseTag) tag = {0};
  g_auto (BalReleaseTag) again = {0};
  BalReleaseTagFound found = BAL_RELEASE_TAG_NONE;

  bal_window_tag_is_in (xml);
  if (!FUZZ_CHECK (bal_release_tag_from_domain_xml (xml, &found, &tag, &error))
      || found != BAL_RELEASE_TAG_FOUND)
    return;
  g_autofree char *first = wrap_tag (&tag);
  g_assert_true (bal_release_tag_from_domain_xml (first, &found, &again, NULL));
  g_autofree char *second = wrap_tag (&again);
  g_assert_cmpstr (first, ==, second);
}

static char *
wrap_ports (const char *uuid, const GArray *requests)
{
  g_autofree char *element = bal_vf_metadata_build (requests);

  g_assert_true (g_str_has_prefix (element, "<ports"));
  return g_strconcat ("<domain><uuid>", uuid,
                      "</uuid><metadata><ports xmlns='" BAL_VF_METADATA_URI "'",
                      element + sizeof "<ports" - 1, "</metadata></domain>", NULL);
}

static void
check_ports (const char *xml)
{
  gboolean unknown = FALSE;
  g_autoptr (GArray) requests = NULL;

  if (!FUZZ_CHECK ((requests = bal_vf_request_from_domain_xml (xml, &unknown, &error)) != NULL)
      || requests->len == 0)
    return;
  g_assert_cmpuint (requests->len, <=, BAL_VF_PORTS_MAX);
  g_autofree char *written = wrap_ports (g_array_index (requests, BalVfRequest, 0).uuid, requests);
  g_autoptr (GArray) again = bal_vf_request_from_domain_xml (written, NULL, NULL);
  g_assert_nonnull (again);
  g_assert_cmpuint (again->len, ==, requests->len);
  for (guint i = 0; i < requests->len; i++)
    g_assert_true (bal_vf_request_equal (&g_array_index (requests, BalVfRequest, i),
                                         &g_array_index (again, BalVfRequest, i)));
}

static void
check_devices (const char *xml)
{
  g_autoptr (GArray) held = NULL;
  g_autoptr (GPtrArray) entries =
    g_ptr_array_new_with_free_func ((GDestroyNotify)bal_vf_entry_free);
  g_autofree char *rewritten = NULL;
  g_autofree char *found = NULL;
  BalVfRequest request = {.uuid = (char *)"4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
                          .port = (char *)"net0",
                          .mac = (char *)"52:54:00:12:34:56",
                          .vlan = 100,
                          .bandwidth_mbps = 1000,
                          .numa_node = -1};
  BalVfEntry *entry = bal_vf_entry_new (&request);

  g_strlcpy (entry->vf_pci, "0000:03:10.2", sizeof entry->vf_pci);
  g_ptr_array_add (entries, entry);
  bal_vf_interface_home_node (xml);
  FUZZ_CHECK ((held = bal_vf_interface_list_held (xml, &error)) != NULL);
  FUZZ_CHECK (bal_vf_interface_find (xml, "0000:03:10.0", &found, &error));
  if (FUZZ_CHECK (bal_vf_interface_rewrite (xml, entries, &rewritten, &error)) && rewritten != NULL)
    {
      g_autofree char *again = NULL;

      /* What the hook gives libvirt is complete the first time. */
      g_assert_true (bal_vf_interface_rewrite (rewritten, entries, &again, NULL));
      g_assert_null (again);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *xml = fuzz_text (data, size);

  check_sizes (xml);
  check_tag (xml);
  check_ports (xml);
  check_devices (xml);
  return 0;
}
