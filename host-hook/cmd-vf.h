/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `ballast vf`: what its subcommands share. They ask this host's ballastd and change nothing
 * themselves; libvirt is asked for domains' names and UUIDs alone.
 *
 * Ownership and failure as in cli.h.
 */
#pragma once

#include "host-hook/cli.h"
#include "host-hook/vf-client.h"
#include "host-hook/vf-port-info.h"

G_BEGIN_DECLS

/* As bal_cli_parse(), with -c, --json and @entries. @words begins with the subcommand; @rest NULL:
 * no other words are taken. */
gboolean bal_cmd_vf_parse (BalCli *cli,
                           const char *usage,
                           const GOptionEntry *entries,
                           char **words,
                           char ***rest,
                           GError **error);

/* The UUID of a domain by name or UUID, the caller's. Only a name is looked up, so that what a
 * domain left can be released when libvirt knows it no more. */
char *bal_cmd_vf_find_domain (BalCli *cli, const char *domain, GError **error);

/* Names are nice to have: libvirt is not waited for for long. */
void bal_cmd_vf_connect_for_names (BalCli *cli);

/* The domain's name where libvirt tells it, or the UUID; the caller's. */
char *bal_cmd_vf_name_domain (BalCli *cli, const char *uuid);

/* --- tables and paragraphs on stdout, of what protocol/vf-schema.json documents --- */

/* What ballastd answered, as it is. */
void bal_cmd_vf_print_json (JsonObject *answer);

/* The list as a whole; nothing of it when a port cannot be read. */
gboolean bal_cmd_vf_print_list (BalCli *cli, JsonObject *list, GError **error);

/* All about one PF, with its VFs, or about one port. */
void bal_cmd_vf_print_pf (BalCli *cli, JsonObject *pf);
gboolean bal_cmd_vf_print_port (BalCli *cli, JsonObject *object, GError **error);

/* The objects in the array @name; the list, not what is in it, is the caller's. */
GList *bal_cmd_vf_objects (JsonObject *object, const char *name);

/* "" and 0 when it is not there, or something else. */
const char *bal_cmd_vf_text (JsonObject *object, const char *name);
gint64 bal_cmd_vf_number (JsonObject *object, const char *name);

/* --- subcommands --- */

gboolean bal_cmd_vf_list (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_vf_show (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_vf_allocate (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_vf_release (BalCli *cli, char **words, GError **error);
gboolean bal_cmd_vf_reconcile (BalCli *cli, char **words, GError **error);

G_END_DECLS
