/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a service on a large made-up host, 64 PFs with 128 VFs each, asked by 50 threads at once
 * while one more lists all VFs and one settles all ports, again and again.
 *
 * Failure: the test aborts.
 */
#pragma once

#include "host-hook/vf-service-core.h"
#include "vf-domains.h"
#include "vf-fixture.h"
#include "vf-nic.h"

#define VF_SCALE_PFS 64
#define VF_SCALE_VFS 128
#define VF_SCALE_REQUESTS 2000
#define VF_SCALE_THREADS 50

typedef struct
{
  TestRoot root;
  VfNic nics[VF_SCALE_PFS];
  GMutex nic_lock;
  VfDomains domains; /* none runs */
  BalVfLibvirt libvirt;
  BalVfService *service;
} VfScaleHost;

/* @ledger: the folder that holds the ledger's, elsewhere than the made-up sysfs; NULL: there. */
void vf_scale_host_set_up (VfScaleHost *self, const char *ledger, guint speed_mbps);
void vf_scale_host_tear_down (VfScaleHost *self);

/* Calls @ask for each domain from 1 to VF_SCALE_REQUESTS, in one of @n_threads (up to
 * VF_SCALE_THREADS). */
void vf_scale_host_run (VfScaleHost *self,
                        guint n_threads,
                        void (*ask) (gpointer data, guint domain),
                        gpointer data);

/* Of that domain; the caller's, and for any thread. */
char *vf_scale_uuid (guint domain);
char *vf_scale_xml (guint domain, guint bandwidth_mbps);
