/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a libvirt (host-hook/vf-libvirt.h) made of memory, whose domains take VFs of the made-up
 * sysfs and give them back, and which can be cut off before and behind each thing that it does, as
 * a SIGKILL of the caller would.
 *
 * Ownership: vf_domains_clear() frees all. Failure: the test aborts.
 */
#pragma once

#include "host-hook/vf-libvirt.h"
#include "test-root.h"

typedef struct
{
  char *uuid;
  gboolean is_active;
  gboolean is_busy;
  gboolean is_persistent;
  gboolean has_booted;
  gboolean keeps_vfs; /* its guest does not let go */
  char *metadata[2];  /* by BalVfWhere; NULL: none */
  GString *devices;   /* elements, one after the other */
} VfTestDomain;

typedef struct VfDomains VfDomains;

struct VfDomains
{
  const TestRoot *root;
  GPtrArray *domains;       /* of VfTestDomain */
  const char *attach_fails; /* what it says then; NULL: it does not */
  const char *detach_fails;
  gboolean mistakes_mac;     /* an attached VF has another MAC address than it should */
  gboolean is_slow;          /* a VF that is given back has its interface a while later */
  gboolean forgets_to_write; /* attaching succeeds, and nothing happened */
  guint n_busy_looks; /* after so many looks nobody is busy any more; 0: that does not change */
  guint n_lists;      /* questions about all domains */
  guint n_changes;    /* calls that changed something */
  guint n_asked;      /* detachments asked for */

  guint n_steps; /* places where it could be cut off */
  guint dies_at; /* one of them; 0: never */
  void (*on_death) (gpointer user_data);
  void (*on_look) (gpointer user_data);
  void (*on_read) (gpointer user_data);   /* of XML */
  void (*on_attach) (gpointer user_data); /* while libvirt is at it */
  void (*on_destroy) (gpointer user_data, const char *uuid);
  gpointer user_data;
};

void vf_domains_init (VfDomains *self, const TestRoot *root);
void vf_domains_clear (VfDomains *self);
BalVfLibvirt vf_domains_libvirt (VfDomains *self);

/* A running domain with a definition; domain number as vf_uuid() has it. */
VfTestDomain *vf_domains_add (VfDomains *self, guint domain);

/* Off: its VFs are its own driver's again. */
void vf_domains_stop (VfDomains *self, VfTestDomain *domain);

/* A step: TRUE when nothing works any more from there on. For what else has steps. */
gboolean vf_domains_is_dead (VfDomains *self);

/* @pci of an interface with that address, given to it without Ballast. */
void vf_domains_give (VfDomains *self, VfTestDomain *domain, const char *pci, const char *mac);

gboolean vf_domains_has (const VfTestDomain *domain, const char *pci);
gboolean vf_domains_asks (const VfTestDomain *domain, BalVfWhere where, const char *port);
