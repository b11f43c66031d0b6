/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/release-tag.h"

#include "host-hook/domain-xml.h"
#include "host-hook/xml-util.h"
#include "protocol/limits.h"

#include <string.h>

/* Any version of the namespace. */
#define URI_FAMILY "urn:x-ballast:memory:"

G_DEFINE_QUARK (bal_release_tag_error, bal_release_tag_error)

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, BAL_RELEASE_TAG_ERROR, BAL_RELEASE_TAG_ERROR_INVALID,
               "The domain's Ballast metadata is not valid: %s", what);
  return FALSE;
}

static void
virtio_mem_clear (gpointer data)
{
  BalReleaseTagVirtioMem *self = data;
  g_clear_pointer (&self->alias, g_free);
}

void
bal_release_tag_clear (BalReleaseTag *self)
{
  g_clear_pointer (&self->nonce, g_free);
  g_clear_pointer (&self->virtio_mem, g_array_unref);
  memset (self, 0, sizeof *self);
}

void
bal_release_tag_add_virtio_mem (BalReleaseTag *self,
                                const char *alias,
                                guint64 original_kib,
                                guint64 released_kib)
{
  BalReleaseTagVirtioMem device = {g_strdup (alias), original_kib, released_kib};

  if (self->virtio_mem == NULL)
    {
      self->virtio_mem = g_array_new (FALSE, TRUE, sizeof (BalReleaseTagVirtioMem));
      g_array_set_clear_func (self->virtio_mem, virtio_mem_clear);
    }
  g_array_append_val (self->virtio_mem, device);
}

/* Appends formatted text with its strings escaped for XML. */
static void G_GNUC_PRINTF (2, 3) append_escaped (GString *text, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *part = g_markup_vprintf_escaped (format, arguments);
  va_end (arguments);
  g_string_append (text, part);
}

static void
append_sizes (GString *text, guint64 original_kib, guint64 released_kib)
{
  append_escaped (text,
                  " original-kib='%" G_GUINT64_FORMAT "' released-kib='%" G_GUINT64_FORMAT "'/>",
                  original_kib, released_kib);
}

char *
bal_release_tag_build (const BalReleaseTag *self)
{
  GString *text = g_string_new (NULL);

  append_escaped (text, "<release nonce='%s'>", self->nonce);
  if (self->has_balloon)
    {
      g_string_append (text, "<balloon");
      append_sizes (text, self->balloon_original_kib, self->balloon_released_kib);
    }
  for (guint i = 0; self->virtio_mem != NULL && i < self->virtio_mem->len; i++)
    {
      const BalReleaseTagVirtioMem *device =
        &g_array_index (self->virtio_mem, BalReleaseTagVirtioMem, i);
      append_escaped (text, "<virtio-mem alias='%s'", device->alias);
      append_sizes (text, device->original_kib, device->released_kib);
    }
  g_string_append (text, "</release>");
  return g_string_free (text, FALSE);
}

/* TRUE when @text has 1 to @max_chars characters, each a letter, a digit or one of @others. */
static gboolean
is_plain (const char *text, gsize max_chars, const char *others)
{
  gsize length = strlen (text);
  if (length == 0 || length > max_chars)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (text[i]) && strchr (others, text[i]) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
has_only_attributes (const xmlNode *node, const char *const *names)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    if (attribute->ns != NULL || !g_strv_contains (names, (const char *)attribute->name))
      return FALSE;
  return TRUE;
}

static gboolean
read_kib (const xmlNode *node, const char *name, guint64 *out)
{
  g_autofree char *text = bal_xml_attribute (node, name);
  return text != NULL
         && g_ascii_string_to_unsigned (text, 10, 0, BAL_ADDRESS_LIMIT / 1024, out, NULL);
}

static gboolean
read_sizes (const xmlNode *node, guint64 *original_kib, guint64 *released_kib, GError **error)
{
  if (!read_kib (node, "original-kib", original_kib)
      || !read_kib (node, "released-kib", released_kib) || *released_kib > *original_kib)
    return fail (error, "an element has no sizes, or released more than there was");
  return TRUE;
}

static gboolean
read_balloon (const xmlNode *node, BalReleaseTag *out, GError **error)
{
  static const char *const names[] = {"original-kib", "released-kib", NULL};

  if (out->has_balloon || !has_only_attributes (node, names) || node->children != NULL)
    return fail (error, "a balloon element too many or with unknown content");
  out->has_balloon = TRUE;
  return read_sizes (node, &out->balloon_original_kib, &out->balloon_released_kib, error);
}

static gboolean
has_alias (const BalReleaseTag *self, const char *alias)
{
  for (guint i = 0; self->virtio_mem != NULL && i < self->virtio_mem->len; i++)
    if (strcmp (g_array_index (self->virtio_mem, BalReleaseTagVirtioMem, i).alias, alias) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
read_virtio_mem (const xmlNode *node, BalReleaseTag *out, GError **error)
{
  static const char *const names[] = {"alias", "original-kib", "released-kib", NULL};
  guint64 original_kib = 0;
  guint64 released_kib = 0;

  g_autofree char *alias = bal_xml_attribute (node, "alias");
  /* libvirt's own alphabet of aliases, virDomainDeviceInfo: USER_ALIAS_CHARS. */
  if (alias == NULL || !is_plain (alias, BAL_STRING_MAX_CHARS, "_-") || has_alias (out, alias)
      || !has_only_attributes (node, names) || node->children != NULL)
    return fail (error, "a virtio-mem element without an alias of its own or with unknown content");
  if (out->virtio_mem != NULL && out->virtio_mem->len == BAL_DOMAIN_XML_MEMORY_DEVICES_MAX)
    return fail (error, "too many virtio-mem elements");
  if (!read_sizes (node, &original_kib, &released_kib, error))
    return FALSE;
  bal_release_tag_add_virtio_mem (out, alias, original_kib, released_kib);
  return TRUE;
}

static gboolean
read_head (const xmlNode *release, BalReleaseTag *out, GError **error)
{
  static const char *const names[] = {"nonce", NULL};

  out->nonce = bal_xml_attribute (release, "nonce");
  if (out->nonce == NULL || !is_plain (out->nonce, BAL_TOKEN_MAX_CHARS, "._-"))
    return fail (error, "no nonce");
  if (!has_only_attributes (release, names))
    return fail (error, "an unknown attribute");
  return TRUE;
}

static gboolean
read_release (const xmlNode *release, BalReleaseTag *out, GError **error)
{
  if (!read_head (release, out, error))
    return FALSE;
  for (const xmlNode *node = release->children; node != NULL; node = node->next)
    {
      gboolean ok;

      if (xmlIsBlankNode (node))
        continue;
      if (node->type == XML_ELEMENT_NODE && strcmp ((const char *)node->name, "balloon") == 0)
        ok = read_balloon (node, out, error);
      else if (node->type == XML_ELEMENT_NODE
               && strcmp ((const char *)node->name, "virtio-mem") == 0)
        ok = read_virtio_mem (node, out, error);
      else
        ok = fail (error, "unknown content");
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

gboolean
bal_release_tag_from_domain_xml (const char *xml,
                                 BalReleaseTagFound *found,
                                 BalReleaseTag *out,
                                 GError **error)
{
  memset (out, 0, sizeof *out);
  g_autoptr (xmlDoc) document = bal_xml_parse (xml, "The domain XML", error);
  if (document == NULL)
    return FALSE;

  const xmlNode *metadata = bal_xml_child (xmlDocGetRootElement (document), "metadata");
  const xmlNode *release = NULL;
  gboolean unknown = FALSE;
  for (const xmlNode *node = metadata == NULL ? NULL : metadata->children; node != NULL;
       node = node->next)
    {
      if (node->type != XML_ELEMENT_NODE || node->ns == NULL || node->ns->href == NULL
          || !g_str_has_prefix ((const char *)node->ns->href, URI_FAMILY))
        continue;
      if (strcmp ((const char *)node->ns->href, BAL_RELEASE_TAG_URI) == 0
          && strcmp ((const char *)node->name, "release") == 0)
        release = node;
      else
        unknown = TRUE;
    }

  if (release != NULL && !read_release (release, out, error))
    {
      bal_release_tag_clear (out);
      return FALSE;
    }
  *found = release != NULL ? BAL_RELEASE_TAG_FOUND
           : unknown       ? BAL_RELEASE_TAG_UNKNOWN
                           : BAL_RELEASE_TAG_NONE;
  return TRUE;
}
