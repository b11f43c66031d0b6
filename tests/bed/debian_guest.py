# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian as a test guest: systemd, udev and Debian's kernel, and ballast-guest-agent installed from its package.

    image = DebianImage(package, folder)
    guest = bed.guest(image.spec("debian", memory_mib=768)).start(bed.src)

It executes commands like the small guest (guest.py), so that all that a Guest can do works with it. Debian itself is made with
mmdebstrap and kept in the cache, without the package. Needs the packages of `install-deps packages`. Takes a minute once, and
300 MB.
"""

import os
import shutil
import subprocess
import tempfile

from . import image
from .debian import Recipe
from .guest_spec import GuestSpec
from .image import TESTS, ImageError

SOURCES = os.path.join(TESTS, "debian-guest")

# Debian with systemd, and what the package depends on.
_PACKAGES = ("systemd-sysv", "udev", "dbus", "kmod", "procps", "iproute2", "apt",
             "libglib2.0-0", "libjson-glib-1.0-0", "libcap-ng0")

_MODULES = (*image.BOOT_MODULES, "ext4", "autofs4", "configfs", "efi_pstore", "button")

_DISK_SIZE = "1G"


class DebianImage:
    """What such a guest boots from, made in `folder`, which both hosts of a bed see at its path.

    package: file name of the deb that is installed in it
    """

    def __init__(self, package, folder):
        self.disk = os.path.join(folder, "debian.disk")
        self.initrd = os.path.join(folder, "debian.initrd")
        image.build_initrd(image.base_image(), self.initrd, files={"init": os.path.join(SOURCES, "init")})
        work = tempfile.mkdtemp(prefix="debian.", dir=folder)
        try:
            done = subprocess.run(["unshare", "--mount", "--", "/bin/sh", os.path.join(SOURCES, "install"),
                                   os.path.join(_RECIPE.folder(), "root"), work, self.disk, _DISK_SIZE, package],
                                  stderr=subprocess.PIPE, text=True, check=False)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if done.returncode != 0:
            raise ImageError(f"{package} could not be installed in the Debian guest: {done.stderr}")

    def spec(self, name, **fields):
        """A GuestSpec; its disk is a layer of its own over the image's."""
        return GuestSpec(name=name, initrd=self.initrd, disk_image=self.disk, **fields)


def _keep_root(root, folder):
    os.rename(root, os.path.join(folder, "root"))


_RECIPE = Recipe("debian-guest", SOURCES, (__file__,), _PACKAGES, _MODULES, _keep_root, "packages")
