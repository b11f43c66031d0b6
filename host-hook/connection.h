/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to libvirt, and the few reads of a domain that everybody needs.
 *
 * Ownership: pointers to libvirt objects returned are the caller's, to be freed with g_autoptr.
 * Failure: BAL_FAILURE, one sentence. Every call may block as long as libvirt does. On an open
 * connection keep-alive (5 s, 6 times) bounds that to half a minute when a remote libvirtd goes
 * away. Opening is bound by nothing but the transport's own time-outs (ssh, TCP): only
 * bal_connection_open_within() comes back in time.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "host-hook/domain-xml.h"

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)

/* Starts libvirt's default event loop in a thread of its own (keep-alive, streams and events need
 * it) and silences libvirt's printing of errors. Once per process, before the first connection. */
gboolean bal_connection_start_events (GError **error);

/* @uri NULL: libvirt's default. A failure is BAL_EXIT_NOT_FOUND, and of this host's libvirt says
 * what to do. Asks for names and passwords where standard input is a terminal. */
virConnectPtr bal_connection_open (const char *uri, GError **error);

/* The same for a connection that is welcome but not needed: NULL when there is none within
 * @wait_ms. An attempt that takes longer is left to end by itself in a thread of its own. */
virConnectPtr bal_connection_open_within (const char *uri, guint wait_ms);

/* TRUE when @uri (NULL: libvirt's default, as the environment has it) is of this host: it names
 * none. */
gboolean bal_connection_uri_is_local (const char *uri);

/* TRUE when the connection's libvirtd and this program share a host: the URI names none. */
gboolean bal_connection_is_local (virConnectPtr connection);

/* TRUE for a session daemon, of which Ballast knows nothing. */
gboolean bal_connection_is_session (virConnectPtr connection);

/* By id, name or UUID, as virsh does. A failure is BAL_EXIT_NOT_FOUND. */
virDomainPtr bal_domain_find (virConnectPtr connection, const char *name, GError **error);

/* A domain that is off is BAL_EXIT_NOT_FOUND. */
gboolean bal_domain_require_active (virDomainPtr domain, GError **error);

/* The live XML, parsed into @out; *@xml (may be NULL) gets the text, which may hold secrets. */
gboolean bal_domain_read (virDomainPtr domain, BalDomainXml *out, char **xml, GError **error);

typedef enum
{
  BAL_DOMAIN_GONE,            /* not known, or off */
  BAL_DOMAIN_RUNNING,         /* and no job holds it */
  BAL_DOMAIN_BUSY,            /* a job holds it, whether it runs or not */
  BAL_DOMAIN_PAUSED,          /* stopped for whatever reason, without a job */
  BAL_DOMAIN_POSTCOPY_FAILED, /* paused, and only a resumed migration saves it */
  BAL_DOMAIN_UNKNOWN,         /* libvirt did not answer */
} BalDomainState;

/* Where a domain stands that libvirt knows. */
BalDomainState bal_domain_state_of_active (virDomainPtr domain);

/* Where @uuid stands with @connection; NULL is BAL_DOMAIN_UNKNOWN. */
BalDomainState bal_domain_state (virConnectPtr connection, const char *uuid);

G_END_DECLS
