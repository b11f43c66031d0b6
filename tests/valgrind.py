# SPDX-License-Identifier: LGPL-2.1-or-later
"""A build folder in which the programs that run on, the agent, ballastd and their test peers, run under Valgrind's
memcheck."""

import os

WRAPPED = "guest-agent/ballast-agent", "host-hook/ballastd", "tests/component/daemon-peer", "tests/component/vf-peer"

SCRIPT = """#!/bin/sh
exec valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \\
	--log-file='{reports}/%p' {program} "$@"
"""


def wrap(folder, reports):
    """Makes it beside the build `folder` and returns it; what memcheck finds goes to the folder `reports`, a file for
    each process, empty when it found nothing."""
    wrapped = f"{folder}-valgrind"
    for name in WRAPPED:
        if not os.access(os.path.join(folder, name), os.X_OK):
            raise FileNotFoundError(f"{folder} has no {name} that could run under Valgrind")
    for directory, _, names in os.walk(folder):
        below = os.path.relpath(directory, folder)
        os.makedirs(os.path.join(wrapped, below), exist_ok=True)
        for name in names:
            source, target = os.path.join(directory, name), os.path.join(wrapped, below, name)
            if os.path.lexists(target):
                os.unlink(target)
            if os.path.normpath(os.path.join(below, name)) in WRAPPED:
                with open(target, "w", encoding="utf-8") as stream:
                    stream.write(SCRIPT.format(reports=reports, program=source))
                os.chmod(target, 0o755)
            elif os.access(source, os.X_OK):
                os.symlink(source, target)
    return wrapped
