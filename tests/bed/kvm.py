# SPDX-License-Identifier: LGPL-2.1-or-later
"""How guests run on this machine: with KVM or emulated, and by which program."""

import functools
import os
import re
import subprocess
import tempfile

from . import image
from .host import wait_until


@functools.lru_cache(maxsize=1)
def domain_type():
    """"kvm" when a real guest boots with it on this machine, else "qemu" (software emulation)."""
    return "kvm" if _kvm_boots() else "qemu"


@functools.lru_cache(maxsize=4)
def emulator(host, has_virtio_mem):
    """The program that runs guests on `host`; see qemu-odd-size and qemu-first-block for why it may not be QEMU."""
    qemu = "/usr/bin/qemu-system-x86_64"
    here = os.path.dirname(os.path.abspath(__file__))
    version = re.search(r"version (\d+)\.", host.run([qemu, "--version"]).stdout)
    if domain_type() == "kvm":
        return qemu
    if int(version[1]) < 9:
        return os.path.join(here, "qemu-odd-size")
    return os.path.join(here, "qemu-first-block") if has_virtio_mem else qemu


def _kvm_boots():
    """/dev/kvm may be there and a guest hang with it all the same, so boot one; remembered until this machine reboots."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        remembered = os.path.join(image.cache_dir(), "kvm-" + stream.read().strip())
    try:
        with open(remembered, encoding="ascii") as stream:
            return stream.read() == "works"
    except FileNotFoundError:
        pass
    works = _boot_with_kvm(20)
    with tempfile.NamedTemporaryFile("w", dir=image.cache_dir(), delete=False) as stream:
        stream.write("works" if works else "fails")
    os.rename(stream.name, remembered)
    return works


def _boot_with_kvm(timeout):
    base = image.base_image()
    with tempfile.NamedTemporaryFile() as console:
        with subprocess.Popen(
                ["qemu-system-x86_64", "-accel", "kvm", "-m", "256", "-nodefaults", "-display", "none",
                 "-serial", "file:" + console.name, "-kernel", base.kernel, "-initrd", base.initrd,
                 "-append", "console=ttyS0 quiet"],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as qemu:
            try:
                return wait_until(lambda: _says_ready(console.name) or qemu.poll() is not None and "ended",
                                  timeout, "the KVM guest boots") is True
            except TimeoutError:
                return False
            finally:
                qemu.kill()


def _says_ready(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return "ballast-guest-ready" in stream.read()
