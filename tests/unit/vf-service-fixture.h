/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a service (host-hook/vf-service.h) on a made-up sysfs with a made-up NIC: PFs eth3 and
 * eth4 of 1000 Mbit/s with four VFs each. Failure: the test aborts.
 */
#pragma once

#include "host-hook/vf-service-core.h"
#include "vf-fixture.h"
#include "vf-nic.h"

typedef struct
{
  TestRoot root;
  VfNic nic;
  BalVfNic reach;
  BalVfService *service;
} VfServiceCase;

void vf_service_set_up (VfServiceCase *self, gconstpointer data);
void vf_service_tear_down (VfServiceCase *self, gconstpointer data);

/* As after a SIGKILL: what is in memory is gone. */
void vf_service_restart (VfServiceCase *self);

/* A domain's XML with <vf:port> elements and devices; the caller's. */
char *vf_service_xml (guint domain, const char *ports, const char *devices);

/* Of domain's port net0; NULL: there is none. */
const BalVfEntry *vf_service_entry (VfServiceCase *self, guint domain);

/* No VF has a setting that was made. */
gboolean vf_service_is_clean (VfServiceCase *self);
