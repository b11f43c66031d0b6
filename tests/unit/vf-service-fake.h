/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a VF service (host-hook/vf-service.h) that does nothing but to write down what it was
 * asked, and to wait where it is told to: for tests of who asks it. There is one at a time.
 *
 * From any thread. Failure: the test aborts.
 */
#pragma once

#include "host-hook/vf-service.h"

/* For the next service that is made, and until vf_service_fake_clear(). */
void vf_service_fake_init (void);
void vf_service_fake_clear (void);

/* bal_vf_service_new() fails with BAL_VF_ERROR_LEDGER. */
void vf_service_fake_break (gboolean is_broken);

/* What is_idle() says. */
void vf_service_fake_set_idle (gboolean is_idle);

/* Calls whose line (see vf_service_fake_log()) is @line wait until they are let go. */
void vf_service_fake_hold (const char *line);
void vf_service_fake_let_go (void);

/* Whether that call has begun; how many times. */
guint vf_service_fake_count (const char *line);

/* Services that exist. */
guint vf_service_fake_n (void);
