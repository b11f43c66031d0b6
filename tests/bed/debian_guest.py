# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian as a test guest: systemd, udev and Debian's kernel, and ballast-guest-agent installed from its package.

    image = DebianImage(package, folder)
    guest = bed.guest(image.spec("debian", memory_mib=768)).start(bed.src)

It executes commands like the small guest (guest.py), so that all that a Guest can do works with it. Debian itself is made with
mmdebstrap and kept in the cache, without the package. Needs the packages of `install-deps packages`. Takes a minute once, and
300 MB.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

from . import image
from .guest_spec import GuestSpec
from .image import (GUEST_SOURCES, TESTS, ImageError, build_guest_tool, cache_dir, cache_lock, kernel_package, slim_modules,
                    unpack_kernel)
from .roots import mirror

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
            done = subprocess.run(["unshare", "--mount", "--", "/bin/sh", os.path.join(SOURCES, "install"), _root_folder(),
                                   work, self.disk, _DISK_SIZE, package], stderr=subprocess.PIPE, text=True, check=False)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if done.returncode != 0:
            raise ImageError(f"{package} could not be installed in the Debian guest: {done.stderr}")

    def spec(self, name, **fields):
        """A GuestSpec; its disk is a layer of its own over the image's."""
        return GuestSpec(name=name, initrd=self.initrd, disk_image=self.disk, **fields)


def _recipe_hash():
    digest = hashlib.sha256()
    sources = [__file__, os.path.join(SOURCES, "setup"), *sorted(glob.glob(os.path.join(GUEST_SOURCES, "*.[ch]")))]
    for name in sources:
        with open(name, "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()[:12]


def _root_folder():
    """The folder with Debian, built when not cached. Raises ImageError."""
    recipe = _recipe_hash()
    package = kernel_package()
    if package is None:
        cached = sorted(glob.glob(os.path.join(cache_dir(), f"debian-guest-*-{recipe}")), key=os.path.getmtime)
        if not cached:
            raise ImageError("apt offers no linux-image-amd64 and no Debian guest is cached: run tests/install-deps")
        return cached[-1]
    name, version = package
    folder = os.path.join(cache_dir(), f"debian-guest-{name[len('linux-image-'):]}_{version}-{recipe}")
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                _build(folder, name)
    return folder


def _build(folder, kernel):
    print(f"bed: making the Debian guest (once, cached in {cache_dir()})", flush=True)
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    root = os.path.join(work, "root")
    tool = os.path.join(work, "guest-tool")
    try:
        subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--aptopt=APT::Install-Recommends false",
             "--include=" + ",".join(_PACKAGES), "bookworm", root, f"deb {mirror()} bookworm main"], check=True)
        slim_modules(unpack_kernel(kernel, work), kernel[len("linux-image-"):], _MODULES, root)
        build_guest_tool(tool)
        subprocess.run(["/bin/sh", os.path.join(SOURCES, "setup"), root, tool], check=True)
        os.sync()
        os.rename(root, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"the Debian guest could not be made: {error}; run tests/install-deps packages") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
