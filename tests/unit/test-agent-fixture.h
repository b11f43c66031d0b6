/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixture: a folder that plays the root of /proc and /sys for the agent's tests.
 *
 * Ownership: agent_fixture_free() removes the folder and all below it. Failure: aborts the test.
 */
#pragma once

#include <glib.h>

typedef struct
{
  char *root;
} AgentFixture;

AgentFixture *agent_fixture_new (void);
void agent_fixture_free (AgentFixture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentFixture, agent_fixture_free)

/* @path begins with '/'; folders are made as needed. */
void agent_fixture_put (AgentFixture *self, const char *path, const char *text);
void agent_fixture_put_bytes (AgentFixture *self, const char *path, const void *data, gsize length);
char *agent_fixture_get (AgentFixture *self, const char *path);

/* A guest of 4 GiB with one node, 3 GiB free, as Linux 6.1 shows it. */
void agent_fixture_put_guest (AgentFixture *self);
