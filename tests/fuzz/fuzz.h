/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz: what the targets have in common.
 *
 * Before the first input all of glib's criticals become fatal (a getter used on a value of another
 * type is a mistake, even where it is survived), and other messages are dropped.
 *
 * Ownership: strings are the caller's. Failure: the process aborts.
 */
#pragma once

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

/* The input as a string, up to its first NUL; allocated exactly, so that the sanitizer sees a step
 * too far. */
char *fuzz_text (const guint8 *data, size_t size);

/* The input without a NUL behind it, allocated exactly. */
char *fuzz_bytes (const guint8 *data, size_t size);

/* What failed set an error whose text is one line of UTF-8, and what did not fail set none. */
void fuzz_check_error (gboolean accepted, const GError *error);

/* Runs @call, which takes &error, and checks how it failed. Gives whether it succeeded. */
#define FUZZ_CHECK(call)                                                                           \
  G_GNUC_EXTENSION ({                                                                              \
    g_autoptr (GError) error = NULL;                                                               \
    gboolean accepted = (call);                                                                    \
                                                                                                   \
    fuzz_check_error (accepted, error);                                                            \
    accepted;                                                                                      \
  })

/* A folder in memory, empty but for what the target puts there; removed at exit. */
const char *fuzz_root (void);

/* Writes a file below that folder. */
void fuzz_put (const char *path, const void *data, gsize length);
