/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VF request: what somebody asks for, a port of a domain with so much bandwidth; from ballastd's
 * socket and the command line as JSON, from a domain's metadata as XML:
 *
 *   <vf:ports xmlns:vf='urn:x-ballast:vf:1'>
 *     <vf:port id='net0' bandwidth='2.5Gbit' mac='52:54:00:12:34:56' vlan='100' required='yes'/>
 *   </vf:ports>
 *
 * Attributes and JSON members have the same names: bandwidth, minimum, mac, vlan, trust, spoofchk,
 * network, numa, pf, standby; the port's id is `id` in XML and `port` in JSON, and `domain` (a
 * UUID) stands in JSON only. protocol/vf-schema.json documents them.
 *
 * A port always has a MAC address: without one it is made of domain and port. By it a domain's
 * interface is known, wherever the domain is. With a standby, the domain's virtio interface of that
 * alias and the same address, the VF goes and the connection stays when the domain migrates
 * (libvirt's <teaming>).
 *
 * Neither source is trusted: what is unknown, missing or out of range is an error.
 *
 * Ownership: structs are the caller's, bal_vf_request_clear() frees what they point to.
 * Failure: one sentence; BAL_VF_ERROR_INVALID, or the reader's own error; the output is then left
 * cleared. No I/O.
 */
#pragma once

#include "host-hook/vf-value.h"
#include "protocol/json-read.h"

G_BEGIN_DECLS

#define BAL_VF_METADATA_URI "urn:x-ballast:vf:1"

/* The key (namespace prefix) for virDomainSetMetadata(). */
#define BAL_VF_METADATA_KEY "vf"

/* Ports that one domain may ask for. */
#define BAL_VF_PORTS_MAX 64u

typedef struct
{
  char *uuid; /* of the domain, lower case */
  char *port; /* a token, unique in the domain */
  guint bandwidth_mbps;
  gboolean needs_minimum; /* the NIC itself must guarantee it (min_tx_rate), or it is refused */
  char *mac;              /* lower case; of a request that was read never NULL */
  guint vlan;             /* 0: none */
  BalVfSwitch trust;      /* BAL_VF_UNSET: as it is */
  BalVfSwitch spoofchk;
  char *network;     /* the physical network that the PF must be on; NULL: any */
  int numa_node;     /* preferred; -1: the domain's own */
  char *pf;          /* the PF that it must be, netdev's name or PCI address; NULL: any */
  char *standby;     /* the alias of the interface to team with; NULL: none */
  gboolean required; /* metadata only: the domain must not run without it */
} BalVfRequest;

/* All unset, numa_node -1. */
void bal_vf_request_init (BalVfRequest *self);
void bal_vf_request_clear (BalVfRequest *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalVfRequest, bal_vf_request_clear)

/* @out need not be initialised. */
void bal_vf_request_copy (const BalVfRequest *self, BalVfRequest *out);

/* Asked of the same port for the same, whether or not it is required. */
gboolean bal_vf_request_equal (const BalVfRequest *a, const BalVfRequest *b);

/* For whoever reads requests: checks what has to go together, and gives the port a MAC address. */
gboolean bal_vf_request_complete (BalVfRequest *self, GError **error);

/* Reads all members of an object that holds nothing else. */
gboolean bal_vf_request_read (const BalJsonReader *reader, BalVfRequest *out, GError **error);

/* The object that bal_vf_request_read() takes, the caller's: also the request's arguments for
 * ballastd's socket. `required` is not in it. */
JsonObject *bal_vf_request_build (const BalVfRequest *self);

/* The ports that a domain's metadata asks for, in their order; of BalVfRequest, an empty array when
 * there are none. With elements of an unknown version of the namespace alone *@unknown (may be
 * NULL) is set: as if there were none, but worth one warning. */
GArray *bal_vf_request_from_domain_xml (const char *xml, gboolean *unknown, GError **error);

G_END_DECLS
