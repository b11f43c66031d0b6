# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's hook programs, called as libvirt calls them. Their /run is a folder of the test's, by a mount namespace: the
programs know one root only."""

import os
import subprocess

from daemon_peer import build_path


def hook_program(name):
    return build_path("host-hook", name)


def start_hook(name, root, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
    """The hook program `name` with libvirt's words `argv`, below `root`."""
    (root / "run").mkdir(exist_ok=True)
    return subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c",
                             'mount --bind "$0" /run && exec "$@"', str(root / "run"), hook_program(name), *argv],
                            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                            env={"LC_ALL": "C", "PATH": os.environ["PATH"], "HOME": "/"}, cwd="/")
