/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/connection.h"
#include "host-hook/hold.h"
#include "host-hook/recover.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nGives DOMAIN all memory back that was released of "                                   \
  "it, here or on the host that it came\nfrom."

/* What an agent holds has no record where the domain came from elsewhere. */
static gboolean
return_held (BalCli *cli, virDomainPtr domain)
{
  g_auto (BalDomainXml) xml = {0};
  g_auto (BalHoldStatus) status = {0};
  g_autoptr (BalAgentClient) agent = NULL;
  guint timeout_ms = cli->config.agent_timeout_ms;

  if (!bal_domain_read (domain, &xml, NULL, NULL) || !xml.agent_connected || !xml.agent_socket_path)
    return FALSE;
  agent = bal_agent_client_open_unix (xml.agent_socket_path, timeout_ms, NULL);
  return agent && bal_agent_client_hold_status (agent, timeout_ms, &status, NULL)
         && status.state != BAL_HOLD_IDLE && bal_hold_return (&cli->job, agent, NULL);
}

gboolean
bal_cmd_restore (BalCli *cli, char **words, GError **error)
{
  g_autoptr (virDomain) domain = NULL;
  g_autoptr (BalDomainLock) lock = NULL;
  char uuid[VIR_UUID_STRING_BUFLEN];
  gboolean found = FALSE;
  BalRecover recover = {.is_local = TRUE};

  if (!bal_cli_open_domain (cli, USAGE, words, TRUE, &domain, error))
    return FALSE;
  lock = bal_cli_lock_domain (cli, domain, uuid, error);
  if (!lock)
    return FALSE;
  recover.job = &cli->job;
  recover.connection = cli->connection;
  if (!bal_recover_domain (&recover, domain, &found, error))
    return FALSE;
  found |= return_held (cli, domain);
  bal_say (stdout,
           found ? "Domain \"%s\" has its memory back." : "Nothing of domain \"%s\" was released.",
           virDomainGetName (domain));
  return TRUE;
}
