/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong with virtual functions (VFs), for whoever asked. Each message is one sentence
 * that says what was left untouched. Errors of the file system keep their own domains.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BAL_VF_ERROR (bal_vf_error_quark ())
GQuark bal_vf_error_quark (void);

typedef enum
{
  BAL_VF_ERROR_INVALID,   /* a request, a value or a record that is not one */
  BAL_VF_ERROR_REFUSED,   /* no physical function has the bandwidth, or a VF, left */
  BAL_VF_ERROR_CONFLICT,  /* the port, the VF or the MAC is taken, or the change is not allowed */
  BAL_VF_ERROR_NOT_FOUND, /* no such port or physical function, or no domain that runs */
  BAL_VF_ERROR_HARDWARE,  /* the NIC does not have the feature */
  BAL_VF_ERROR_NETLINK,   /* the kernel did not answer, or not so */
  BAL_VF_ERROR_LEDGER,    /* the ledger cannot be read or written: nothing is handed out */
} BalVfError;

G_END_DECLS
