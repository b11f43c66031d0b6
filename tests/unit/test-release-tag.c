/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/release-tag.h"

#include "host-hook/domain-xml.h"

#define IN_DOMAIN(metadata) "<domain><metadata>" metadata "</metadata></domain>"
#define NS " xmlns:b='urn:x-ballast:memory:1'"

static void
fill (BalReleaseTag *tag)
{
  tag->nonce = g_strdup ("a1.B_2-c");
  tag->has_balloon = TRUE;
  tag->balloon_original_kib = 4194304;
  tag->balloon_released_kib = 524288;
  bal_release_tag_add_virtio_mem (tag, "virtiomem0", 3145728, 0);
  bal_release_tag_add_virtio_mem (tag, "ua-x_1", 2048, 2048);
}

static void
assert_filled (const BalReleaseTag *tag)
{
  g_assert_cmpstr (tag->nonce, ==, "a1.B_2-c");
  g_assert_true (tag->has_balloon);
  g_assert_cmpuint (tag->balloon_original_kib, ==, 4194304);
  g_assert_cmpuint (tag->balloon_released_kib, ==, 524288);
  g_assert_cmpuint (tag->virtio_mem->len, ==, 2);
  const BalReleaseTagVirtioMem *devices =
    &g_array_index (tag->virtio_mem, BalReleaseTagVirtioMem, 0);
  g_assert_cmpstr (devices[0].alias, ==, "virtiomem0");
  g_assert_cmpuint (devices[0].original_kib, ==, 3145728);
  g_assert_cmpuint (devices[0].released_kib, ==, 0);
  g_assert_cmpstr (devices[1].alias, ==, "ua-x_1");
}

/* Reads a tag as it is built, with the declaration that libvirt adds. */
static gboolean
parse (const char *text, BalReleaseTag *out, GError **error)
{
  g_auto (GStrv) halves = g_strsplit (text, "<release", 2);
  g_autofree char *xml =
    g_strconcat ("<domain><metadata>", halves[0], "<release xmlns='" BAL_RELEASE_TAG_URI "'",
                 halves[1], "</metadata></domain>", NULL);
  BalReleaseTagFound found = BAL_RELEASE_TAG_NONE;
  gboolean ok = bal_release_tag_from_domain_xml (xml, &found, out, error);

  g_assert_true (!ok || found == BAL_RELEASE_TAG_FOUND);
  return ok;
}

static void
test_round_trip (void)
{
  g_auto (BalReleaseTag) tag = {0};
  fill (&tag);
  g_autofree char *text = bal_release_tag_build (&tag);

  g_auto (BalReleaseTag) again = {0};
  g_autoptr (GError) error = NULL;
  parse (text, &again, &error);
  g_assert_no_error (error);
  assert_filled (&again);
}

/* libvirt puts the prefix on each element and the declaration on the first. */
static void
test_in_domain_as_libvirt_writes_it (void)
{
  static const char xml[] =
    "<domain type='kvm'><name>a</name><metadata>\n"
    "<app:x xmlns:app='urn:app'/>\n"
    "<ballast-memory:release xmlns:ballast-memory=\"urn:x-ballast:memory:1\" "
    "nonce=\"a1.B_2-c\">\n"
    "  <ballast-memory:balloon original-kib=\"4194304\" released-kib=\"524288\"/>\n"
    "  <ballast-memory:virtio-mem alias=\"virtiomem0\" original-kib=\"3145728\" "
    "released-kib=\"0\"/>\n"
    "  <ballast-memory:virtio-mem alias=\"ua-x_1\" original-kib=\"2048\" "
    "released-kib=\"2048\"/>\n"
    "</ballast-memory:release>\n"
    "</metadata></domain>";
  g_auto (BalReleaseTag) tag = {0};
  g_autoptr (GError) error = NULL;
  BalReleaseTagFound found = BAL_RELEASE_TAG_NONE;
  bal_release_tag_from_domain_xml (xml, &found, &tag, &error);
  g_assert_no_error (error);
  g_assert_cmpint (found, ==, BAL_RELEASE_TAG_FOUND);
  assert_filled (&tag);
}

static void
test_found_or_not (void)
{
  static const struct
  {
    const char *xml;
    BalReleaseTagFound found;
  } cases[] = {
    {"<domain/>", BAL_RELEASE_TAG_NONE},
    {IN_DOMAIN (""), BAL_RELEASE_TAG_NONE},
    {IN_DOMAIN ("<release nonce='n'/>"), BAL_RELEASE_TAG_NONE},
    {IN_DOMAIN ("<b:release xmlns:b='urn:other' nonce='n'/>"), BAL_RELEASE_TAG_NONE},
    {IN_DOMAIN ("<b:ports xmlns:b='urn:x-ballast:vf:1'/>"), BAL_RELEASE_TAG_NONE},
    {IN_DOMAIN ("<b:release xmlns:b='urn:x-ballast:memory:2' pages='7'/>"),
     BAL_RELEASE_TAG_UNKNOWN},
    {IN_DOMAIN ("<b:something" NS "/>"), BAL_RELEASE_TAG_UNKNOWN},
    {IN_DOMAIN ("<b:release" NS " nonce='n'/>"), BAL_RELEASE_TAG_FOUND},
    {"<domain><devices><b:release" NS " nonce='n'/></devices></domain>", BAL_RELEASE_TAG_NONE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (BalReleaseTag) tag = {0};
      g_autoptr (GError) error = NULL;
      BalReleaseTagFound found = BAL_RELEASE_TAG_NONE;
      g_test_message ("%s", cases[i].xml);
      bal_release_tag_from_domain_xml (cases[i].xml, &found, &tag, &error);
      g_assert_no_error (error);
      g_assert_cmpint (found, ==, cases[i].found);
      g_assert_cmpint (tag.nonce != NULL, ==, found == BAL_RELEASE_TAG_FOUND);
    }
}

static void
test_refuses (void)
{
  static const char *const bad[] = {
    "<release/>",
    "<release nonce=''/>",
    "<release nonce='a b'/>",
    "<release nonce='../x'/>",
    "<release nonce='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'/>",
    "<release nonce='n' surprise='1'/>",
    "<release nonce='n'>text</release>",
    "<release nonce='n'><hold/></release>",
    "<release nonce='n'><balloon/></release>",
    "<release nonce='n'><balloon original-kib='1'/></release>",
    "<release nonce='n'><balloon original-kib='-1' released-kib='0'/></release>",
    "<release nonce='n'><balloon original-kib='1' released-kib='2'/></release>",
    "<release nonce='n'><balloon original-kib='18446744073709551616' released-kib='0'/></release>",
    "<release nonce='n'><balloon original-kib='9999999999999999' released-kib='0'/></release>",
    "<release nonce='n'><balloon original-kib='1' released-kib='0' x='1'/></release>",
    "<release nonce='n'><balloon original-kib='1' released-kib='0'><a/></balloon></release>",
    "<release nonce='n'><balloon original-kib='1' released-kib='0'/>"
    "<balloon original-kib='1' released-kib='0'/></release>",
    "<release nonce='n'><virtio-mem original-kib='1' released-kib='0'/></release>",
    "<release nonce='n'><virtio-mem alias='a/b' original-kib='1' released-kib='0'/></release>",
    "<release nonce='n'><virtio-mem alias='a' original-kib='1' released-kib='0'/>"
    "<virtio-mem alias='a' original-kib='2' released-kib='0'/></release>",
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_auto (BalReleaseTag) tag = {0};
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", bad[i]);
      g_assert_false (parse (bad[i], &tag, &error));
      g_assert_error (error, BAL_RELEASE_TAG_ERROR, BAL_RELEASE_TAG_ERROR_INVALID);
      g_assert_null (tag.nonce);
      g_assert_null (tag.virtio_mem);
    }
}

static void
test_refuses_too_much (void)
{
  g_auto (BalReleaseTag) tag = {.nonce = g_strdup ("n")};
  for (guint i = 0; i <= BAL_DOMAIN_XML_MEMORY_DEVICES_MAX; i++)
    {
      g_autofree char *alias = g_strdup_printf ("a%u", i);
      bal_release_tag_add_virtio_mem (&tag, alias, 2048, 0);
    }
  g_autofree char *text = bal_release_tag_build (&tag);
  g_auto (BalReleaseTag) again = {0};
  g_assert_false (parse (text, &again, NULL));

  g_array_set_size (tag.virtio_mem, BAL_DOMAIN_XML_MEMORY_DEVICES_MAX);
  g_autofree char *shorter = bal_release_tag_build (&tag);
  g_auto (BalReleaseTag) most = {0};
  g_assert_true (parse (shorter, &most, NULL));
}

static void
test_invalid_in_domain_is_an_error (void)
{
  g_auto (BalReleaseTag) tag = {0};
  g_autoptr (GError) error = NULL;
  BalReleaseTagFound found = BAL_RELEASE_TAG_NONE;
  g_assert_false (
    bal_release_tag_from_domain_xml (IN_DOMAIN ("<b:release" NS "/>"), &found, &tag, &error));
  g_assert_error (error, BAL_RELEASE_TAG_ERROR, BAL_RELEASE_TAG_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/release-tag/round-trip", test_round_trip);
  g_test_add_func ("/release-tag/in-domain-as-libvirt-writes-it",
                   test_in_domain_as_libvirt_writes_it);
  g_test_add_func ("/release-tag/found-or-not", test_found_or_not);
  g_test_add_func ("/release-tag/refuses", test_refuses);
  g_test_add_func ("/release-tag/refuses-too-much", test_refuses_too_much);
  g_test_add_func ("/release-tag/invalid-in-domain-is-an-error",
                   test_invalid_in_domain_is_an_error);
  return g_test_run ();
}
