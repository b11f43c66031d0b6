/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: the typed content of requests and replies, for both ends. schema.json documents each
 * command, argument, result and error with the version it came in.
 *
 * Requests are read strictly: an unknown argument, a missing one, a wrong type or a value out of
 * range is an error. Replies are read generously: unknown members are ignored, so that ends of
 * different versions understand each other, but each known member is checked against its range.
 *
 * Ownership: plain structs are the caller's; _clear() frees what they point to. JsonObjects
 * returned are new references of the caller's.
 * Failure: a request that is refused sets BAL_PROTOCOL_ERROR, whose code names the class that goes
 * on the wire. A reply sets BAL_PROTOCOL_ERROR only for what the peer itself reported, and
 * BAL_CODEC_ERROR_CONTENT when it is not what the schema says. An output struct is left cleared
 * after a failure. Strings read from a peer are safe to print: either of a token's characters only
 * or escaped by bal_escape_for_display(). No I/O here.
 */
#pragma once

#include "protocol/codec.h"
#include "protocol/limits.h"
#include "protocol/ranges.h"

G_BEGIN_DECLS

#define BAL_PROTOCOL_ERROR (bal_protocol_error_quark ())
GQuark bal_protocol_error_quark (void);

/* Classes of errors on the wire; the first two are qemu-ga's own. */
typedef enum
{
  BAL_PROTOCOL_ERROR_GENERIC,           /* "GenericError" */
  BAL_PROTOCOL_ERROR_COMMAND_NOT_FOUND, /* "CommandNotFound", also: blocked by the config */
  BAL_PROTOCOL_ERROR_INVALID_ARGUMENT,  /* "InvalidArgument" */
  BAL_PROTOCOL_ERROR_HOLD_REFUSED,      /* "HoldRefused": this guest must not hold memory */
  BAL_PROTOCOL_ERROR_HOLD_BUSY,         /* "HoldBusy": held under another token */
} BalProtocolError;

const char *bal_protocol_error_class (BalProtocolError code);

/* The code of a class name; an unknown one is BAL_PROTOCOL_ERROR_GENERIC. */
BalProtocolError bal_protocol_error_from_class (const char *error_class);

#define BAL_COMMAND_SYNC_DELIMITED "guest-sync-delimited"
#define BAL_COMMAND_SYNC "guest-sync"
#define BAL_COMMAND_PING "guest-ping"
#define BAL_COMMAND_INFO "guest-info"
#define BAL_COMMAND_MEMORY_INFO "guest-get-memory-info"
#define BAL_COMMAND_FREE_RANGES "guest-get-free-memory-ranges"
#define BAL_COMMAND_HOLD "guest-hold-free-memory"
#define BAL_COMMAND_HOLD_STATUS "guest-get-hold-status"
#define BAL_COMMAND_RETURN "guest-return-memory"
#define BAL_COMMAND_TRIM "guest-trim-page-cache"

/* --- envelopes --- */

typedef struct
{
  char *command;
  JsonObject *arguments; /* never NULL; empty when the request had none */
  JsonNode *id;          /* NULL when the request had none */
} BalRequest;

void bal_request_clear (BalRequest *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalRequest, bal_request_clear)

/* Takes a parsed line apart. @out->id is set whenever it could be read, also on failure, so that
 * the error can be answered to the right request: the caller clears @out in either case. */
gboolean bal_request_parse (JsonObject *line, BalRequest *out, GError **error);

/* @arguments and @id may be NULL; neither is consumed. */
JsonObject *bal_request_build (const char *command, JsonObject *arguments, JsonNode *id);

/* {"return": result, "id"}; takes ownership of @result. */
JsonObject *bal_reply_build (JsonNode *result, JsonNode *id);

/* {"error": {"class", "desc"}, "id"}. @failure in another domain goes as "GenericError"; bytes in
 * its text that are not UTF-8 are replaced. */
JsonObject *bal_reply_build_error (const GError *failure, JsonNode *id);

/* Gives the "return" node of a reply (a borrowed reference), or sets @error to the error that the
 * peer reported (BAL_PROTOCOL_ERROR; its text escaped for display). */
JsonNode *bal_reply_parse (JsonObject *line, GError **error);

/* The reply's integer id (of a line that we asked with one), or -1. */
gint64 bal_reply_id (JsonObject *line);

/* --- guest-sync and guest-sync-delimited --- */

gboolean bal_sync_arguments_parse (JsonObject *arguments, gint64 *id, GError **error);
JsonObject *bal_sync_arguments_build (gint64 id);

/* --- guest-ping: no arguments, returns {} --- */

/* For each command without arguments. */
gboolean bal_no_arguments_parse (JsonObject *arguments, GError **error);

/* --- guest-info --- */

typedef struct
{
  char *version;
  GHashTable *commands; /* name (char *) -> GINT_TO_POINTER (enabled) */
  guint64 lease_ms;     /* how long a hold outlives the host's silence; 0: the peer did not say */
} BalGuestInfo;

void bal_guest_info_clear (BalGuestInfo *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalGuestInfo, bal_guest_info_clear)
JsonNode *bal_guest_info_build (const BalGuestInfo *info);
gboolean bal_guest_info_parse (JsonNode *result, BalGuestInfo *out, GError **error);

/* --- guest-get-memory-info --- */

typedef enum
{
  BAL_TRI_UNKNOWN = -1, /* not on the wire */
  BAL_TRI_NO = 0,
  BAL_TRI_YES = 1,
} BalTri;

typedef struct
{
  guint64 total_bytes;       /* MemTotal */
  guint64 free_bytes;        /* MemFree */
  guint64 available_bytes;   /* MemAvailable */
  guint64 clean_cache_bytes; /* file pages that a trim could give up, neither dirty nor shmem */
  guint64 swap_total_bytes;
  guint64 swap_free_bytes;
  guint64 page_bytes;
  guint64 block_bytes; /* memory block size; 0 without memory hotplug */
  guint64 held_bytes;
  guint64 holdable_bytes; /* what a hold with the default headroom could take just now */
  char *boot_id;
  gboolean has_psi;
  guint64 psi_some_total_us; /* /proc/pressure/memory "some" total; 0 without PSI */
  guint64 psi_full_total_us;
  gint64 overcommit_mode; /* vm.overcommit_memory, 0-2 */
  gint64 panic_on_oom;    /* vm.panic_on_oom, 0-2 */
  gboolean oom_kill_allocating_task;
  BalTri init_on_alloc;
  BalTri init_on_free;
  BalTri page_poisoning;
} BalMemoryInfo;

void bal_memory_info_clear (BalMemoryInfo *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalMemoryInfo, bal_memory_info_clear)
JsonNode *bal_memory_info_build (const BalMemoryInfo *info);
gboolean bal_memory_info_parse (JsonNode *result, BalMemoryInfo *out, GError **error);

/* --- guest-get-free-memory-ranges --- */

typedef struct
{
  guint64 min_length_bytes; /* default 0: a range of one page already counts */
  guint64 from;             /* guest-physical address to begin at, default 0 */
  guint max_ranges;         /* 1 to BAL_RANGES_PER_REPLY_MAX, the default; 0 builds the default */
} BalFreeRangesArguments;

gboolean bal_free_ranges_arguments_parse (JsonObject *arguments,
                                          BalFreeRangesArguments *out,
                                          GError **error);
JsonObject *bal_free_ranges_arguments_build (const BalFreeRangesArguments *arguments);

/* A page of ranges. On the wire each range is [start, length]. */
typedef struct
{
  BalRanges *ranges;
  gboolean has_next;
  guint64 next;          /* `from` of the next page, when has_next; not before the last range's end,
                          * never 0. NB: a reader checks that it is above the `from` it asked with */
  guint64 scanned_pages; /* cost of this page */
  guint64 elapsed_us;
} BalFreeRanges;

void bal_free_ranges_clear (BalFreeRanges *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalFreeRanges, bal_free_ranges_clear)
JsonNode *bal_free_ranges_build (const BalFreeRanges *page);
gboolean bal_free_ranges_parse (JsonNode *result, BalFreeRanges *out, GError **error);

/* --- guest-hold-free-memory; returns a BalHoldStatus --- */

typedef struct
{
  guint64 bytes; /* how much to hold altogether; rounded down to pages */
  gboolean has_headroom;
  guint64 headroom_bytes; /* left free, when it is more than the agent's own */
  gboolean has_deadline;
  guint64 deadline_ms; /* from now, BAL_HOLD_DEADLINE_MIN_MS to _MAX_MS; default the config's */
  char *token;         /* names the hold: the same token raises it, another one is HoldBusy */
} BalHoldArguments;

void bal_hold_arguments_clear (BalHoldArguments *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalHoldArguments, bal_hold_arguments_clear)
gboolean bal_hold_arguments_parse (JsonObject *arguments, BalHoldArguments *out, GError **error);
JsonObject *bal_hold_arguments_build (const BalHoldArguments *arguments);

/* --- guest-get-hold-status {"ranges": bool, "from"}; renews the lease --- */

typedef struct
{
  gboolean want_ranges; /* default FALSE */
  guint64 from;         /* default 0 */
} BalHoldStatusArguments;

gboolean bal_hold_status_arguments_parse (JsonObject *arguments,
                                          BalHoldStatusArguments *out,
                                          GError **error);
JsonObject *bal_hold_status_arguments_build (const BalHoldStatusArguments *arguments);

typedef enum
{
  BAL_HOLD_IDLE,      /* nothing held */
  BAL_HOLD_GROWING,   /* on the way to the target */
  BAL_HOLD_HELD,      /* grown as far as it will; held_bytes may be less than the target */
  BAL_HOLD_RETURNING, /* being given back */
} BalHoldState;

/* Why a hold stopped growing (HELD) or ended (IDLE, RETURNING). */
typedef enum
{
  BAL_HOLD_REASON_NONE,     /* never held, or still growing */
  BAL_HOLD_REASON_TARGET,   /* all that was asked for is held */
  BAL_HOLD_REASON_HEADROOM, /* stopped at the headroom or at a watermark */
  BAL_HOLD_REASON_REQUEST,  /* given back because the host asked */
  BAL_HOLD_REASON_DEADLINE, /* given back at the deadline */
  BAL_HOLD_REASON_SILENCE,  /* given back because the host was silent for the lease */
  BAL_HOLD_REASON_PRESSURE, /* given back because the guest needs memory */
  BAL_HOLD_REASON_KILLED,   /* the holder was killed, by the kernel or a person */
  BAL_HOLD_REASON_FAILED,   /* the holder could not be started or could not map or lock memory */
} BalHoldReason;

const char *bal_hold_state_name (BalHoldState state);
const char *bal_hold_reason_name (BalHoldReason reason);

typedef struct
{
  BalHoldState state;
  BalHoldReason reason;
  guint64 held_bytes;
  guint64 target_bytes;
  char *token; /* NULL when idle and never held */
  gboolean has_ranges;
  BalFreeRanges ranges; /* of the held memory, paged like the free ranges */
} BalHoldStatus;

void bal_hold_status_clear (BalHoldStatus *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalHoldStatus, bal_hold_status_clear)
JsonNode *bal_hold_status_build (const BalHoldStatus *status);
gboolean bal_hold_status_parse (JsonNode *result, BalHoldStatus *out, GError **error);

/* --- guest-return-memory: no arguments, returns a BalHoldStatus --- */

/* --- guest-trim-page-cache {"bytes"} --- */

gboolean bal_trim_arguments_parse (JsonObject *arguments, guint64 *bytes, GError **error);
JsonObject *bal_trim_arguments_build (guint64 bytes);

typedef struct
{
  guint64 trimmed_bytes;
  char *method; /* "memory.reclaim" or "drop_caches" */
} BalTrim;

void bal_trim_clear (BalTrim *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BalTrim, bal_trim_clear)
JsonNode *bal_trim_build (const BalTrim *trim);
gboolean bal_trim_parse (JsonNode *result, BalTrim *out, GError **error);

G_END_DECLS
