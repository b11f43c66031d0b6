# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk of the host VM (hostvm.py): Debian with systemd, libvirt, QEMU and SR-IOV's modules.

Kept in the cache like the guests' image, one folder per kernel version and recipe. Needs the
packages of `install-deps vf`. Takes a minute or two once, and 600 MB.
"""

import os
import subprocess

from .debian import Recipe
from .image import TESTS

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
    """The disk's path; built when not cached. Raises ImageError.

    It is never written to: each VM puts a layer of its own over it.
    """
    return os.path.join(_RECIPE.folder(), "disk")


def _make_disk(root, folder):
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "hostvm", "-d", root, os.path.join(folder, "disk"),
                    _DISK_SIZE], check=True)


_RECIPE = Recipe("hostvm", SOURCES, (__file__,), _PACKAGES, _MODULES, _make_disk, "vf")
