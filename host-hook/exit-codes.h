/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exit codes of all of Ballast's programs. README and `ballast --help` show this table. */
#pragma once

typedef enum
{
  BAL_EXIT_OK = 0,        /* done; for migrate: the guest runs at the destination, memory whole */
  BAL_EXIT_FAILED = 1,    /* failed; the guest runs where it was, with its memory */
  BAL_EXIT_USAGE = 2,     /* bad option, bad config; nothing was touched */
  BAL_EXIT_NOT_FOUND = 3, /* no such domain (or port, or physical function), domain off, or no
                             connection; nothing was touched */
  BAL_EXIT_BUSY = 4,      /* another process owns this domain's release; nothing was touched */
  BAL_EXIT_NOT_RESTORED = 5, /* memory is still released: see `ballast status`, `ballast recover` */
  BAL_EXIT_UNKNOWN = 6,      /* the outcome of the migration is not known: see `ballast status` */
  BAL_EXIT_NO_BANDWIDTH = 7, /* no physical function has that bandwidth, or a VF, left; nothing was
                                touched */
  BAL_EXIT_INTERRUPTED = 130, /* cancelled by a signal; the guest runs where it was, memory whole */
} BalExitCode;
