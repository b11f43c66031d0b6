# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk of the host VM (hostvm.py): Debian with systemd, libvirt, QEMU and SR-IOV's modules.

Kept in the cache like the guests' image, one folder per kernel version and recipe. Needs the
packages of `install-deps vf`. Takes a minute or two once, and 600 MB.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

from .image import (GUEST_SOURCES, TESTS, ImageError, build_guest_tool, cache_dir, cache_lock, kernel_package,
                    slim_modules, unpack_kernel)
from .roots import mirror

SOURCES = os.path.join(TESTS, "hostvm")

_PACKAGES = ("systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps", "python3",
             "libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86",
             "libjson-glib-1.0-0", "libcap-ng0", "libnl-route-3-200")

# kvm_amd: the emulated processor has AMD's virtualization, so that inner domains are emulated once, not twice.
_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "ext4", "9p", "9pnet_virtio",
            "igb", "igbvf", "vfio-pci", "vfio_iommu_type1", "kvm-amd",
            "tun", "tap", "macvtap", "vhost_net", "veth", "bridge", "dummy", "net_failover",
            "ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "ip6_tables", "nf_tables", "loop",
            "autofs4", "configfs", "efi_pstore", "button")

_DISK_SIZE = "4G"


def disk_image():
    """The disk's path, for the kernel of image.base_image(); built when not cached. Raises ImageError.

    It is never written to: each VM puts a layer of its own over it.
    """
    recipe = _recipe_hash()
    package = kernel_package()
    if package is None:
        cached = sorted(glob.glob(os.path.join(cache_dir(), f"hostvm-*-{recipe}")), key=os.path.getmtime)
        if not cached:
            raise ImageError("apt offers no linux-image-amd64 and no host VM is cached: run tests/install-deps")
        return os.path.join(cached[-1], "disk")
    name, version = package
    folder = os.path.join(cache_dir(), f"hostvm-{name[len('linux-image-'):]}_{version}-{recipe}")
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                _build(folder, name)
    return os.path.join(folder, "disk")


def _recipe_hash():
    digest = hashlib.sha256()
    sources = [__file__, os.path.join(SOURCES, "setup"), *sorted(glob.glob(os.path.join(GUEST_SOURCES, "*.[ch]")))]
    for name in sources:
        with open(name, "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()[:12]


def _build(folder, kernel):
    print(f"bed: making the host VM's disk (once, cached in {cache_dir()})", flush=True)
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    root = os.path.join(work, "root")
    tool = os.path.join(work, "guest-tool")
    finished = os.path.join(work, "finished")
    try:
        subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--aptopt=APT::Install-Recommends false",
             "--include=" + ",".join(_PACKAGES), "bookworm", root, f"deb {mirror()} bookworm main"], check=True)
        slim_modules(unpack_kernel(kernel, work), kernel[len("linux-image-"):], _MODULES, root)
        build_guest_tool(tool)
        subprocess.run(["/bin/sh", os.path.join(SOURCES, "setup"), root, tool], check=True)
        os.mkdir(finished)
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "hostvm", "-d", root,
                        os.path.join(finished, "disk"), _DISK_SIZE], check=True)
        os.sync()
        os.rename(finished, folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"the host VM's disk could not be made: {error}; run tests/install-deps vf") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
