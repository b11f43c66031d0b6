# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ballastd and its hook cost a host with 200 domains of which 50 run: CPU time and wakeups
while nothing happens, memory, what starts and stops of domains leave behind, the hook's time, and
what libvirt's own start and destroy take with and without it.

The domains are real QEMUs that run a boot sector which halts the processor.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed  # noqa: E402
from bed.guest_spec import AGENT_CHANNEL  # noqa: E402
from bed.host import build_dir, wait_until  # noqa: E402

PROGRAM = "ballast-hook-memory"
HOOK = "/etc/libvirt/hooks/qemu.d/50-ballast-memory"
STATUS_FOLDER = "/run/libvirt/qemu"
WINDOW_TAG = "urn:x-ballast:window:1"

# Goals of the design.
RSS_GOAL_KIB = 32 * 1024
HOOK_GOAL_MS = 30

# cli; hlt; and back, should anything wake it all the same.
BOOT_SECTOR = b"\xfa\xf4\xeb\xfc".ljust(510, b"\0") + b"\x55\xaa"
FLOPPY_BYTES = 1440 * 1024

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <disk type='file' device='floppy'>
      <driver name='qemu' type='raw'/><source file='{floppy}'/><target dev='fda' bus='fdc'/><readonly/>
    </disk>
    {channel}
    <memballoon model='none'/>
  </devices>
</domain>
"""
CHANNEL = f"<channel type='unix'><target type='virtio' name='{AGENT_CHANNEL}'/></channel>"

# Runs a command so often, its input from stdin, and prints how long each run took. Inside the host,
# since to enter it takes longer than what is measured.
TIMER = """\
import json, os, subprocess, sys, time
given, took = sys.stdin.buffer.read(), []
for _ in range(int(sys.argv[1])):
    began = time.monotonic()
    subprocess.run(sys.argv[2:], input=given, stdout=subprocess.DEVNULL, check=True)
    took.append((time.monotonic() - began) * 1000)
print(json.dumps(took))
"""


class Program:
    """A process of the host, by this machine's number: what it has used so far and has now."""

    def __init__(self, pid):
        self._folder = f"/proc/{pid}"

    def _read(self, path):
        with open(f"{self._folder}/{path}", encoding="ascii", errors="replace") as stream:
            return stream.read()

    def threads(self):
        return os.listdir(f"{self._folder}/task")

    def usage(self):
        """{thread: (ms of processor time, context switches)}. In the scheduler's nanoseconds rather than
        in ticks of 10 ms, which threads that have ended would be part of."""
        return {tid: (int(self._read(f"task/{tid}/schedstat").split()[0]) / 1e6,
                      sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", self._read(f"task/{tid}/status")))))
                for tid in self.threads()}

    def ticks(self):
        """utime and stime as /proc/PID/stat has them."""
        return sum(map(int, self._read("stat").rpartition(")")[2].split()[11:13]))

    def memory(self):
        """{what: KiB}, and how many threads and descriptors."""
        status, rollup = self._read("status"), self._read("smaps_rollup")
        return {"rss-kib": _kib(status, "VmRSS"), "pss-kib": _kib(rollup, "Pss"),
                "anonymous-kib": _kib(rollup, "Anonymous"), "threads": len(self.threads()),
                "descriptors": len(os.listdir(f"{self._folder}/fd"))}


def _kib(text, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1])


class Domains:
    """The domains of one host: t0, t1 and so on; every other one has the agent's channel."""

    def __init__(self, host):
        self.host = host
        self._folder = host.bed.shared
        with open(f"{self._folder}/floppy", "wb") as stream:
            stream.write(BOOT_SECTOR.ljust(FLOPPY_BYTES, b"\0"))

    @staticmethod
    def name(number):
        return f"t{number}"

    @staticmethod
    def has_channel(number):
        return number % 2 == 0

    def define(self, count):
        for number in range(count):
            name = self.name(number)
            path = f"{self._folder}/{name}.xml"
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(DOMAIN.format(name=name, uuid=uuid.uuid5(uuid.NAMESPACE_OID, name),
                                           floppy=f"{self._folder}/floppy",
                                           channel=CHANNEL if self.has_channel(number) else ""))
            self.host.virsh("define", path)

    def start(self, numbers):
        for number in numbers:
            self.host.virsh("start", self.name(number))

    def cycle(self, number):
        """One start and destroy, of a managed domain after it was marked."""
        self.start([number])
        if self.has_channel(number):
            self.wait_marked([number])
        self.host.virsh("destroy", self.name(number))

    def wait_marked(self, numbers):
        """ballastd has written its tag on those with a channel, and is done with them."""
        for number in numbers:
            if self.has_channel(number):
                path = f"{STATUS_FOLDER}/{self.name(number)}.xml"
                wait_until(lambda: WINDOW_TAG in self.host.read(path), 30, f"{self.name(number)} is marked", 0.01)

    def programs(self, numbers):
        return [Program(self.host.outer_pid(self.host.pid_of(f"{STATUS_FOLDER}/{self.name(number)}.pid")))
                for number in numbers]


class Daemon:
    """ballastd on the host."""

    def __init__(self, host):
        self.host = host
        self._log_path = f"{host.bed.shared}/ballastd.log"
        with open(self._log_path, "w", encoding="utf-8") as log:
            self._process = host.popen([f"{build_dir()}/host-hook/ballastd"], stderr=log)
        wait_until(self._is_connected, 30, "ballastd connects to libvirt")
        self.program = Program(self._process.inner_pid())
        self._threads = len(self.program.threads())

    def _is_connected(self):
        with open(self._log_path, encoding="utf-8") as log:
            return "connected to libvirt" in log.read()

    def stop(self):
        self._process.terminate()
        self._process.wait(10)

    def settle(self):
        """glib's threads that wait for more work end after 15 s."""
        wait_until(lambda: len(self.program.threads()) <= self._threads, 60, "ballastd has nothing to do")


def install_hook(host, program):
    """`program` as libvirt's hook, or None: none. libvirtd is restarted to find out."""
    host.run(["rm", "-f", HOOK])
    if program:
        host.run(["install", "-D", program, HOOK])
    host.restart_libvirtd()


def hook_program():
    return f"{build_dir()}/host-hook/{PROGRAM}"


def used_since(before, program):
    """[ms of processor time, context switches] since program.usage() was `before`."""
    now = program.usage()
    return [sum(used[i] - before.get(tid, (0, 0))[i] for tid, used in now.items()) for i in (0, 1)]


def idle(daemon, libvirtd, guests, seconds):
    """What the programs use in a time in which nothing happens."""
    programs = [daemon, libvirtd, *guests]
    ticks = daemon.ticks()
    before = [one.usage() for one in programs]
    time.sleep(seconds)
    own, libvirtds, *others = [used_since(was, one) for was, one in zip(before, programs)]
    return {"seconds": seconds, "cpu-ms": own[0], "ticks": daemon.ticks() - ticks, "wakeups": own[1],
            "libvirtd-cpu-ms": libvirtds[0], "guests-cpu-ms": sum(one[0] for one in others)}


def timed(host, runs, argv, given=""):
    """{median, worst} in ms of so many runs of `argv` on the host."""
    return json.loads(host.run(["/usr/bin/python3", "-c", TIMER, str(runs), *argv], input=given, timeout=300).stdout)


def summary(times_ms):
    return {"runs": len(times_ms), "median-ms": statistics.median(times_ms), "worst-ms": max(times_ms)}


def hook_cost(host, runs, xml):
    """The hook program by itself, for an operation that it ignores and for `migrate begin`."""
    return {"start": summary(timed(host, runs, [HOOK, "t1", "start", "begin", "-"], xml)),
            "migrate begin": summary(timed(host, runs, [HOOK, "t1", "migrate", "begin", "-"], xml))}


def libvirt_cost(host, domain, rounds, runs):
    """`virsh start` and `destroy` of a domain without a hook, with one that does nothing, and with ours, in turn."""
    virsh = "virsh -q -c qemu:///system"
    both = ["sh", "-c", f"{virsh} start {domain} && {virsh} destroy {domain}"]
    hooks = {"no hook": None, "/bin/true for a hook": "/bin/true", "the hook": hook_program()}
    times = {what: [] for what in hooks}
    for _ in range(rounds):
        for what, program in hooks.items():
            install_hook(host, program)
            times[what] += timed(host, runs, both)
    return {what: summary(of_one) for what, of_one in times.items()}


def memory_line(what, memory):
    return (f"{what:<44}{memory['rss-kib'] / 1024:8.1f}{memory['pss-kib'] / 1024:8.1f}"
            f"{memory['anonymous-kib'] / 1024:11.1f}{memory['threads']:9}{memory['descriptors']:13}")


def time_line(what, times):
    return f"{what:<44}{times['median-ms']:8.1f}{times['worst-ms']:8.1f}{times['runs']:11}"


def show(report):
    """The report as tables."""
    print(f"\n{'ballastd':<44}{'RSS MiB':>8}{'PSS MiB':>8}{'anonymous':>11}{'threads':>9}{'descriptors':>13}")
    for what, memory in report["memory"].items():
        print(memory_line(what, memory))
    for what, used in report["idle"].items():
        print(f"\nidle, {what}, {used['seconds']} s: ballastd {used['cpu-ms']:.1f} ms of processor time "
              f"({used['ticks']} ticks), {used['wakeups']} context switches; libvirtd {used['libvirtd-cpu-ms']:.0f} ms, "
              f"the guests {used['guests-cpu-ms']:.0f} ms")
    print(f"\n{'ms':<44}{'median':>8}{'worst':>8}{'runs':>11}")
    for what, times in report["hook"].items():
        print(time_line(f"hook: {what}", times))
    for what, times in report["start and destroy"].items():
        print(time_line(f"start and destroy, {what}", times))
    rss = max(memory["rss-kib"] for memory in report["memory"].values())
    slowest = max(times["median-ms"] for times in report["hook"].values())
    print(f"\ngoals: {rss / 1024:.1f} of {RSS_GOAL_KIB / 1024:.0f} MiB resident; "
          f"the hook {slowest:.1f} of {HOOK_GOAL_MS} ms", flush=True)


class Bench:
    """One run, on one host."""

    def __init__(self, host, arguments):
        self.host = host
        self.arguments = arguments
        self.domains = Domains(host)
        self.daemon = None
        self.report = {"memory": {}, "idle": {}, "hook": {}, "start and destroy": {}}

    def libvirtd(self):
        return Program(self.host.outer_pid(self.host.libvirtd_pid()))

    def note_memory(self, what):
        self.report["memory"][what] = self.daemon.program.memory()
        print(f"bench: {what}: {self.report['memory'][what]}", flush=True)

    def note_idle(self, what, guests):
        self.daemon.settle()
        used = idle(self.daemon.program, self.libvirtd(), guests, self.arguments.idle_s)
        self.report["idle"][what] = used
        print(f"bench: idle, {what}: {used}", flush=True)

    def run(self):
        counts = self.arguments
        running = range(counts.running)
        self.domains.define(counts.defined)
        install_hook(self.host, hook_program())
        self.daemon = Daemon(self.host)
        self.note_memory(f"{counts.defined} defined")
        self.domains.start(running)
        self.domains.wait_marked(running)
        self.note_memory(f"{counts.running} running")
        self.note_idle(f"{counts.defined} defined, {counts.running} running", self.domains.programs(running))
        self.cycles()
        self.hooks()
        self.report["start and destroy"] = libvirt_cost(self.host, self.domains.name(counts.running + 1),
                                                        counts.rounds, counts.cycles // counts.rounds)
        self.note_memory(f"libvirtd restarted {3 * counts.rounds} times")

    def cycles(self):
        """Starts and ends domains, those that ballastd has work with and the others."""
        for turn in range(1, 4):
            for number in range(self.arguments.cycles):
                self.domains.cycle(self.arguments.running + number % 10)
            self.note_memory(f"{turn * self.arguments.cycles} domains started and destroyed")

    def hooks(self):
        xml = self.host.virsh("dumpxml", self.domains.name(1)).stdout
        for what, times in hook_cost(self.host, self.arguments.runs, xml).items():
            self.report["hook"][what] = times
        self.daemon.stop()
        away = hook_cost(self.host, self.arguments.runs, xml)
        self.report["hook"]["migrate begin, ballastd away"] = away["migrate begin"]
        self.daemon = Daemon(self.host)
        self.domains.wait_marked(range(self.arguments.running))
        self.note_memory("ballastd restarted")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/daemon.py", description=__doc__)
    parser.add_argument("--defined", type=int, default=200)
    parser.add_argument("--running", type=int, default=50)
    parser.add_argument("--idle-s", type=int, default=60)
    parser.add_argument("--runs", type=int, default=50, help="of the hook (default %(default)s)")
    parser.add_argument("--cycles", type=int, default=50, help="starts and ends of a domain (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of start and destroy with and without the hook (default %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    with Bed() as bed:
        bench = Bench(bed.src, arguments)
        try:
            bench.run()
        finally:
            if bench.daemon:
                bench.daemon.stop()
    show(bench.report)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as stream:
            json.dump(bench.report, stream, indent=2)


if __name__ == "__main__":
    main()
