/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-agent.h"

#include "host-hook/connection.h"
#include "protocol/limits.h"

BalAgentClient *
bal_domain_agent_open (virDomainPtr domain, gboolean is_local, guint timeout_ms, GError **error)
{
  g_auto (BalDomainXml) xml = {0};

  if (!is_local)
    return bal_agent_client_open_domain (domain, timeout_ms, error);
  if (!bal_domain_read (domain, &xml, NULL, error))
    return NULL;
  if (xml.agent_socket_path)
    return bal_agent_client_open_unix (xml.agent_socket_path, timeout_ms, error);
  g_set_error (error, BAL_AGENT_ERROR, BAL_AGENT_ERROR_UNREACHABLE,
               "Domain \"%s\" has no channel for the guest agent; add one named " BAL_CHANNEL_NAME,
               xml.name);
  return NULL;
}
