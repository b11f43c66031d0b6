# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a deb and in an rpm."""

import glob
import os
import re
import subprocess

NAMES = ("ballast-guest-agent", "ballast-host")

# Each distribution has these elsewhere.
DOCUMENTS = ("/usr/share/doc/", "/usr/share/licenses/")


def output(*argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


class Package:
    """A package `name` in `folder` as a deb or an rpm, unpacked at .root."""

    def __init__(self, folder, name, root):
        self.path, = glob.glob(os.path.join(folder, self.pattern.format(name=name)))
        self.root = str(root)
        self._unpack()

    def files(self):
        """Paths of what is no folder."""
        return {path for path in self._listed() if not path.startswith(DOCUMENTS)
                and (os.path.islink(self.root + path) or not os.path.isdir(self.root + path))}


class Deb(Package):
    pattern = "{name}_*.deb"

    def _unpack(self):
        subprocess.run(["dpkg-deb", "-x", self.path, self.root], check=True)

    def _listed(self):
        return {"/" + path.rstrip("/") for path in
                re.findall(r" \./(\S+)(?: ->.*)?$", output("dpkg-deb", "-c", self.path), re.M)}

    def version(self):
        return output("dpkg-deb", "-f", self.path, "Version").strip()

    def config(self):
        return set(output("dpkg-deb", "-I", self.path, "conffiles").split())

    def script(self, name):
        """Text of a script, "" without it."""
        done = subprocess.run(["dpkg-deb", "-I", self.path, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=False)
        return done.stdout


class Rpm(Package):
    pattern = "{name}-[0-9]*.rpm"

    def _unpack(self):
        subprocess.run(["sh", "-c", 'rpm2cpio "$0" | cpio -idm --quiet', self.path], check=True, cwd=self.root)

    def _listed(self):
        return set(output("rpm", "-qpl", self.path).split())

    def version(self):
        return output("rpm", "-qp", "--qf", "%{VERSION}", self.path)

    def config(self):
        return set(output("rpm", "-qpc", self.path).split())

    def script(self, name):
        """Text of a script, "" without it."""
        return output("rpm", "-qp", "--qf", f"%|{name}?{{%{{{name}}}}}|", self.path)
