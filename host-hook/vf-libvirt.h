/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF libvirt: all that the VF service asks of libvirt, as functions that tests replace by a made-up
 * host of domains.
 *
 * Ownership: what is returned is the caller's. Failure: BAL_FAILURE, one sentence; every call may
 * block as long as libvirt does, the changing ones half a minute for a job that holds the domain.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "host-hook/vf-reconcile.h"

G_BEGIN_DECLS

/* How a domain stands. */
typedef struct
{
  gboolean is_known;      /* libvirt has it */
  gboolean is_active;     /* it runs, or is about to */
  gboolean is_busy;       /* a job holds it, or a migration: nothing can be changed now */
  gboolean is_persistent; /* it has a definition */
  gboolean has_booted;    /* it runs since its start: it never came from elsewhere, or was paused */
} BalVfStanding;

/* The live domain, or its definition. */
typedef enum
{
  BAL_VF_LIVE,
  BAL_VF_CONFIG,
} BalVfWhere;

typedef struct
{
  gpointer data;
  void (*release) (gpointer data); /* may be NULL */

  /* All active domains, of BalVfDomain; NULL with @error: libvirt did not answer about all. */
  GPtrArray *(*list) (gpointer data, GError **error);

  gboolean (*look) (gpointer data, const char *uuid, BalVfStanding *out, GError **error);

  char *(*read_xml) (gpointer data, const char *uuid, BalVfWhere where, GError **error);

  /* Live. Detaching returns as soon as the guest was asked. */
  gboolean (*attach) (gpointer data, const char *uuid, const char *interface, GError **error);
  gboolean (*detach) (gpointer data, const char *uuid, const char *interface, GError **error);

  /* BAL_VF_METADATA_URI's element; @element NULL removes it. */
  gboolean (*write_metadata) (
    gpointer data, const char *uuid, BalVfWhere where, const char *element, GError **error);

  gboolean (*destroy) (gpointer data, const char *uuid, GError **error);
} BalVfLibvirt;

/* The real one; a reference to @connection is taken. */
BalVfLibvirt bal_vf_libvirt_new (virConnectPtr connection);

void bal_vf_libvirt_clear (BalVfLibvirt *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalVfLibvirt, bal_vf_libvirt_clear)

G_END_DECLS
