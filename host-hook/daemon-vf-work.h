/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF work: one thing that the VF service is asked, by a client of ballastd's socket, by libvirt's
 * hook or by ballastd itself, to be done in a thread because the service blocks.
 *
 * Ownership: the creator frees a work, and all in it; whoever runs it has it alone meanwhile.
 * Failure: in the work itself, `error`.
 */
#pragma once

#include "host-hook/daemon-message.h"
#include "host-hook/vf-service.h"

G_BEGIN_DECLS

typedef enum
{
  BAL_VF_WORK_OPEN,
  BAL_VF_WORK_CALL,    /* a client's */
  BAL_VF_WORK_PREPARE, /* hook `prepare begin` */
  BAL_VF_WORK_ARRIVE,  /* hooks `migrate begin` and `restore begin` */
  BAL_VF_WORK_END,     /* hook `release end` */
  BAL_VF_WORK_SETTLE,
  BAL_VF_WORK_RELOAD,
} BalVfWorkKind;

typedef struct
{
  BalVfWorkKind kind;
  BalVfCall call; /* CALL */
  char *xml;      /* of hooks: the domain's, which may hold secrets */
  char *uuid;     /* SETTLE, NULL: all; of hooks, NULL: the XML does not say */

  const char *root; /* OPEN, as the next two, lent: see bal_vf_service_new() */
  const char *config_path;
  const BalVfNic *nic;

  BalVfService *service; /* OPEN: the caller may take it; NULL: there is none */
  JsonObject *result;    /* NULL: nothing to say */
  GError *error;
  gboolean is_idle; /* the service was, just behind it */
} BalVfWork;

/* Opens a service. */
BalVfWork *bal_vf_work_new_open (const char *root, const char *config_path, const BalVfNic *nic);

/* @call is emptied. */
BalVfWork *bal_vf_work_new_call (BalVfCall *call);

/* NULL: one of libvirt's calls that VFs have nothing to do with. */
BalVfWork *bal_vf_work_new_hook (const BalHookCall *call);

/* @uuid NULL: of all domains. */
BalVfWork *bal_vf_work_new_settle (const char *uuid);
BalVfWork *bal_vf_work_new_reload (void);
void bal_vf_work_free (BalVfWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalVfWork, bal_vf_work_free)

/* Whether it waits for libvirt or a guest. */
gboolean bal_vf_work_is_slow (const BalVfWork *self);

/* Whether it is of no use to anybody when whoever asked does not wait for the answer any more. */
gboolean bal_vf_work_is_for_answer (const BalVfWork *self);

/* Whether it is a hook's, which are in order for one domain. */
gboolean bal_vf_work_is_hook (const BalVfWork *self);

/* Blocks. @service: none for OPEN. */
void bal_vf_work_run (BalVfWork *self, BalVfService *service);

/* The class on the wire of what a work failed with. */
const char *bal_vf_work_error_class (const GError *error);

G_END_DECLS
