# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many plain migrations of one guest under ballastd, back and forth, each with a fault at a moment of it, both by
chance from a seed. What the design promises is checked after each: the guest is whole, on one host alone, has all its
memory, nobody remembers a release, and libvirt answers.

Not part of any layer but its own: `tests/run soak`; the seed of an earlier run does the same faults again.
"""

import collections
import random
import time

import pytest

from bed.daemon import Daemon
from bed.host import CommandError, wait_until

from automatic import PlainMigration, check_settled, job_phase, wait_marked, window_is_open
from failures import FREED_MIB, go_faster
from support import MIB, held_bytes

# Libvirt is asked on each host after each migration, and has to answer within this.
LIBVIRT_S = 10


class Soak:
    """The guest, a ballastd on each host, and what may go wrong with them."""

    def __init__(self, bed, guest, seed):
        self.bed = bed
        self.guest = guest
        self.chance = random.Random(seed)
        self.daemons = {host: Daemon(host) for host in bed.hosts}
        self.came = self.stayed = 0
        self.struck = collections.Counter()
        self.missed = collections.Counter()

    def close(self):
        for host, daemon in self.daemons.items():
            print(f"ballastd on {host.name}:\n{daemon.log()}")
            daemon.stop()

    @property
    def source(self):
        return self.guest.host

    @property
    def destination(self):
        return self.bed.other(self.source)

    # Moments

    def window(self):
        """The destination's hook waits for the source."""
        wait_until(lambda: window_is_open(self.destination) or self._memory_flows(), 20, "the window opens, or is over")

    def hold(self):
        """The guest misses some of its memory, or it is too late for that."""
        wait_until(lambda: held_bytes(self.guest) > 16 * MIB or self._memory_flows(), 30, "the guest holds memory")

    def memory(self):
        wait_until(self._memory_flows, 30, "memory flows")

    def later(self):
        self.memory()
        time.sleep(self.chance.uniform(0, 2))

    def _memory_flows(self):
        return job_phase(self.source, self.guest.name) == ("migration out", "perform3")

    # Faults. Each tells whether there was what it was to hit.

    def nothing(self):
        return True

    def cancel(self):
        return self.source.virsh("domjobabort", self.guest.name, check=False).returncode == 0

    def agent_dies(self):
        return self._kill_in_guest(self.guest.agent_pid() or "")

    def holder_dies(self):
        return self._kill_in_guest("$(pidof ballast-holder)")

    def _kill_in_guest(self, pid):
        return "killed" in self.guest.shell(f"kill -9 {pid} && echo killed", check=False)

    def guest_needs_memory(self):
        """More than is left, but no more than there was."""
        info = self.guest.meminfo()
        if info["Mlocked"] < 64 * MIB:
            return False
        self.guest.verify_fill((info["MemAvailable"] + info["Mlocked"] // 2) // MIB)
        return True

    def guest_reboots(self):
        self.guest.reboot(lambda: self.guest.qmp('{"execute": "system_reset"}'))
        self.guest.canary_start(8)
        return True

    def source_daemon_dies(self):
        return self._replace_daemon(self.source)

    def destination_daemon_dies(self):
        return self._replace_daemon(self.destination)

    def _replace_daemon(self, host):
        self.daemons[host].sigkill()
        self.daemons[host] = Daemon(host)
        return True

    def source_libvirtd_restarts(self):
        return self._restart_libvirtd(self.source)

    def destination_libvirtd_restarts(self):
        return self._restart_libvirtd(self.destination)

    @staticmethod
    def _restart_libvirtd(host):
        host.kill_libvirtd()
        host.start_libvirtd()
        return True

    def destination_qemu_dies(self):
        pid = self.destination.pid_of(f"/run/libvirt/qemu/{self.guest.name}.pid")
        if pid is None:
            return False
        self.destination.kill(pid)
        return True

    def link_fails_for_a_while(self):
        self.bed.set_link(False)
        try:
            time.sleep(self.chance.uniform(0.2, 2))
        finally:
            self.bed.set_link(True)
        return True

    # A migration

    def migrate(self, number):
        """One, and what is left of it; a line about it."""
        moment = self.chance.choice(MOMENTS)
        fault = self.chance.choice(FAULTS)
        self.guest.fill(FREED_MIB)
        wait_marked(self.guest)
        source = self.source
        with PlainMigration(self.guest) as running:
            moment(self)
            print(f"{number}: {source.name}: {fault.__name__} at {moment.__name__}", end="", flush=True)
            is_hit = fault(self)
            self._let_it_end(running)
            status, said = running.finish()
        now = self._where()
        print(f"{'' if is_hit else ' (missed)'}: runs on {now.name}; virsh: {status} {said}", flush=True)
        (self.struck if is_hit else self.missed)[fault.__name__] += 1
        self._count(status, now is not source, fault)
        return now

    def _count(self, status, has_moved, fault):
        if has_moved:
            self.came += 1
        else:
            self.stayed += 1
        assert fault is not Soak.nothing or has_moved
        # Virsh does not hear of the end from a libvirtd that is killed.
        assert (status == 0) == has_moved or fault in (Soak.source_libvirtd_restarts, Soak.destination_libvirtd_restarts)

    def _let_it_end(self, running):
        """Faster, once that is heard; the migration may be over by then."""
        wait_until(lambda: not running.is_under_way() or "Memory processed" in
                   self.source.virsh("domjobinfo", self.guest.name, check=False).stdout, 60, "memory flows")
        try:
            go_faster(self.guest)
        except CommandError:
            if running.is_under_way():
                raise

    def _where(self):
        """The only host where the guest runs."""
        wait_until(lambda: sum(self._runs_on(host) for host in self.bed.hosts) == 1, 60, "the guest runs on one host")
        return next(host for host in self.bed.hosts if self._runs_on(host))

    def _runs_on(self, host):
        return host.virsh("domstate", self.guest.name, check=False).stdout.strip() == "running"

    def check(self, before, host):
        check_settled(self.guest, before, host)
        for one in self.bed.hosts:
            one.run(["timeout", str(LIBVIRT_S), "virsh", "-c", "qemu:///system", "list", "--all"])


MOMENTS = (Soak.window, Soak.hold, Soak.memory, Soak.later)
FAULTS = (Soak.nothing, Soak.cancel, Soak.agent_dies, Soak.holder_dies, Soak.guest_needs_memory, Soak.guest_reboots,
          Soak.source_daemon_dies, Soak.destination_daemon_dies, Soak.source_libvirtd_restarts,
          Soak.destination_libvirtd_restarts, Soak.destination_qemu_dies, Soak.link_fails_for_a_while)


@pytest.fixture
def seed(request):
    given = request.config.getoption("--soak-seed")
    chosen = random.randrange(1 << 32) if given is None else given
    print(f"\nsoak: seed {chosen}")
    return chosen


def test_soak(bed, dirty, hooks, seed, request):
    guest, before = dirty("hold")
    soak = Soak(bed, guest, seed)
    try:
        for number in range(request.config.getoption("--soak-migrations")):
            soak.check(before, soak.migrate(number))
        print(f"soak: {soak.came} came, {soak.stayed} stayed; struck {dict(soak.struck)}, missed {dict(soak.missed)}")
        # Else it would show nothing about it.
        assert all(soak.struck[name] > 0 for name, count in soak.missed.items() if count > 5)
    finally:
        soak.close()
