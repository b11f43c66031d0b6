/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hook pipe: what libvirt hands to a hook program, passed on to ballastd, and ballastd's answer.
 *
 * libvirt calls PROGRAM DOMAIN OPERATION SUB-OPERATION EXTRA with the domain XML on stdin. A hook
 * that ends without having read its stdin is fine: libvirt takes EPIPE for "closed early" and goes
 * on (virCommandProcessIO()).
 *
 * Time: deadlines are on the monotonic clock, in microseconds. Nothing here is written to stdout:
 * what a hook prints there replaces the domain's XML.
 * Ownership: what is returned is the caller's.
 * Failure: BAL_DAEMON_ERROR, BAL_PROTOCOL_ERROR or G_IO_ERROR with one sentence.
 */
#pragma once

#include "host-hook/daemon-message.h"

G_BEGIN_DECLS

/* TRUE when the command line is one of libvirt's, for @operation and @sub_operation. */
gboolean bal_hook_is (int argc, char **argv, const char *operation, const char *sub_operation);

/* Everything to the end of @fd, at most BAL_DAEMON_PAYLOAD_MAX_BYTES. */
GBytes *bal_hook_read_input (int fd, gint64 deadline_us, GError **error);

/* Passes libvirt's call, with the XML that was read from stdin, over a connection to ballastd
 * (daemon-client.h) and gives what it returned. */
JsonNode *bal_hook_exchange (
  int fd, const char *hook, char **argv, GBytes *xml, gint64 deadline_us, GError **error);

/* Passes libvirt's call, stdin included, to the ballastd below @root and gives what it returned.
 * When nobody is there, stdin is not read and the answer, BAL_DAEMON_ERROR_ABSENT, comes at once.
 */
JsonNode *
bal_hook_pass (const char *root, const char *hook, char **argv, gint64 deadline_us, GError **error);

G_END_DECLS
