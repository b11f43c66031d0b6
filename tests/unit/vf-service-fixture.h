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

/* Has g_test_run() call @function (VfServiceCase *, gconstpointer) with one of its own. */
#define VF_SERVICE_ADD(name, function)                                                             \
  g_test_add (name, VfServiceCase, NULL, vf_service_set_up, function, vf_service_tear_down)

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

/* The port net0 of domain 1 by the service. A port that is told is attached. */
gboolean vf_service_allocate (VfServiceCase *self, guint mbps, gboolean in_config, GError **error);

/* With 300 Mbit/s. */
void vf_service_must_allocate (VfServiceCase *self, gboolean in_config);
gboolean
vf_service_release (VfServiceCase *self, const char *port, gboolean in_config, GError **error);

#define VF_SERVICE_VF_0 "0000:03:10.0"

/* Nothing is left of it anywhere; or all of it is there, on that VF. */
void vf_service_assert_nothing (VfServiceCase *self);
void vf_service_assert_attached (VfServiceCase *self);

/* The hook's question. */
gboolean
vf_service_prepare_domain (VfServiceCase *self, guint domain, const char *ports, GError **error);
void vf_service_must_prepare (VfServiceCase *self, guint domain, const char *ports);

/* The same about domain 1; a round about all; and the state of its port. */
void vf_service_prepare (VfServiceCase *self, const char *ports);
void vf_service_settle (VfServiceCase *self);
BalVfState vf_service_state (VfServiceCase *self);
