# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of ballastd share: a plain migration under way, and what must hold afterwards."""

import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

from bed.host import wait_until

from failures import SLOW, check_unharmed, go_faster
from support import MIB, WINDOW_TAG_URI, has_window_tag, held_bytes, journal_files, wait_nothing_held


def wait_marked(guest):
    wait_until(lambda: has_window_tag(guest), 10, "ballastd marks the domain")


def wait_nothing_released(bed, guest):
    wait_nothing_held(guest, 10)
    wait_until(lambda: not any(journal_files(host) for host in bed.hosts), 30, "the journals are empty")


def check_settled(guest, before, host):
    """The guest runs unharmed on `host` alone with its memory, and nothing remembers that it ever missed some."""
    guest.moved_to(host)
    wait_nothing_released(guest.bed, guest)
    check_unharmed(guest, before, host)
    for one in guest.bed.hosts:
        tags = re.findall(r"urn:x-ballast:[\w:]*", one.virsh("dumpxml", guest.name, check=False).stdout)
        assert set(tags) <= {WINDOW_TAG_URI}


def job_phase(host, name):
    """(asynchronous job, phase) of a domain, as libvirt's status file has them; None without the domain."""
    try:
        job = ElementTree.fromstring(host.read(f"/run/libvirt/qemu/{name}.xml")).find("job")
    except FileNotFoundError:
        return None
    return ("none", None) if job is None else (job.get("async"), job.get("phase"))


def window_is_open(host):
    """Whether the hook waits for ballastd on the host where a domain is to arrive."""
    return host.run(["pidof", "50-ballast-memory"], check=False).returncode == 0


class PlainMigration:
    """A slow `virsh migrate` under way, in which memory flows."""

    def __init__(self, guest, *options):
        self.guest = guest
        self._process = guest.host.popen(["virsh", "migrate", "--live", "--unsafe", *SLOW, *options, guest.name,
                                          guest.bed.other(guest.host).uri],
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._process.poll() is None:
            self.go_on()
            self._process.kill()
        self._process.communicate()

    def wait_for_memory(self):
        wait_until(lambda: "Memory processed" in
                   self.guest.host.virsh("domjobinfo", self.guest.name, check=False).stdout, 30, "memory flows")

    def wait_for_hold(self):
        """Memory flows while the guest misses some of it."""
        wait_until(lambda: held_bytes(self.guest) > 100 * MIB, 30, f"guest {self.guest.name} holds memory")
        self.wait_for_memory()

    def stand_still(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        # nsenter stops with its child, and has it go on as well.
        os.kill(self._process.pid, signal.SIGCONT)

    def is_under_way(self):
        return self._process.poll() is None

    def finish(self):
        out, _ = self._process.communicate(timeout=90)
        return self._process.returncode, out.strip()

    def complete(self):
        """Without the limit, to its good end."""
        go_faster(self.guest)
        assert self.finish() == (0, "")
