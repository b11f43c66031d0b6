/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF answer: what ballastd tells of a work (daemon-vf-work.h) that is done: to whoever asked, and
 * where nobody did to its log. What becomes of VFs the service logs itself (vf-service.h).
 *
 * Ownership: requests are answered, and so are gone. Failure: none. Main context.
 */
#pragma once

#include "host-hook/daemon-server.h"
#include "host-hook/daemon-vf-work.h"

G_BEGIN_DECLS

/* @object is taken. */
void bal_vf_answer_object (BalDaemonRequest *request, JsonObject *object);
void bal_vf_answer_error (BalDaemonRequest *request, const GError *error);

/* With the result of @work, which is taken out of it. */
void bal_vf_answer_work (BalDaemonRequest *request, BalVfWork *work);

/* What failed that no client is told of. Before it is answered. */
void bal_vf_answer_log (const BalVfWork *work);

G_END_DECLS
