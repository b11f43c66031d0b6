# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other Debian roots for the hosts, made with mmdebstrap and kept in the cache.

"backports": bookworm with libvirt and QEMU of bookworm-backports (11.3 and 10.0). "bookworm": with its own, and what the
package ballast-host depends on, but for that nothing that builds it. Needs the packages of `install-deps backports`. Each takes
a minute or two once, and 1 GB.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from .image import ImageError, cache_dir, cache_lock

# As in install-deps what the hosts run, and the libraries that the programs under test need.
_PACKAGES = ("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients",
             "qemu-system-x86", "qemu-utils", "iproute2", "util-linux", "procps", "python3-minimal",
             "libjson-glib-1.0-0", "libglib2.0-0", "libcap-ng0", "libxml2", "libvirt0")


# Name: (suites, the last of which apt prefers, packages beside the above)
_ROOTS = {
    "backports": (("bookworm", "bookworm-backports"), ("libvirt-daemon-lock",)),
    # As an operator's host has it: with the profile that AppArmor confines libvirtd by.
    "bookworm": (("bookworm",), ("libvirt-daemon-system", "apparmor", "libnl-route-3-200")),
}


def root_path(name):
    """The folder of root `name`: "/" or another path as it is, one of ours built when not cached."""
    if name not in _ROOTS:
        return os.path.abspath(name)
    recipe = hashlib.sha256(repr((_PACKAGES, _ROOTS[name])).encode()).hexdigest()[:12]
    folder = os.path.join(cache_dir(), f"root-{name}-{recipe}")
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                _build(folder, name)
    return folder


def mirror():
    """Where this machine's apt gets Debian itself from."""
    shown = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL) $(CODENAME)",
                            "Created-By: Packages"], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"^(\S+) Debian bookworm$", shown, re.M)
    if not found:
        raise ImageError("apt has no lists of Debian bookworm to make a root from: run apt-get update")
    return found[1]


def _build(folder, name):
    print(f"bed: making a Debian root, {name}, with libvirt and QEMU (once, cached in {cache_dir()})", flush=True)
    suites, more = _ROOTS[name]
    debian = mirror()
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    try:
        root = os.path.join(work, "root")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
             f"--aptopt=APT::Default-Release \"{suites[-1]}\"", "--aptopt=APT::Install-Recommends false",
             "--include=" + ",".join((*_PACKAGES, *more)), "bookworm", root,
             *(f"deb {debian} {suite} main" for suite in suites)], check=True)
        os.rename(root, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"the Debian root {name} could not be made: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
