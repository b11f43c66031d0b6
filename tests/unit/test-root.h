/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: an empty temporary folder that plays the root of the file system.
 *
 * Paths are below that root, with or without a '/' in front. Ownership: test_root_tear_down()
 * removes the folder and all below it; strings returned are the caller's. Failure: the test aborts.
 */
#pragma once

#include <glib.h>

typedef struct
{
  char *path;
} TestRoot;

/* A test that gets a root of its own. */
#define TEST_ROOT_ADD(name, function)                                                              \
  g_test_add (name, TestRoot, NULL, test_root_set_up, function, test_root_tear_down)

void test_root_set_up (TestRoot *self, gconstpointer user_data);
void test_root_tear_down (TestRoot *self, gconstpointer user_data);

char *test_root_path (const TestRoot *self, const char *path);

/* Writes a file, in place of the one that may be there; folders are made as needed. */
void test_root_put (const TestRoot *self, const char *path, const char *text);
void test_root_put_bytes (const TestRoot *self, const char *path, const void *data, gsize length);

char *test_root_get (const TestRoot *self, const char *path);

/* How many files and folders there are in a folder. */
guint test_root_count (const TestRoot *self, const char *path);
