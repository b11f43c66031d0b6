/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of the wire protocol, in one place. schema.json repeats them for readers of other
 * languages; a unit test compares the two.
 *
 * Either end treats its peer as hostile: what passes a limit is refused with an error and costs
 * neither end more than the limit's own size in memory.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Channel names. The second one is qemu-ga's own and is served only when told to. */
#define BAL_CHANNEL_NAME "org.ballast.guest_agent.0"

/* Longest request line that an agent reads, without its newline. */
#define BAL_REQUEST_LINE_MAX_BYTES (64u * 1024u)

/* Longest reply line that a host reads, without its newline. */
#define BAL_REPLY_LINE_MAX_BYTES (1024u * 1024u)

/* Nesting of objects and arrays in one line; the protocol itself uses 5. */
#define BAL_JSON_DEPTH_MAX 16u

/* Values in one line (objects, arrays, strings, numbers, ...), and members in one object. A page of
 * ranges needs three values a range. json-glib spends up to 200 bytes on a value of two. */
#define BAL_JSON_VALUES_MAX 32768u
#define BAL_JSON_MEMBERS_MAX 64u

/* Ranges in one reply; 48 bytes each on the wire at most, so that a full page fits a reply line. */
#define BAL_RANGES_PER_REPLY_MAX 8192u

/* Commands that guest-info may list; qemu-ga has about 60. */
#define BAL_COMMANDS_MAX 256u

/* Pages of ranges that a host asks for in one enumeration (8192 * 64 ranges). */
#define BAL_RANGE_PAGES_MAX 64u

/* Characters of a hold token: [A-Za-z0-9._-], at least one. */
#define BAL_TOKEN_MAX_CHARS 64u

/* Characters of any other string that a peer sends and that is kept or shown. */
#define BAL_STRING_MAX_CHARS 256u

/* Largest guest-physical address + 1 and largest byte count: 2^52, x86's architectural limit. */
#define BAL_ADDRESS_LIMIT (G_GUINT64_CONSTANT (1) << 52)

/* Hold deadline, in milliseconds of the guest's monotonic clock. */
#define BAL_HOLD_DEADLINE_MIN_MS 1000u
#define BAL_HOLD_DEADLINE_MAX_MS (24u * 3600u * 1000u)

/* Default for how long an agent holds on without hearing from the host, in ms. */
#define BAL_HOLD_LEASE_DEFAULT_MS 20000u

/* Default headroom left free in the guest: the larger of the two. */
#define BAL_HEADROOM_MIN_BYTES (G_GUINT64_CONSTANT (128) * 1024 * 1024)
#define BAL_HEADROOM_PERCENT 5u

G_END_DECLS
