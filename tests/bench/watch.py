# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a migration does to the guest and to the source's QEMU while it runs."""

import dataclasses
import os
import re
import threading
import time

# USER_HZ, in which /proc/stat counts.
TICKS_PER_S = 100

# How long the guest's processors are watched before anything is done to them.
IDLE_S = 2.0


class QemuWatch:
    """Watches the source's QEMU while a migration runs: it is gone by the time that virsh returns.

    before, peak, end: its resident memory in bytes
    has_thread: it has the thread named `thread`; switches, thread_ms: how often and how long that got a processor
    """

    def __init__(self, guest, thread):
        self._folder = f"/proc/{guest.host.outer_pid(guest.qemu_pid)}"
        self._thread_folder = self._find(thread)
        self.has_thread = self._thread_folder is not None
        self.before = self.peak = self.end = guest.rss_bytes()
        self.switches, self.thread_ms = 0, 0.0
        self._thread_before = self._thread_usage()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        self._thread.join()

    def _read(self, path):
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read()

    def _find(self, name):
        tasks = f"{self._folder}/task"
        return next((f"{tasks}/{tid}" for tid in os.listdir(tasks) if self._read(f"{tasks}/{tid}/comm").strip() == name),
                    None)

    def _thread_usage(self):
        """(switches, ms), (0, 0.0) without the thread."""
        if not self.has_thread:
            return 0, 0.0
        switches = re.findall(r"ctxt_switches:\s+(\d+)", self._read(f"{self._thread_folder}/status"))
        return sum(map(int, switches)), int(self._read(f"{self._thread_folder}/schedstat").split()[0]) / 1e6

    def _watch(self):
        while not self._stop.wait(0.1):
            try:
                match = re.search(r"^VmRSS:\s+(\d+) kB", self._read(f"{self._folder}/status"), re.M)
                self.switches, self.thread_ms = (now - was for now, was in zip(self._thread_usage(), self._thread_before))
            except OSError:
                return
            if match:
                self.end = int(match[1]) * 1024
                self.peak = max(self.peak, self.end)


def busy_s(stat):
    """Seconds that the processors of a /proc/stat were not idle: all processes and the kernel."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


@dataclasses.dataclass(frozen=True)
class _Clocks:
    """One look at the guest: processor time spent, its clock since boot, and this machine's clock."""

    busy_s: float
    guest_s: float
    here_s: float

    @classmethod
    def of(cls, guest):
        here = time.monotonic()
        uptime, stat = guest.shell("cat /proc/uptime; head -n 1 /proc/stat").split("\n", 1)
        return cls(busy_s(stat), float(uptime.split()[0]), here)


class GuestWatch:
    """From its making to finish(): processor time that the guest spent, its worst stall, and how long its clock stood.

    What it spends by itself (its workload, and these tests' processes) is measured before: it would else be
    held against the migration that takes longest.
    """

    def __init__(self, guest):
        self._guest = guest
        guest.stall_start()
        before = _Clocks.of(guest)
        time.sleep(IDLE_S)
        idle = _Clocks.of(guest)
        self._idle_rate = (idle.busy_s - before.busy_s) / (idle.guest_s - before.guest_s)
        # It keeps the worst since it began, and that begins now.
        guest.stall_start()
        self._began = _Clocks.of(guest)

    def finish(self):
        """The figures, by name."""
        stall_ms, stall_at_s = self._guest.worst_stall()
        now = _Clocks.of(self._guest)
        elapsed_s = now.guest_s - self._began.guest_s
        spent_s = now.busy_s - self._began.busy_s
        return {"guest_cpu_s": spent_s - self._idle_rate * elapsed_s, "guest_cpu_all_s": spent_s,
                "guest_idle_rate": self._idle_rate, "stall_ms": stall_ms, "stall_at_s": stall_at_s,
                "clock_stood_ms": (now.here_s - self._began.here_s - elapsed_s) * 1000}
