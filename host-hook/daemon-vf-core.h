/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ballastd's end of the VF service, inside: what daemon-vf.c, which has the jobs, and
 * daemon-vf-open.c, which has the service opened, share.
 *
 * Ownership: a job is the daemon's (`jobs`) and its pool's, order's or queue's at once; who has it
 * last frees it. Failure: none. Main context, but where it says otherwise.
 */
#pragma once

#include "host-hook/daemon-vf-order.h"
#include "host-hook/daemon-vf-work.h"
#include "host-hook/daemon-vf.h"

G_BEGIN_DECLS

struct _BalDaemonVf
{
  gint ref_count; /* the creator's, and one for each job */
  gint is_ended;  /* what no thread has begun with is not begun with any more */
  const char *root;
  char *config_path;
  const BalVfNic *nic;
  BalVfService *service; /* NULL: is being opened, or could not be had */

  /* daemon-vf-open.c's: */
  GError *problem; /* for which the service could not be had */
  gboolean is_opening;
  gboolean wants_reload; /* once it is opened */
  GQueue waiting;        /* jobs, for it to be opened */
  guint waiting_id;

  GThreadPool *quick;
  GThreadPool *slow;
  virConnectPtr connection; /* NULL: libvirt is away */
  guint timer_id;
  GHashTable *jobs;     /* at work, or on the way back */
  GHashTable *settling; /* UUIDs, or "" for all, whose settling no thread has begun with */
  BalVfOrder *hooks;    /* of jobs */
  guint64 n_jobs;       /* so far */
  guint n_slow_calls;   /* of clients, among `jobs` */
  gboolean is_idle;     /* nothing is in the ledger, and no job may have changed that */
};

/* One work on its way. Main context, but for `work` while a thread has it. */
typedef struct
{
  BalDaemonVf *vf;
  BalVfWork *work;
  BalDaemonRequest *request; /* NULL: nobody waits */
  gint has_left;             /* the client has; any thread */
  guint64 number;
  BalVfService *service;
} BalVfJob;

/* --- jobs --- */

/* Takes ownership of @work and @request (NULL: nobody waits). */
BalVfJob *bal_vf_job_new (BalDaemonVf *vf, BalVfWork *work, BalDaemonRequest *request);
void bal_vf_job_free (gpointer job);

/* It is not on its way any more. FALSE: it was not. */
gboolean bal_vf_job_take_off (BalVfJob *self);

/* To a thread; a hook's behind the ones of its domain that came before. The service is there, or is
 * what the job is to open. */
void bal_vf_job_submit (BalVfJob *self);

/* --- opening --- */

/* Has a thread open the service. */
void bal_daemon_vf_open (BalDaemonVf *self);

/* That was done by @work, out of which it is taken. */
void bal_daemon_vf_note_opened (BalDaemonVf *self, BalVfWork *work);

/* Has @work done now, or once the service is opened, or refuses it because that could not be.
 * Takes ownership of both. */
void bal_daemon_vf_take (BalDaemonVf *self, BalVfWork *work, BalDaemonRequest *request);

G_END_DECLS
