# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of ballastd share: a plain migration under way, and what must hold afterwards."""

import subprocess

from bed.host import wait_until

from failures import SLOW
from support import has_window_tag, journal_files, wait_nothing_held


def wait_marked(guest):
    wait_until(lambda: has_window_tag(guest), 10, "ballastd marks the domain")


def wait_nothing_released(bed, guest):
    wait_nothing_held(guest, 10)
    wait_until(lambda: not any(journal_files(host) for host in bed.hosts), 30, "the journals are empty")


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
            self._process.kill()
        self._process.communicate()

    def wait_for_memory(self):
        wait_until(lambda: "Memory processed" in
                   self.guest.host.virsh("domjobinfo", self.guest.name, check=False).stdout, 30, "memory flows")

    def finish(self):
        out, _ = self._process.communicate(timeout=90)
        return self._process.returncode, out
