/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest agent of a domain, wherever that domain runs: by its socket on this host, through
 * libvirt on another.
 *
 * Ownership: the client is the caller's. Failure: BAL_FAILURE when libvirt does not tell about the
 * domain, BAL_DOMAIN_XML_ERROR, BAL_AGENT_ERROR.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/agent-client.h"

G_BEGIN_DECLS

/* Opens a conversation. It is tried whatever libvirt says of the channel's state: behind a
 * migration that comes late. @is_local: the domain's libvirtd is on this host. For @timeout_ms see
 * bal_agent_client_open_unix() and bal_agent_client_open_domain(). */
BalAgentClient *
bal_domain_agent_open (virDomainPtr domain, gboolean is_local, guint timeout_ms, GError **error);

G_END_DECLS
