/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of JSON objects that are as vf-value.h has them, for requests, records and port infos.
 * Failure: the reader's, with the output untouched; an optional member that is absent leaves it
 * untouched too.
 */
#pragma once

#include "host-hook/vf-value.h"
#include "protocol/json-read.h"

G_BEGIN_DECLS

/* bal_vf_parse_mac() and its like. */
typedef gboolean (*BalVfParse) (const char *name, const char *text, char **out, GError **error);

/* A string that @parse takes; *@out is the caller's. */
gboolean bal_vf_read_string (const BalJsonReader *reader,
                             BalPresence presence,
                             const char *name,
                             BalVfParse parse,
                             char **out,
                             GError **error);

/* The same into a buffer; a longer one is an error. */
gboolean bal_vf_read_into (const BalJsonReader *reader,
                           const char *name,
                           BalVfParse parse,
                           char *out,
                           gsize size,
                           GError **error);

/* A number from @min to @max. */
gboolean bal_vf_read_number (const BalJsonReader *reader,
                             BalPresence presence,
                             const char *name,
                             guint min,
                             guint max,
                             guint *out,
                             GError **error);

/* true or false, or absent: BAL_VF_UNSET. */
gboolean bal_vf_read_switch (const BalJsonReader *reader,
                             const char *name,
                             BalVfSwitch *out,
                             GError **error);

/* One of @names, as its index. */
gboolean bal_vf_read_name (const BalJsonReader *reader,
                           const char *name,
                           const char *const *names,
                           guint n_names,
                           guint *out,
                           GError **error);

/* NULL, and BAL_VF_UNSET, are left out. */
void bal_vf_set_string (JsonObject *object, const char *name, const char *value);
void bal_vf_set_switch (JsonObject *object, const char *name, BalVfSwitch value);

G_END_DECLS
