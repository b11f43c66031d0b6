/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/cli.h"

#include <unistd.h>

#include "host-hook/connection.h"
#include "host-hook/daemon-client.h"
#include "host-hook/failure.h"
#include "host-hook/file-io.h"
#include "host-hook/journal.h"

#define DAEMON_TIMEOUT_US (2 * G_USEC_PER_SEC)

void
bal_cli_clear (BalCli *self)
{
  g_free (self->uri);
  g_free (self->config_path);
  g_free (self->mechanisms);
  g_free (self->page_cache);
  bal_config_clear (&self->config);
  g_clear_pointer (&self->report, bal_report_free);
  g_clear_pointer (&self->connection, virConnectClose);
  g_clear_pointer (&self->cancel, bal_cancel_free);
}

const GOptionEntry *
bal_cli_entries (BalCli *self, guint options, GOptionEntry entries[static BAL_CLI_N_ENTRIES])
{
  const GOptionEntry all[] = {
    {"connect", 'c', 0, G_OPTION_ARG_STRING, &self->uri,
     "The source's libvirt (default: libvirt's own)", "URI"},
    {"config", 0, 0, G_OPTION_ARG_FILENAME, &self->config_path,
     "Configuration (default: " BAL_CONFIG_PATH ")", "FILE"},
    {"mechanisms", 0, 0, G_OPTION_ARG_STRING, &self->mechanisms,
     "What may release memory, in order: virtio-mem,hold,balloon", "LIST"},
    {"page-cache", 0, 0, G_OPTION_ARG_STRING, &self->page_cache,
     "What becomes of the guest's page cache: keep, trim or drop", "POLICY"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &self->json, "Print one JSON object on standard output",
     NULL},
  };
  gsize n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (options & 1u << i)
      entries[n++] = all[i];
  entries[n] = (GOptionEntry){0};
  return entries;
}

gboolean
bal_cli_check_options (BalCli *self, const char *name, GError **error)
{
  GOptionEntry others[BAL_CLI_N_ENTRIES];

  bal_cli_entries (self, BAL_CLI_ALL_OPTIONS & ~self->options, others);
  for (const GOptionEntry *other = others; other->long_name; other++)
    {
      gboolean is_given = other->arg == G_OPTION_ARG_NONE ? *(gboolean *)other->arg_data
                                                          : *(char **)other->arg_data != NULL;

      if (!is_given)
        continue;
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                   "Nothing was touched: \"ballast %s\" knows no option --%s", name,
                   other->long_name);
      return FALSE;
    }
  return TRUE;
}

gboolean
bal_cli_parse (BalCli *self,
               const char *usage,
               GOptionGroup *group,
               char **words,
               char ***arguments,
               GError **error)
{
  g_auto (GStrv) usage_parts = g_strsplit (usage, "\n\n", 2);
  g_autoptr (GOptionContext) context = g_option_context_new (usage_parts[0]);
  g_auto (GStrv) argv = g_strdupv (words);
  g_autofree char *program = g_strdup_printf ("ballast %s", words[0]);
  GOptionEntry entries[BAL_CLI_N_ENTRIES];

  if (group)
    g_option_context_set_main_group (context, group);
  g_option_context_add_main_entries (context, bal_cli_entries (self, self->options, entries), NULL);
  g_set_prgname (program);
  g_option_context_set_summary (context, usage_parts[1]);
  if (!g_option_context_parse_strv (context, &argv, error))
    {
      g_prefix_error (error, "Nothing was touched: ");
      return FALSE;
    }
  /* "--" only ends the options. */
  if (argv[1] && g_str_equal (argv[1], "--"))
    *arguments = g_strdupv (argv + 2);
  else
    *arguments = g_strdupv (argv + 1);
  return TRUE;
}

typedef enum
{
  DOMAINS_NONE,
  DOMAINS_NONE_OR_ONE,
  DOMAINS_ONE,
} Domains;

/* @domain is not used with DOMAINS_NONE. */
static gboolean
parse_domain (
  BalCli *self, const char *usage, char **words, Domains domains, char **domain, GError **error)
{
  static const char *const allowed[] = {"no", "at most one", "one"};
  g_auto (GStrv) arguments = NULL;
  guint n;

  if (!bal_cli_parse (self, usage, NULL, words, &arguments, error))
    return FALSE;
  n = g_strv_length (arguments);
  if (n > (domains == DOMAINS_NONE ? 0 : 1) || (n == 0 && domains == DOMAINS_ONE))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                   "\"ballast %s\" takes %s domain; nothing was touched", words[0],
                   allowed[domains]);
      return FALSE;
    }
  if (domains != DOMAINS_NONE)
    *domain = g_strdup (arguments[0]);
  return TRUE;
}

static gboolean
override_policy (BalCli *self, GError **error)
{
  BalPolicy *policy = &self->config.policy;

  if (self->mechanisms)
    {
      GArray *mechanisms = bal_config_parse_mechanisms (self->mechanisms, ',', error);

      if (!mechanisms)
        {
          g_prefix_error (error, "Nothing was touched: --mechanisms: ");
          return FALSE;
        }
      g_array_unref (policy->mechanisms);
      policy->mechanisms = mechanisms;
    }
  if (!self->page_cache
      || bal_config_parse_page_cache (self->page_cache, &policy->page_cache, error))
    return TRUE;
  g_prefix_error (error, "Nothing was touched: --page-cache: ");
  return FALSE;
}

/* A command that has no use for the configuration does without a bad one as well. */
static gboolean
load_config (BalCli *self, GError **error)
{
  if (!(self->options & BAL_CLI_CONFIG))
    bal_config_init (&self->config);
  else if (!bal_config_load (self->config_path ? self->config_path : BAL_CONFIG_PATH,
                             self->config_path != NULL, &self->config, error))
    return FALSE;
  return override_policy (self, error);
}

gboolean
bal_cli_open (BalCli *self, gboolean progress, GError **error)
{
  if (!load_config (self, error))
    return FALSE;
  self->report = bal_report_new (self->json, progress || isatty (STDERR_FILENO));
  if (!bal_connection_start_events (error))
    return FALSE;
  bal_cancel_disarm (self->cancel);
  self->job =
    (BalJob){.root = "", .config = &self->config, .cancel = self->cancel, .report = self->report};
  self->connection = bal_connection_open (self->uri, error);
  return self->connection != NULL;
}

static gboolean
require_local (const BalCli *self, GError **error)
{
  if (bal_connection_is_local (self->connection))
    return TRUE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_USAGE,
               "This command works on the domain's own host; run it there, nothing was touched");
  return FALSE;
}

gboolean
bal_cli_find_domain (
  BalCli *self, const char *usage, char **words, virDomainPtr *domain, GError **error)
{
  g_autofree char *name = NULL;

  if (!parse_domain (self, usage, words, DOMAINS_ONE, &name, error)
      || !bal_cli_open (self, FALSE, error))
    return FALSE;
  *domain = bal_domain_find (self->connection, name, error);
  return *domain != NULL;
}

gboolean
bal_cli_open_domain (BalCli *self,
                     const char *usage,
                     char **words,
                     gboolean local_only,
                     virDomainPtr *domain,
                     GError **error)
{
  g_autoptr (virDomain) found = NULL;

  if (!bal_cli_find_domain (self, usage, words, &found, error)
      || (local_only && !require_local (self, error)) || !bal_domain_require_active (found, error))
    return FALSE;
  *domain = g_steal_pointer (&found);
  return TRUE;
}

BalDomainLock *
bal_cli_lock_domain (BalCli *self,
                     virDomainPtr domain,
                     char uuid[static VIR_UUID_STRING_BUFLEN],
                     GError **error)
{
  if (virDomainGetUUIDString (domain, uuid) < 0)
    {
      bal_failure_libvirt (error, BAL_EXIT_FAILED, "The domain has no UUID");
      return NULL;
    }
  return bal_domain_lock_take (self->job.root, uuid, self->cancel, error);
}

JsonNode *
bal_cli_ask_daemon (const char *name, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + DAEMON_TIMEOUT_US;
  g_autoptr (GBytes) request = bal_daemon_build_status (name, error);
  BAL_AUTO_FD fd = request ? bal_daemon_client_connect ("", end_us, error) : -1;

  return fd >= 0 ? bal_daemon_client_exchange (fd, request, end_us, error) : NULL;
}

static gboolean
journal_knows (const GPtrArray *items, const char *name)
{
  for (guint i = 0; i < items->len; i++)
    if (bal_journal_item_matches (g_ptr_array_index (items, i), name))
      return TRUE;
  return FALSE;
}

static gboolean
has_elements (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node && JSON_NODE_HOLDS_ARRAY (node)
         && json_array_get_length (json_node_get_array (node)) > 0;
}

static gboolean
daemon_knows (const char *name)
{
  g_autoptr (JsonNode) answer = bal_cli_ask_daemon (name, NULL);
  JsonObject *object = answer ? json_node_get_object (answer) : NULL;

  return object && (has_elements (object, "domains") || has_elements (object, "migrations"));
}

/* *@name becomes the UUID of a domain that libvirt knows. One that is not here any more may have
 * left something behind all the same. @away: why libvirt cannot be asked, or NULL. */
static gboolean
resolve (BalCli *self, const GPtrArray *items, const GError *away, char **name, GError **error)
{
  g_autofree char *given = g_steal_pointer (name);
  g_autoptr (GError) failure = away ? g_error_copy (away) : NULL;
  g_autoptr (virDomain) domain = away ? NULL : bal_domain_find (self->connection, given, &failure);
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (domain && virDomainGetUUIDString (domain, uuid) == 0)
    *name = g_strdup (uuid);
  else if (journal_knows (items, given) || daemon_knows (given))
    *name = g_steal_pointer (&given);
  else if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  else
    bal_failure_libvirt (error, BAL_EXIT_FAILED, "The domain has no UUID");
  return *name != NULL;
}

/* This host's libvirt. With @away that it cannot be reached is no failure, but goes there. */
static gboolean
open_here (BalCli *self, GError **away, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (bal_cli_open (self, FALSE, &failure))
    return require_local (self, error);
  if (!away || !g_error_matches (failure, BAL_FAILURE, BAL_EXIT_NOT_FOUND)
      || !bal_connection_uri_is_local (self->uri))
    away = error;
  g_propagate_error (away, g_steal_pointer (&failure));
  return away != error;
}

GPtrArray *
bal_cli_open_journal (
  BalCli *self, const char *usage, char **words, char **name, GError **away, GError **error)
{
  g_autoptr (GPtrArray) items = NULL;

  if (!parse_domain (self, usage, words, name ? DOMAINS_NONE_OR_ONE : DOMAINS_NONE, name, error)
      || !open_here (self, away, error))
    return NULL;
  items = bal_journal_list (self->job.root, NULL, error);
  if (!items || (name && *name && !resolve (self, items, away ? *away : NULL, name, error)))
    return NULL;
  return g_steal_pointer (&items);
}
