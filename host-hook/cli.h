/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command line: what all of ballast's commands share: common options, configuration, connection,
 * report. One command a file, cmd-NAME.c.
 *
 * Ownership: main owns the BalCli; commands borrow it.
 * Failure: G_OPTION_ERROR and BAL_CONFIG_ERROR for what the user typed or wrote, BAL_FAILURE for
 * the rest.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/domain-lock.h"
#include "host-hook/job.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_CLI_CONNECT = 1 << 0,
  BAL_CLI_CONFIG = 1 << 1,
  BAL_CLI_MECHANISMS = 1 << 2,
  BAL_CLI_PAGE_CACHE = 1 << 3,
  BAL_CLI_JSON = 1 << 4,
} BalCliOption;
#define BAL_CLI_N_ENTRIES 6 /* with the empty one at their end */
#define BAL_CLI_ALL_OPTIONS                                                                        \
  (BAL_CLI_CONNECT | BAL_CLI_CONFIG | BAL_CLI_MECHANISMS | BAL_CLI_PAGE_CACHE | BAL_CLI_JSON)

typedef struct
{
  /* Common options; they stand before or behind the command. */
  char *uri;
  char *config_path;
  char *mechanisms;
  char *page_cache;
  gboolean json;
  guint options; /* BalCliOption: those that the command knows */

  /* Filled by bal_cli_open(). */
  BalConfig config;
  BalCancel *cancel;
  BalReport *report;
  virConnectPtr connection;
  BalJob job;

  /* An array that bal_cli_recover() tells of each domain in, lent; NULL: it tells a person. */
  JsonBuilder *recovered;
} BalCli;

void bal_cli_clear (BalCli *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalCli, bal_cli_clear)

/* The common options out of @options (of BalCliOption). */
const GOptionEntry *
bal_cli_entries (BalCli *self, guint options, GOptionEntry entries[static BAL_CLI_N_ENTRIES]);

/* An option that stood before the command @name and means nothing for it is an error. */
gboolean bal_cli_check_options (BalCli *self, const char *name, GError **error);

/* Parses the options that the command knows; @usage: its arguments, an empty line, what it does;
 * @group (may be NULL) is consumed. @arguments gets the other words, NULL-terminated, the caller's.
 */
gboolean bal_cli_parse (BalCli *self,
                        const char *usage,
                        GOptionGroup *group,
                        char **words,
                        char ***arguments,
                        GError **error);

/* Loads the configuration where the command knows one, makes the report and connects to libvirt.
 * Signals end the process from here on, until a command arms the cancel. @progress: show a moving
 * line also without a terminal.
 */
gboolean bal_cli_open (BalCli *self, gboolean progress, GError **error);

/* Parses the words of a command that takes one domain, opens as above, and finds that domain, which
 * may be off. */
gboolean bal_cli_find_domain (
  BalCli *self, const char *usage, char **words, virDomainPtr *domain, GError **error);

/* The same for a domain that has to run. @local_only refuses a remote libvirt: Ballast gives memory
 * back on the host that it was taken on. */
gboolean bal_cli_open_domain (BalCli *self,
                              const char *usage,
                              char **words,
                              gboolean local_only,
                              virDomainPtr *domain,
                              GError **error);

/* Takes the lock of @domain, whose @uuid is filled in; waits a while for ballastd. NULL on failure.
 */
BalDomainLock *bal_cli_lock_domain (BalCli *self,
                                    virDomainPtr domain,
                                    char uuid[static VIR_UUID_STRING_BUFLEN],
                                    GError **error);

/* What ballastd answers about the domain @name (NULL: about all), or NULL; in two seconds.
 * BAL_DAEMON_ERROR_ABSENT is no failure: `ballast` does without. */
JsonNode *bal_cli_ask_daemon (const char *name, GError **error);

/* Parses the words of a command that takes one domain or none, opens this host's libvirt, and lists
 * the whole journal (see bal_journal_list()). *@name is the domain that was named, or NULL: the
 * UUID of one that libvirt knows, else as it was given when the journal or ballastd knows it, else
 * an error. When @name is NULL the command takes none. With @away (which else is NULL) a libvirt
 * that cannot be reached is no failure: *@away says why there is no connection. */
GPtrArray *bal_cli_open_journal (
  BalCli *self, const char *usage, char **words, char **name, GError **away, GError **error);

/* Settles the entries of @items that are about the domain @name, NULL: about any; with @all also
 * what was released for a migration that may still come. Goes on after a failure: the first one is
 * the result, further ones are warnings. *@n_seen: how many there were. */
gboolean bal_cli_recover (
  BalCli *self, GPtrArray *items, const char *name, gboolean all, guint *n_seen, GError **error);

typedef gboolean (*BalCommand) (BalCli *cli, char **words, GError **error);

gboolean bal_cmd_migrate (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_ranges (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_plan (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_advise (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_release (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_restore (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_status (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_recover (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_check_config (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_vf (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_retire (BalCli *cli, char **words, GError **error);

G_END_DECLS
