# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of ballastd share: one on a host, a plain migration under way, and what must hold afterwards."""

import os
import signal
import subprocess
import tempfile

from bed.host import build_dir, wait_until

from failures import SLOW
from support import journal_files, wait_nothing_held

HOOK = "/etc/libvirt/hooks/qemu.d/50-ballast-memory"
WINDOW_TAG = "urn:x-ballast:window:1"


class Daemon:
    """ballastd on one host. stop_at: breakpoints where it stands still; config: keys of [memory]."""

    def __init__(self, host, stop_at=(), config=()):
        self.host = host
        self._folder = tempfile.mkdtemp(prefix="ballastd.", dir=host.bed.shared)
        for name in stop_at:
            with open(f"{self._folder}/{name}", "w", encoding="ascii"):
                pass
        with open(f"{self._folder}/conf", "w", encoding="ascii") as file:
            file.write("\n".join(["[memory]", *config]))
        with open(f"{self._folder}/log", "w", encoding="utf-8") as log:
            self._process = host.popen([f"{build_dir()}/host-hook/ballastd", "--config", f"{self._folder}/conf"],
                                       stderr=log, env={"BALLAST_BREAKPOINT_DIR": self._folder})
        self.wait_for_log("connected to libvirt")

    def log(self):
        with open(f"{self._folder}/log", encoding="utf-8") as log:
            return log.read()

    def wait_for_log(self, text, timeout=10):
        wait_until(lambda: text in self.log(), timeout, f"ballastd on {self.host.name} says \"{text}\"")

    def wait_at(self, name):
        wait_until(lambda: os.path.exists(f"{self._folder}/{name}.hit"), 40, f"breakpoint {name}", interval=0.01)

    def stand_still(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        # nsenter stops with its child, and has it go on as well.
        os.kill(self._process.pid, signal.SIGCONT)

    def sigkill(self):
        self._process.kill()
        self._process.wait(10)

    def stop(self):
        """Ends it; it has to go at once."""
        if self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(10) == 0


def has_window_tag(guest):
    return WINDOW_TAG in guest.host.virsh("dumpxml", guest.name).stdout


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
