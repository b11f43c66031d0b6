/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Release tag: the element in a live domain's metadata that says which sizes an explicit release
 * changed, so that a copy of the domain that was saved, snapshotted or moved in between is
 * recognised and given its memory back.
 *
 *   <release nonce='...'>
 *     <balloon original-kib='4194304' released-kib='524288'/>
 *     <virtio-mem alias='virtiomem0' original-kib='3145728' released-kib='0'/>
 *   </release>
 *
 * It stands in the namespace BAL_RELEASE_TAG_URI, of which libvirt keeps one element. The text that
 * goes to virDomainSetMetadata() carries no namespace declaration (libvirt adds it, and refuses the
 * prefix when it is there already), and virDomainGetMetadata() gives it back without one.
 *
 * Metadata is not trusted: everything is checked and capped, and whoever acts on a tag also
 * compares it with the domain's own limits and gives back only from the released value
 * (size-stand.h).
 *
 * Ownership: plain structs are the caller's. Failure: BAL_RELEASE_TAG_ERROR; the output struct is
 * then left cleared. No I/O.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_RELEASE_TAG_URI "urn:x-ballast:memory:1"

/* The key (namespace prefix) for virDomainSetMetadata(). */
#define BAL_RELEASE_TAG_KEY "ballast-memory"

#define BAL_RELEASE_TAG_ERROR (bal_release_tag_error_quark ())
GQuark bal_release_tag_error_quark (void);

typedef enum
{
  BAL_RELEASE_TAG_ERROR_INVALID, /* not a release element as above, or past a limit */
} BalReleaseTagError;

typedef enum
{
  BAL_RELEASE_TAG_NONE,    /* no tag */
  BAL_RELEASE_TAG_FOUND,   /* @out is set */
  BAL_RELEASE_TAG_UNKNOWN, /* an element of another version of Ballast: as if there were no tag, but
                              worth one warning */
} BalReleaseTagFound;

typedef struct
{
  char *alias;
  guint64 original_kib; /* `requested` before the release */
  guint64 released_kib; /* `requested` that the release set */
} BalReleaseTagVirtioMem;

typedef struct
{
  char *nonce; /* the migration id; [A-Za-z0-9._-], 1 to BAL_TOKEN_MAX_CHARS */
  gboolean has_balloon;
  guint64 balloon_original_kib; /* balloon's size as virDomainSetMemory counts it */
  guint64 balloon_released_kib;
  GArray *virtio_mem; /* of BalReleaseTagVirtioMem; NULL means none */
} BalReleaseTag;

void bal_release_tag_clear (BalReleaseTag *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalReleaseTag, bal_release_tag_clear)

/* Copies @alias into the tag. */
void bal_release_tag_add_virtio_mem (BalReleaseTag *self,
                                     const char *alias,
                                     guint64 original_kib,
                                     guint64 released_kib);

/* The text for virDomainSetMetadata(). */
char *bal_release_tag_build (const BalReleaseTag *self);

/* Finds the tag in a domain's XML. @found is set on success; @out only for BAL_RELEASE_TAG_FOUND.
 * Fails when the XML cannot be parsed or the tag is there and invalid: unknown elements and
 * attributes are errors, too. */
gboolean bal_release_tag_from_domain_xml (const char *xml,
                                          BalReleaseTagFound *found,
                                          BalReleaseTag *out,
                                          GError **error);

G_END_DECLS
