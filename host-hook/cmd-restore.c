/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"
#include "host-hook/recover.h"

#define USAGE                                                                                      \
  "DOMAIN\n\nGives DOMAIN all memory back that was released of "                                   \
  "it, here or on the host that it came\nfrom."

static void
print_json (virDomainPtr domain, const char *uuid, gboolean is_restored)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  bal_json_add_text (builder, "domain", virDomainGetName (domain));
  bal_json_add_text (builder, "uuid", uuid);
  json_builder_set_member_name (builder, "restored");
  json_builder_add_boolean_value (builder, is_restored);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  bal_print_json (root);
}

gboolean
bal_cmd_restore (BalCli *cli, char **words, GError **error)
{
  g_autoptr (virDomain) domain = NULL;
  g_autoptr (BalDomainLock) lock = NULL;
  char uuid[VIR_UUID_STRING_BUFLEN];
  gboolean found = FALSE, resized = FALSE;
  BalRecover recover = {.is_local = TRUE};

  if (!bal_cli_open_domain (cli, USAGE, words, TRUE, &domain, error))
    return FALSE;
  lock = bal_cli_lock_domain (cli, domain, uuid, error);
  if (!lock)
    return FALSE;
  recover.job = &cli->job;
  recover.connection = cli->connection;
  if (!bal_recover_domain (&recover, domain, &found, error)
      || !bal_recover_defined_sizes (&recover, domain, &resized, error))
    return FALSE;
  found |= resized;
  found |= bal_recover_held (&recover, domain, FALSE);
  if (cli->json)
    print_json (domain, uuid, found);
  else
    bal_say (stdout,
             found ? "Domain \"%s\" has its memory back."
                   : "Nothing of domain \"%s\" was released.",
             virDomainGetName (domain));
  return TRUE;
}
