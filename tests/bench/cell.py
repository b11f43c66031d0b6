# SPDX-License-Identifier: LGPL-2.1-or-later
"""One measured migration of a fresh guest: bytes, times, memory, and whether the guest is unharmed.

Every cell boots its own guest, so that none profits from what an earlier one left. Bytes are
counted on the wire between the two hosts, not by the programs that are measured.
"""

import contextlib
import dataclasses
import json
import re
import threading
import time

from bed import GuestSpec
from bed.daemon import Daemon, install_hook, remove_hook
from bed.host import wait_until
from integration.support import Memory, has_window_tag, held_bytes

MIB = 1 << 20

# "automatic [virsh's options] MECHANISMS": ballastd on both hosts, and a plain `virsh migrate`.
AUTOMATIC = "automatic"

# 1 Gbit/s in the unit of libvirt's --bandwidth, MiB/s.
GIGABIT_MIBPS = 119


@dataclasses.dataclass
class Result:
    """What one migration cost. Times in seconds, sizes in bytes."""

    mechanism: str
    wire_bytes: int = 0
    used_bytes: int = 0
    headroom_bytes: int = 0
    survey_s: float = 0.0
    release_s: float = 0.0
    migrate_s: float = 0.0
    give_back_s: float = 0.0
    total_s: float = 0.0
    downtime_ms: int | None = None
    source_rss_before: int = 0
    source_rss_peak: int = 0
    destination_rss: int = 0
    warnings: list = dataclasses.field(default_factory=list)
    released_bytes: int = 0


class _PeakRss:
    """Watches the source QEMU's memory while a migration runs."""

    def __init__(self, guest):
        self._path = f"/proc/{guest.qemu_pid}/status"
        self._host = guest.host
        self.before = self.peak = guest.rss_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.2):
            try:
                match = re.search(r"^VmRSS:\s+(\d+) kB", self._host.read(self._path), re.M)
            except OSError:
                return
            if match:
                self.peak = max(self.peak, int(match[1]) * 1024)


def spec_for(mechanism, memory_mib, name):
    """The guest that a mechanism needs: for virtio-mem three quarters of it are a virtio-mem device."""
    if "virtio-mem" in mechanism:
        device = memory_mib * 3 // 4
        return GuestSpec(name=name, memory_mib=memory_mib - device, virtio_mem_mib=device, vcpus=2)
    return GuestSpec(name=name, memory_mib=memory_mib, vcpus=2)


def migrate_plainly(bed, guest, options):
    """`virsh migrate`, timed from outside."""
    began = time.monotonic()
    bed.src.virsh("migrate", *options, guest.name, bed.dst.uri, timeout=900)
    elapsed = time.monotonic() - began
    stats = bed.dst.virsh("domjobinfo", "--completed", guest.name, check=False).stdout
    downtime = re.search(r"^Total downtime:\s+(\d+)\s+ms", stats, re.M)
    return Result("plain", migrate_s=elapsed, total_s=elapsed,
                  downtime_ms=int(downtime[1]) if downtime else None)


def migrate_by_ballast(bed, guest, options, mechanisms, extra=()):
    """`ballast migrate` with `mechanisms` allowed."""
    began = time.monotonic()
    done = bed.src.ballast("migrate", *options, "--json", "--mechanisms", mechanisms, *extra,
                           guest.name, bed.dst.uri, timeout=900)
    elapsed = time.monotonic() - began
    report = json.loads(done.stdout)
    phases = report["phases-ms"]
    return Result(mechanisms, survey_s=phases["survey"] / 1000, release_s=phases["release"] / 1000,
                  migrate_s=phases["migrate"] / 1000, give_back_s=phases["give-back"] / 1000,
                  total_s=elapsed, downtime_ms=report.get("downtime-ms"),
                  headroom_bytes=report["headroom-bytes"], released_bytes=report["released-bytes"],
                  warnings=report["warnings"])


@contextlib.contextmanager
def ballastd(bed, mechanisms, window_ms):
    """ballastd and its hook on both hosts, for `mechanisms`; window_ms: None for its own."""
    config = ["mechanisms=" + mechanisms.replace(",", ";")]
    if window_ms is not None:
        config.append(f"window-ms={window_ms}")
    if "virtio-mem" in mechanisms:
        config.append("cluster-wide=yes")
    for host in bed.hosts:
        install_hook(host)
    running = [Daemon(host, config=config) for host in bed.hosts]
    try:
        yield
    finally:
        for one in running:
            one.stop()
        for host in bed.hosts:
            remove_hook(host)


def ways_of(mechanism):
    """(virsh's options, mechanisms) of an automatic migration."""
    _, *options, mechanisms = mechanism.split()
    return options, mechanisms


def migrate_automatically(bed, guest, options):
    """`virsh migrate` under ballastd; its time has the window and the release in it."""
    before = Memory.of(guest)
    wait_until(lambda: has_window_tag(guest), 20, "ballastd marks the domain")
    result = migrate_plainly(bed, guest, options)
    guest.moved_to(bed.dst)
    began = time.monotonic()
    wait_until(lambda: held_bytes(guest) < MIB and Memory.of(guest).total >= before.total, 60,
               "the guest has its memory again")
    wait_until(lambda: Memory.of(guest).sizes == before.sizes, 20, "libvirt's account is right")
    result.give_back_s = time.monotonic() - began
    return result


def migrate_by(bed, guest, options, mechanism, extra):
    if mechanism == "plain":
        return migrate_plainly(bed, guest, options)
    if not mechanism.startswith(AUTOMATIC):
        return migrate_by_ballast(bed, guest, options, mechanism, extra)
    result = migrate_automatically(bed, guest, [*options, *ways_of(mechanism)[0]])
    result.mechanism = mechanism
    return result


def check_unharmed(guest, before, verify_mib):
    """The canary lives, all memory is there, and it holds what is written to it."""
    guest.canary_check()
    if verify_mib:
        guest.verify_fill(verify_mib)
    after = Memory.of(guest)
    if abs(after.total - before.total) > before.total * 0.01:
        raise AssertionError(f"the guest had {before.total} bytes of memory and has {after.total}")
    if after.available < before.available * 0.99:
        raise AssertionError(f"{before.available} bytes were available in the guest, {after.available} are")
    if after.sizes != before.sizes:
        raise AssertionError(f"the domain's sizes were {before.sizes} and are {after.sizes}")


def measure(bed, mechanism, name, memory_mib=4096, fill=3072, verify_mib=None,
            bandwidth_mibps=GIGABIT_MIBPS, extra=(), window_ms=None):
    """Boots a guest, lets it write and free `fill` MiB ("all", or 0 for none), migrates it with
    `mechanism` ("plain", ballast's --mechanisms, or AUTOMATIC with those) and checks it. Returns
    the Result."""
    guest = bed.guest(spec_for(mechanism, memory_mib, name))
    options = ["--live", "--unsafe", "--bandwidth", str(bandwidth_mibps)]
    daemons = (ballastd(bed, ways_of(mechanism)[1], window_ms) if mechanism.startswith(AUTOMATIC)
               else contextlib.nullcontext())
    with daemons, contextlib.ExitStack() as stack:
        stack.callback(guest.destroy)
        guest.start(bed.src)
        guest.canary_start(16)
        if fill:
            guest.fill(fill)
        before = Memory.of(guest)
        wire = bed.wire_bytes()[0]
        with _PeakRss(guest) as rss:
            result = migrate_by(bed, guest, options, mechanism, extra)
        result.wire_bytes = bed.wire_bytes()[0] - wire
        result.used_bytes = before.used(guest)
        result.source_rss_before, result.source_rss_peak = rss.before, rss.peak
        guest.moved_to(bed.dst)
        result.destination_rss = guest.rss_bytes()
        check_unharmed(guest, before, verify_mib if verify_mib is not None else
                       (fill if isinstance(fill, int) else memory_mib * 3 // 4))
        return result
