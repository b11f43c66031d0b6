/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: ballastd's end of the VF service (host-hook/daemon-vf.h) with a made-up service
 * (vf-service-fake.h), and made-up requests in the place of the server's, which tell how they were
 * answered. Failure, and an answer that does not come: the test aborts.
 */
#pragma once

#include "host-hook/daemon-vf.h"
#include "vf-service-fake.h"

/* libvirt is never really there. */
#define CONNECTION (vf_end_connection ())
virConnectPtr vf_end_connection (void);

struct _BalDaemonRequest
{
  guint n_answers;
  JsonNode *result;
  char *error_class;
  void (*left) (gpointer user_data);
  gpointer left_data;
};

/* The client hangs up. */
void vf_end_leave (BalDaemonRequest *request);

void vf_end_request_clear (BalDaemonRequest *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalDaemonRequest, vf_end_request_clear)

/* With a service that is opened. */
BalDaemonVf *vf_end_start (void);

/* A service that may be being opened still: its line is "new". */
BalDaemonVf *vf_end_start_opening (void);

/* Waits for the service's end, which comes once the last thread has come back. */
void vf_end_finish (BalDaemonVf *vf);

/* Requests; the rest of them is domain 1 (vf-fixture.h). */
void
vf_end_allocate (BalDaemonVf *vf, BalDaemonRequest *request, const char *port, gboolean in_config);
void
vf_end_ask (BalDaemonVf *vf, BalDaemonRequest *request, BalVfCommand command, const char *port);
void vf_end_hook (BalDaemonVf *vf,
                  BalDaemonRequest *request,
                  const char *operation,
                  const char *sub_operation,
                  const char *xml);

/* Run the main context meanwhile. @expected as json-literal.h has it. */
void vf_end_iterate_until_answered (BalDaemonRequest *request);
void vf_end_assert_failed (BalDaemonRequest *request, const char *error_class);
void vf_end_assert_returned (BalDaemonRequest *request, const char *expected);
void vf_end_iterate_until (guint (*count) (const char *line), const char *line, guint expected);

/* Services that exist; for vf_end_iterate_until(). */
guint vf_end_n_services (const char *unused);

/* What settles again and again is the one timer that there is. */
gboolean vf_end_has_timer (void);
