# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other Debian roots for the hosts, made with mmdebstrap and kept in the cache.

"backports": bookworm with libvirt and QEMU of bookworm-backports (11.3 and 10.0). Needs the
packages of `install-deps backports`. Takes a minute or two once, and 1 GB.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from .image import ImageError, cache_dir, cache_lock

# As in install-deps what the hosts run, and the libraries that the programs under test need.
_PACKAGES = ("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-daemon-lock", "libvirt-clients",
             "qemu-system-x86", "qemu-utils", "iproute2", "util-linux", "procps", "python3-minimal",
             "libjson-glib-1.0-0", "libglib2.0-0", "libcap-ng0", "libxml2", "libvirt0")


def root_path(name):
    """The folder of root `name`: "/" or another path as it is, "backports" built when not cached."""
    if name != "backports":
        return os.path.abspath(name)
    with open(__file__, "rb") as stream:
        recipe = hashlib.sha256(stream.read()).hexdigest()[:12]
    folder = os.path.join(cache_dir(), "root-backports-" + recipe)
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                _build(folder)
    return folder


def mirror():
    """Where this machine's apt gets Debian itself from."""
    shown = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL) $(CODENAME)",
                            "Created-By: Packages"], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"^(\S+) Debian bookworm$", shown, re.M)
    if not found:
        raise ImageError("apt has no lists of Debian bookworm to make the backports root from: run apt-get update")
    return found[1]


def _build(folder):
    print(f"bed: making a Debian root with backports' libvirt and QEMU (once, cached in {cache_dir()})", flush=True)
    debian = mirror()
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    try:
        root = os.path.join(work, "root")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
             "--aptopt=APT::Default-Release \"bookworm-backports\"", "--aptopt=APT::Install-Recommends false",
             "--include=" + ",".join(_PACKAGES), "bookworm", root,
             f"deb {debian} bookworm main", f"deb {debian} bookworm-backports main"],
            check=True)
        os.rename(root, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"the Debian root with backports' libvirt and QEMU could not be made: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
