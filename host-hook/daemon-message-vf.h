/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF calls: the commands about virtual functions on ballastd's socket (daemon-message.h), and the
 * classes of their errors. protocol/vf-schema.json documents both; a test compares it with this. No
 * I/O.
 *
 * Ownership: a BalVfCall is the caller's, bal_vf_call_clear() frees what it points to. Failure: a
 * call that is refused sets BAL_VF_ERROR_INVALID and leaves the output cleared.
 */
#pragma once

#include "host-hook/vf-error.h"
#include "host-hook/vf-request.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_VF_COMMAND_LIST,      /* "vf-list": {pf?} */
  BAL_VF_COMMAND_ALLOCATE,  /* "vf-allocate": the request's members, {config?} */
  BAL_VF_COMMAND_RELEASE,   /* "vf-release": {domain, port?, config?} */
  BAL_VF_COMMAND_RECONCILE, /* "vf-reconcile" */
  BAL_VF_COMMAND_DETACH,    /* "vf-detach": {domain} */
  BAL_VF_COMMAND_ATTACH,    /* "vf-attach": {domain} */
} BalVfCommand;

#define BAL_VF_COMMANDS 6

typedef struct
{
  BalVfCommand command;
  char *pf;             /* LIST: netdev's name or PCI address; NULL: all */
  BalVfRequest request; /* ALLOCATE */
  char *uuid;           /* RELEASE, DETACH, ATTACH */
  char *port;           /* RELEASE; NULL: all of the domain's */
  gboolean in_config;   /* ALLOCATE, RELEASE */
} BalVfCall;

void bal_vf_call_init (BalVfCall *self, BalVfCommand command);
void bal_vf_call_clear (BalVfCall *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalVfCall, bal_vf_call_clear)

const char *bal_vf_command_name (BalVfCommand command);

/* FALSE: it is none of these. */
gboolean bal_vf_command_from_name (const char *name, BalVfCommand *out);

/* @out need not be initialised. */
gboolean
bal_vf_call_read (BalVfCommand command, JsonObject *arguments, BalVfCall *out, GError **error);

/* The arguments; the caller's. */
JsonObject *bal_vf_call_build (const BalVfCall *self);

/* The class on the wire of a BAL_VF_ERROR; NULL: it has none of its own. */
const char *bal_vf_error_class (BalVfError code);

/* FALSE: no such class. */
gboolean bal_vf_error_from_class (const char *error_class, BalVfError *out);

G_END_DECLS
