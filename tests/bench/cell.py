# SPDX-License-Identifier: LGPL-2.1-or-later
"""One measured migration of a fresh guest: bytes, times, memory, and whether the guest is unharmed.

Every cell boots its own guest, so that none profits from what an earlier one left. Bytes are
counted on the wire between the two hosts, not by the programs that are measured.
"""

import contextlib
import dataclasses

from bed import GuestError
from integration.support import Memory

from bench import ways, workloads
from bench.matrix import SPEEDS, WORKLOADS, Speed
from bench.watch import GuestWatch, QemuWatch

MIB = 1 << 20


class Harmed(Exception):
    """The guest is not what it was before; one sentence."""


@dataclasses.dataclass
class Result:
    """What one migration cost. Times in seconds, sizes in bytes. None: nobody can tell.

    release_s: finding out what to release, too; total_s: until the guest has all of its memory again
    free_bytes, used_bytes: of the guest, before
    guest_cpu_s: of all its processes and its kernel, above guest_idle_rate (processors that it keeps busy by itself)
        for as long as it took; guest_cpu_all_s: with that
    stall_ms: the longest that a process of the guest which wakes each millisecond was away; stall_at_s: when
    hint_signals: how often QEMU told the guest to begin or end with hints; hint_thread_*: its thread for them got a
        processor so often, for so long
    clock_stood_ms: how much less time passed by the guest's clock than by the hosts'
    """

    wire_bytes: int = 0
    free_bytes: int = 0
    used_bytes: int = 0
    headroom_bytes: int = 0
    released_bytes: int | None = None
    release_s: float | None = None
    migrate_s: float = 0.0
    give_back_s: float | None = None
    total_s: float = 0.0
    downtime_ms: int | None = None
    source_rss_before: int = 0
    source_rss_peak: int = 0
    source_rss_end: int = 0
    destination_rss: int = 0
    guest_cpu_s: float = 0.0
    guest_cpu_all_s: float = 0.0
    guest_idle_rate: float = 0.0
    stall_ms: float = 0.0
    stall_at_s: float = 0.0
    clock_stood_ms: float = 0.0
    hint_signals: int | None = None
    hint_thread_switches: int | None = None
    hint_thread_ms: float | None = None
    warnings: list = dataclasses.field(default_factory=list)


def check_unharmed(guest, before, verify_mib):
    """The canaries live, all memory is there, and it holds what is written to it. Raises Harmed."""
    try:
        guest.canary_check()
        guest.verify_fill(verify_mib)
    except (AssertionError, GuestError, TimeoutError) as error:
        raise Harmed(f"the guest is harmed: {error}") from error
    after = Memory.of(guest)
    if abs(after.total - before.total) > before.total * 0.01:
        raise Harmed(f"the guest is harmed: it had {before.total} bytes of memory and has {after.total}")
    if after.available < before.available * 0.99:
        raise Harmed(f"the guest is harmed: {before.available} bytes were available in it, {after.available} are")
    if after.sizes != before.sizes:
        raise Harmed(f"the guest is harmed: its domain's sizes were {before.sizes} and are {after.sizes}")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a migration is measured in.

    fill: see workloads.prepare()
    window_ms: how long ballastd has an automatic migration wait, None: its own default
    verify_mib: written and read back afterwards, None: workloads.verify_mib()
    """

    memory_mib: int = 4096
    workload: str = "dirty-free"
    speed: Speed = SPEEDS["1gbit"]
    fill: int | str | None = None
    window_ms: int | None = None
    verify_mib: int | None = None

    @property
    def page_cache(self):
        return WORKLOADS[self.workload].page_cache


def measure(bed, way, name, setup):
    """Boots a guest, brings it into the workload's state, migrates it and checks it. Returns the Result.

    Raises ways.Void when the way was not really taken, Harmed when the guest is.
    """
    disk_mib = workloads.disk_mib(setup.workload, setup.memory_mib)
    guest = bed.guest(ways.spec_for(way, setup.memory_mib, name, disk_mib))
    with ways.daemons_for(bed, way, setup.page_cache, setup.window_ms), contextlib.ExitStack() as stack:
        stack.callback(guest.destroy)
        guest.start(bed.src)
        workloads.prepare(guest, setup.workload, setup.memory_mib, setup.fill)
        ways.settle(guest, way)
        before = Memory.of(guest)
        result = _migrate(bed, guest, way, setup, before)
        ways.check_taken(way, result, setup.workload)
        check_unharmed(guest, before, setup.verify_mib or workloads.verify_mib(setup.memory_mib))
        return result


def _migrate(bed, guest, way, setup, before):
    watch = GuestWatch(guest)
    wire = bed.wire_bytes()[0]
    with QemuWatch(guest, ways.HINT_THREAD) as qemu:
        figures = ways.migrate(bed, guest, way, setup.speed, setup.page_cache, before)
    wire = bed.wire_bytes()[0] - wire
    return Result(**figures, **watch.finish(), wire_bytes=wire, free_bytes=before.free, used_bytes=before.used(guest),
                  source_rss_before=qemu.before, source_rss_peak=qemu.peak, source_rss_end=qemu.end,
                  destination_rss=guest.rss_bytes(),
                  hint_thread_switches=qemu.switches if qemu.has_thread else None,
                  hint_thread_ms=qemu.thread_ms if qemu.has_thread else None)
