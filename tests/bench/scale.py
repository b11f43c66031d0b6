# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the cost of Ballast grows: with the memory of real guests (range query, plan, hold, give back), with made-up
guests of up to 12 TiB (range query), and with the number of domains that ballastd watches."""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed, GuestSpec  # noqa: E402
from bed.guest import connect_unix  # noqa: E402
from bed.host import agent_program, wait_until  # noqa: E402
from bench.agent import Channel, range_query  # noqa: E402
from bench.daemon import STATUS_FOLDER, Daemon, Program  # noqa: E402
from bench.growth import Point, table  # noqa: E402
from integration.support import Memory, agent_connected, held_bytes  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
PAGE = 4096

# As much as is written, and so held, at most: what was never written is not released.
DIRTY_MAX_MIB = 3072

# Of a made-up guest, 16 MiB of every 4 GiB are free: 3,072 ranges in 12 TiB.
FREE_EVERY_BYTES = 4 * GIB
FREE_BYTES = 16 * MIB
KPF_BUDDY = 1 << 10

STATUS = """\
<domstatus state='running' reason='booted' pid='1'>
  <domain type='qemu' id='{number}'>
    <name>{name}</name><uuid>{uuid}</uuid>
    <metadata><t:window xmlns:t='urn:x-ballast:window:1'/></metadata>
    <description>{padding}</description>
    <devices><channel type='unix'><target type='virtio' name='org.ballast.guest_agent.0'/></channel></devices>
  </domain>
</domstatus>
"""
# What libvirt writes of a domain with a few devices.
STATUS_BYTES = 8192
CHANGES = 200


def timed(function):
    """(result, milliseconds) of a call."""
    began = time.monotonic()
    result = function()
    return result, (time.monotonic() - began) * 1000


# Real guests


def measure_guest(bed, memory_mib):
    """What a guest of that size costs: a Point by its pages."""
    guest = bed.guest(GuestSpec(name=f"scale{memory_mib}", memory_mib=memory_mib, vcpus=2))
    guest.start(bed.src)
    try:
        wait_until(lambda: agent_connected(guest), 20, "the agent opens its channel")
        dirty_mib = min(memory_mib * 3 // 4, DIRTY_MAX_MIB)
        guest.fill(dirty_mib, timeout=600)
        before = Memory.of(guest)
        costs = _query_costs(guest)
        _, costs["plan ms"] = timed(lambda: bed.src.ballast("plan", "--json", guest.name))
        report, costs["hold ms"] = timed(lambda: json.loads(bed.src.ballast(
            "release", "--mechanisms", "hold", "--json", guest.name, timeout=300).stdout))
        held_mib = held_bytes(guest) // MIB
        _, costs["give back ms"] = timed(lambda: bed.src.ballast("restore", guest.name, timeout=300))
        wait_until(lambda: held_bytes(guest) < MIB and Memory.of(guest).free >= before.free * 0.95, 60,
                   "the guest has its memory again")
        print(f"scale: {memory_mib} MiB, {dirty_mib} of them written and freed, {held_mib} held: {costs}", flush=True)
        if not held_mib:
            raise RuntimeError(f"nothing was held of {guest.name}: {report}")
        return Point(memory_mib * MIB // PAGE, f"{memory_mib} MiB, {held_mib} held", costs)
    finally:
        guest.destroy()


def _query_costs(guest):
    channel = Channel(connect_unix(guest.agent_socket_path()))
    channel.ask("guest-sync", id=1)
    queries = [range_query(channel) for _ in range(3)]
    channel.close()
    pid = guest.agent_pid()
    rss = re.search(r"VmRSS:\s+(\d+) kB", guest.shell(f"cat /proc/{pid}/status"))
    total, inside, count = (statistics.median(column) for column in zip(*queries))
    return {"query ms": total, "scan ms": inside, "ranges": count, "agent MiB": int(rss[1]) / 1024}


def measure_guests(sizes_mib):
    with Bed() as bed:
        return [measure_guest(bed, size) for size in sizes_mib]


# Made-up guests: the real agent, before a /proc/kpageflags of our own


class MadeUpGuest:
    """An agent in a mount namespace where the kernel seems to have so much memory. As a context: its Channel."""

    _MOUNT = ('mount -t tmpfs none "$1" && mv "$2" "$1"/iomem && cp --sparse=always "$3" "$1"/flags && rm "$3" && '
              'mount --bind "$1"/iomem /proc/iomem && mount --bind "$1"/flags /proc/kpageflags && shift 3 && exec "$@"')

    def __init__(self, memory_bytes):
        self._folder = tempfile.TemporaryDirectory(prefix="ballast-scale.", dir="/var/tmp")
        self._memory_bytes = memory_bytes
        self._process = None

    def __enter__(self):
        folder = self._folder.name
        os.mkdir(f"{folder}/proc")
        with open(f"{folder}/iomem", "w", encoding="ascii") as stream:
            stream.write(f"00000000-{self._memory_bytes - 1:x} : System RAM\n")
        self._write_flags(f"{folder}/flags")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/channel")
        listener.listen(1)
        listener.settimeout(60)
        self._process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", self._MOUNT, "sh", f"{folder}/proc", f"{folder}/iomem", f"{folder}/flags",
             agent_program(), "--channel", f"{folder}/channel"], stderr=subprocess.PIPE, text=True)
        channel = Channel(listener.accept()[0])
        listener.close()
        return channel

    def __exit__(self, *exc_info):
        self._process.terminate()
        self._process.communicate(timeout=10)
        self._folder.cleanup()

    def _write_flags(self, path):
        """Sparse: what is not free is a hole. The agent reads a tmpfs copy, whose holes cost no memory."""
        free = KPF_BUDDY.to_bytes(8, "little") * (FREE_BYTES // PAGE)
        with open(path, "wb") as stream:
            stream.truncate(self._memory_bytes // PAGE * 8)
            for address in range(0, self._memory_bytes, FREE_EVERY_BYTES):
                stream.seek(address // PAGE * 8)
                stream.write(free)

    def program(self):
        return Program(self._process.pid)


def measure_made_up(gib):
    """All range queries that it takes to see a made-up guest: a Point by its pages."""
    made_up = MadeUpGuest(gib * GIB)
    with made_up as channel:
        channel.ask("guest-sync", id=1)
        costs = {"query ms": 0.0, "scan ms": 0.0, "queries": 0, "slowest ms": 0.0, "ranges": 0}
        at = 0
        while at is not None:
            page, took_ms = timed(lambda start=at: channel.ask("guest-get-free-memory-ranges", **{"from": start}))
            costs["query ms"] += took_ms
            costs["scan ms"] += page["elapsed-us"] / 1000
            costs["slowest ms"] = max(costs["slowest ms"], took_ms)
            costs["queries"] += 1
            costs["ranges"] += len(page["ranges"])
            at = page.get("next")
        costs["agent MiB"] = made_up.program().memory()["rss-kib"] / 1024
        channel.close()
    expected = -(-gib * GIB // FREE_EVERY_BYTES)
    if costs["ranges"] < expected:
        raise RuntimeError(f"{costs['ranges']} ranges were found in {gib} GiB, where {expected} are free")
    print(f"scale: made up, {gib} GiB: {costs}", flush=True)
    return Point(gib * GIB // PAGE, f"{gib} GiB", costs)


# Domains


def write_status(host, number, padding):
    """As libvirt does: a file beside it, renamed."""
    name = f"d{number}"
    path = host.path(f"{STATUS_FOLDER}/{name}.xml")
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(STATUS.format(number=number, name=name, uuid=uuid.uuid5(uuid.NAMESPACE_OID, name), padding=padding))
    os.rename(path + ".new", path)


def known_domains(host):
    status = json.loads(host.ballast("status", "--json").stdout)["ballastd"]
    return len(status["domains"]) + status.get("domains-left-out", 0)


def measure_domains(bed, count):
    """A ballastd that finds `count` domains when it starts, of which some then change: a Point by domains."""
    host = bed.src
    padding = "x" * (STATUS_BYTES - len(STATUS))
    for number in range(count):
        write_status(host, number, padding)
    daemon, costs = Daemon(host), {}
    try:
        wait_until(lambda: known_domains(host) == count, 120, f"ballastd knows {count} domains")
        costs["start ms"] = _cpu_ms(daemon)
        for number in range(CHANGES):
            write_status(host, number % count, padding + "y")
        # Behind the changes, of which inotify tells in order.
        write_status(host, count, padding)
        wait_until(lambda: known_domains(host) == count + 1, 120, "ballastd has seen the changes")
        before = _cpu_ms(daemon)
        costs["changes ms"] = before - costs["start ms"]
        _, costs["status ms"] = timed(lambda: host.ballast("status", "--json"))
        costs["RSS MiB"] = daemon.program.memory()["rss-kib"] / 1024
        costs["anonymous MiB"] = daemon.program.memory()["anonymous-kib"] / 1024
    finally:
        daemon.stop()
    print(f"scale: {count} domains: {costs}", flush=True)
    return Point(count, f"{count} domains", costs)


def _cpu_ms(daemon):
    return sum(ms for ms, _ in daemon.program.usage().values())


def measure_all_domains(counts):
    with Bed() as bed:
        return [measure_domains(bed, count) for count in counts]


PARTS = {"guests": "pages", "made-up": "pages", "domains": "domains"}


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/scale.py", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(default: all)")
    parser.add_argument("--guests-mib", nargs="+", type=int, default=[1024, 2048, 4096, 8192, 16384], metavar="MIB")
    parser.add_argument("--made-up-gib", nargs="+", type=int, default=[16, 128, 1024, 4096, 12288], metavar="GIB")
    parser.add_argument("--domains", nargs="+", type=int, default=[10, 100, 1000, 5000], metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    points = {}
    if "made-up" in arguments.parts:
        points["made-up"] = [measure_made_up(gib) for gib in arguments.made_up_gib]
    if "domains" in arguments.parts:
        points["domains"] = measure_all_domains(arguments.domains)
    if "guests" in arguments.parts:
        points["guests"] = measure_guests(arguments.guests_mib)
    for part, measured in points.items():
        print(f"\n{part}\n" + "\n".join(table(measured, PARTS[part])))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as stream:
            json.dump({part: [vars(point) for point in measured] for part, measured in points.items()}, stream, indent=1)


if __name__ == "__main__":
    main()
