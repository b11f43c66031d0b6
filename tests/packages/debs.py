# SPDX-License-Identifier: LGPL-2.1-or-later
"""The debs under test: built, looked into, and made anew with a higher version."""

import glob
import os
import re
import subprocess
import tempfile

_TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Debs:
    """File names of one version's: .guest (ballast-guest-agent) and .host (ballast-host)."""

    def __init__(self, folder):
        self.folder = folder
        self.guest, self.host = (_only(folder, name) for name in ("ballast-guest-agent", "ballast-host"))

    @classmethod
    def of_tree(cls, tmp_path_factory):
        """Built by the packagers' command, unless $BALLAST_DEBS names a folder with them."""
        folder = os.environ.get("BALLAST_DEBS")
        if not folder:
            folder = str(tmp_path_factory.mktemp("debs"))
            subprocess.run([os.path.join(_TREE, "packaging", "build-deb"), folder], check=True)
        return cls(folder)

    def unpack_guest(self, folder):
        """The agent's program, out of its deb, unpacked below `folder`."""
        subprocess.run(["dpkg-deb", "-x", self.guest, folder], check=True)
        return os.path.join(folder, "usr/sbin/ballast-agent")

    def links(self):
        """{path: target} of the symbolic links in ballast-host."""
        shown = subprocess.run(["dpkg-deb", "-c", self.host], check=True, stdout=subprocess.PIPE, text=True).stdout
        return dict(re.findall(r" \.(/\S+) -> (\S+)$", shown, re.M))


def with_higher_version(package, folder, suffix="+later"):
    """The same package with `suffix` behind its version; its file name, in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        subprocess.run(["dpkg-deb", "-R", package, unpacked], check=True)
        control = os.path.join(unpacked, "DEBIAN", "control")
        with open(control, encoding="utf-8") as stream:
            text = stream.read()
        with open(control, "w", encoding="utf-8") as stream:
            stream.write(re.sub(r"^(Version: .*)$", rf"\1{suffix}", text, flags=re.M))
        later = os.path.join(folder, "later.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", unpacked, later], check=True, stdout=subprocess.DEVNULL)
    return later


def _only(folder, name):
    found = [path for path in glob.glob(os.path.join(folder, f"{name}_*.deb"))]
    assert len(found) == 1, f"{folder} has {found} of {name}"
    return found[0]
