# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real programs that know one root only, with a folder of the test's in place of the machine's /run, by a mount
namespace; among them libvirt's hook programs, called as libvirt calls them."""

import os
import subprocess

from daemon_peer import build_path

# What a sanitizer is told goes on to whatever is started.
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ["PATH"], "HOME": "/",
               **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS") or name == "G_SLICE"}}


def below(root, argv):
    """The command line `argv`, with `root`/run as /run."""
    (root / "run").mkdir(exist_ok=True)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /run && exec "$@"',
            str(root / "run"), *argv]


def hook_program(name):
    return build_path("host-hook", name)


def start_hook(name, root, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
    """The hook program `name` with libvirt's words `argv`."""
    return subprocess.Popen(below(root, [hook_program(name), *argv]), stdin=stdin, stdout=stdout,
                            stderr=subprocess.PIPE, env=ENVIRONMENT, cwd="/")
