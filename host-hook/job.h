/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Job: what every step of work on a domain needs at hand. All members are borrowed from the command
 * that runs.
 */
#pragma once

#include "host-hook/cancel.h"
#include "host-hook/config.h"
#include "host-hook/report.h"

G_BEGIN_DECLS

typedef struct
{
  const char *root; /* of /proc, /run and /var/lib; "" in production */
  const BalConfig *config;
  BalCancel *cancel;
  BalReport *report;
} BalJob;

G_END_DECLS
