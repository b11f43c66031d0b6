/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single values of requests, configuration and records about VFs, from text: JSON, XML, key files
 * and command lines all say them in these ways.
 *
 * Ownership: strings are the caller's. Failure: BAL_VF_ERROR_INVALID with "<name> "<text>" is not
 * ..."; the output is then left untouched. The text is shown escaped.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* 1 Tbit/s: more than any port has. */
#define BAL_VF_BANDWIDTH_MAX_MBPS 1000000u

/* IEEE 802.1Q: 0 means none, 4095 is reserved. */
#define BAL_VF_VLAN_MAX 4094u

/* Host NUMA nodes: the kernel's own limit (MAX_NUMNODES on x86-64). */
#define BAL_VF_NUMA_NODE_MAX 1023u

/* TotalVFs of the SR-IOV capability has 16 bits. */
#define BAL_VF_COUNT_MAX 65535u

/* "aa:bb:cc:dd:ee:ff" with its NUL. */
#define BAL_VF_MAC_SIZE 18

/* A switch that a request need not mention, or that a NIC does not have. */
typedef enum
{
  BAL_VF_UNSET,
  BAL_VF_OFF,
  BAL_VF_ON,
} BalVfSwitch;

/* A decimal number and a unit without space between: "500Mbit", "2.5Gbit"; above 0, at most
 * BAL_VF_BANDWIDTH_MAX_MBPS, and a whole number of Mbit/s, the kernel's own unit. */
gboolean
bal_vf_parse_bandwidth (const char *name, const char *text, guint *out_mbps, GError **error);

/* "500Mbit", the form that loses nothing. */
char *bal_vf_format_bandwidth (guint mbps);

/* A MAC address that a NIC can have (unicast, not zero), as lower case. */
gboolean bal_vf_parse_mac (const char *name, const char *text, char **out, GError **error);

/* The address of a port for which nobody chose one: locally administered, made of the domain's UUID
 * and the port's name, so that it is the same on every host and after every start. Fills @out. */
void bal_vf_derive_mac (const char *uuid, const char *port, char out[static BAL_VF_MAC_SIZE]);

/* 1 to BAL_VF_VLAN_MAX. */
gboolean bal_vf_parse_vlan (const char *name, const char *text, guint *out, GError **error);

gboolean bal_vf_parse_switch (const char *name, const char *text, BalVfSwitch *out, GError **error);
gboolean bal_vf_parse_yes_no (const char *name, const char *text, gboolean *out, GError **error);

/* A node, or "domain": -1. */
gboolean bal_vf_parse_numa (const char *name, const char *text, int *out, GError **error);

/* 1 to BAL_TOKEN_MAX_CHARS characters of [A-Za-z0-9._-], copied. */
gboolean bal_vf_parse_token (const char *name, const char *text, char **out, GError **error);

/* A netdev's name or a PCI address, copied: 1 to 32 characters of [A-Za-z0-9._:@-], not "." or
 * "..", thus harmless in a path and wherever it is shown. */
gboolean bal_vf_parse_device (const char *name, const char *text, char **out, GError **error);

/* The alias that somebody gave a device of the domain ("ua-..."; libvirt's virDomainDeviceInfo
 * alphabet, at most BAL_TOKEN_MAX_CHARS characters), copied. */
gboolean bal_vf_parse_alias (const char *name, const char *text, char **out, GError **error);

/* A UUID, copied in lower case. */
gboolean bal_vf_parse_uuid (const char *name, const char *text, char **out, GError **error);

G_END_DECLS
