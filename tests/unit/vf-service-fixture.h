/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a service (host-hook/vf-service.h) on a made-up sysfs with a made-up NIC and a made-up
 * libvirt: PFs eth3 and eth4 of 1000 Mbit/s with four VFs each, and running domain 1. Failure: the
 * test aborts.
 */
#pragma once

#include "host-hook/vf-service-core.h"
#include "vf-domains.h"
#include "vf-fixture.h"
#include "vf-nic.h"

typedef struct
{
  TestRoot root;
  VfNic nic;
  BalVfNic reach;
  VfDomains domains;
  BalVfLibvirt libvirt;
  VfTestDomain *domain;
  BalVfService *service;
  char *ledger; /* as it was when it died */
} VfServiceCase;

void vf_service_set_up (VfServiceCase *self, gconstpointer data);
void vf_service_tear_down (VfServiceCase *self, gconstpointer data);

/* As after a SIGKILL: what is in memory is gone. */
void vf_service_restart (VfServiceCase *self);

/* The same after VfDomains' dies_at: what was done behind that is undone, and all works again. */
void vf_service_revive (VfServiceCase *self);

/* What is reserved from now on ends at once. */
void vf_service_let_expire (VfServiceCase *self);

/* Of domain @domain, port net0, on eth3. */
BalVfRequest vf_service_request (guint domain, guint bandwidth_mbps);

/* A domain's XML with <vf:port> elements and devices; the caller's. */
char *vf_service_xml (guint domain, const char *ports, const char *devices);

/* Of domain's port net0; NULL: there is none. */
const BalVfEntry *vf_service_entry (VfServiceCase *self, guint domain);

/* No VF has a setting that was made. */
gboolean vf_service_is_clean (VfServiceCase *self);
