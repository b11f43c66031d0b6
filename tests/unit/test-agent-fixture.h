/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixture: a made-up guest for the agent's tests. Failure: the test aborts. */
#pragma once

#include "test-root.h"

/* The /proc of a guest of 4 GiB with one node, 3 GiB free, as Linux 6.1 shows it. */
void agent_fixture_put_guest (const TestRoot *root);
