# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrates a guest by one of matrix.WAYS, and makes sure that it really was migrated that way."""

import contextlib
import json
import re
import time

from bed import GuestSpec
from bed.daemon import Daemon, install_hook, remove_hook
from bed.guest_spec import HINT_IOTHREAD
from bed.host import wait_until
from integration.support import Memory, agent_connected, has_window_tag, held_bytes, sizes

from bench.matrix import Kind

MIB = 1 << 20

# Bits of the balloon's features, linux/virtio_balloon.h.
FEATURE_HINT = 3
FEATURE_REPORTING = 5

HINT_THREAD = f"IO {HINT_IOTHREAD}"

# What a balloon inflated by hand leaves free, as Ballast does by default.
BY_HAND_MIN_FREE_BYTES = 128 * MIB
BY_HAND_FREE_DIVISOR = 20


class Void(Exception):
    """The cell shows nothing about its way; one sentence."""


def spec_for(way, memory_mib, name, disk_mib=0):
    """The guest that a way needs: for virtio-mem three quarters of it are a virtio-mem device."""
    device_mib = memory_mib * 3 // 4 if "virtio-mem" in way.mechanisms else 0
    return GuestSpec(name=name, memory_mib=memory_mib - device_mib, virtio_mem_mib=device_mib, vcpus=2,
                     kernel_args=way.kernel_args, disk_mib=disk_mib,
                     free_page_hint=way.kind is Kind.HINT, free_page_reporting=way.kind is Kind.REPORTING)


# Before the migration


@contextlib.contextmanager
def ballastd(bed, way, page_cache, window_ms):
    """ballastd and its hook on both hosts, for the way's mechanisms; window_ms: None for its own."""
    config = ["mechanisms=" + way.mechanisms.replace(",", ";"), f"page-cache={page_cache}"]
    if window_ms is not None:
        config.append(f"window-ms={window_ms}")
    if "virtio-mem" in way.mechanisms:
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


def daemons_for(bed, way, page_cache="keep", window_ms=None):
    """What has to run on the hosts meanwhile, as a context."""
    return ballastd(bed, way, page_cache, window_ms) if way.kind is Kind.AUTOMATIC else contextlib.nullcontext()


def has_feature(guest, bit):
    """Whether the guest's balloon driver took a feature that the device offers."""
    paths = "/sys/bus/virtio/drivers/virtio_balloon/virtio*/features"
    return guest.shell(f"cat {paths}").strip()[bit] == "1"


def hint_signals(guest):
    """Interrupts of the guest's balloon so far: QEMU tells it when hints shall begin and end, and when it is resized."""
    device = guest.shell("basename /sys/bus/virtio/drivers/virtio_balloon/virtio*").strip()
    # A device without MSI-X, as this one is in QEMU 7.2, has a line of its own or one with others.
    lines = re.findall(rf"^\s*\d+:((?:\s+\d+)+)\s.*\b{device}\b", guest.shell("cat /proc/interrupts"), re.M)
    return sum(int(count) for line in lines for count in line.split())


def settle(guest, way):
    """Waits until the guest is as its way wants it before a migration; Void when it never will be."""
    if way.is_ballast:
        wait_until(lambda: agent_connected(guest), 20, "the agent opens its channel")
    if way.kind is Kind.AUTOMATIC:
        wait_until(lambda: has_window_tag(guest), 20, "ballastd marks the domain")
    elif way.kind is Kind.HINT and not has_feature(guest, FEATURE_HINT):
        raise Void("the guest's balloon driver did not take free-page-hint")
    elif way.kind is Kind.REPORTING:
        _wait_reported(guest)


def _wait_reported(guest):
    """The kernel reports every 2 s what has become free since; what is left is in small blocks."""
    if not has_feature(guest, FEATURE_REPORTING):
        raise Void("the guest's balloon driver did not take free page reporting")
    last = [guest.rss_bytes(), time.monotonic()]

    def is_still():
        now = guest.rss_bytes()
        if abs(now - last[0]) > 4 * MIB:
            last[:] = now, time.monotonic()
        return time.monotonic() - last[1] > 5

    wait_until(is_still, 60, "reporting comes to its end", interval=0.5)


# The migration. Each returns figures by name: times in seconds, until the guest has all of its memory again.


def migrate(bed, guest, way, speed, page_cache, before):
    """Migrates the guest from src to dst; before: the Memory that it has."""
    options = ["--live", "--unsafe", *([] if speed.mibps is None else ["--bandwidth", str(speed.mibps)])]
    if way.kind is Kind.BALLAST:
        return _ballast_migrate(bed, guest, [*options, "--page-cache", page_cache], way.mechanisms)
    if way.kind is Kind.AUTOMATIC:
        return _migrate_automatically(bed, guest, [*options, *way.options], before)
    if way.kind is Kind.BY_HAND:
        return _migrate_with_balloon(bed, guest, options, before)
    if way.kind is Kind.HINT:
        return _migrate_with_hint(bed, guest, options)
    return _virsh_migrate(bed, guest, options)


def _virsh_migrate(bed, guest, options):
    began = time.monotonic()
    bed.src.virsh("migrate", *options, guest.name, bed.dst.uri, timeout=900)
    elapsed = time.monotonic() - began
    stats = bed.dst.virsh("domjobinfo", "--completed", guest.name, check=False).stdout
    downtime = re.search(r"^Total downtime:\s+(\d+)\s+ms", stats, re.M)
    guest.moved_to(bed.dst)
    return {"migrate_s": elapsed, "total_s": elapsed, "downtime_ms": int(downtime[1]) if downtime else None}


def _ballast_migrate(bed, guest, options, mechanisms):
    began = time.monotonic()
    done = bed.src.ballast("migrate", *options, "--json", "--mechanisms", mechanisms, guest.name, bed.dst.uri,
                           timeout=900)
    elapsed = time.monotonic() - began
    guest.moved_to(bed.dst)
    report = json.loads(done.stdout)
    phases = report["phases-ms"]
    return {"release_s": (phases["survey"] + phases["release"]) / 1000, "migrate_s": phases["migrate"] / 1000,
            "give_back_s": phases["give-back"] / 1000, "total_s": elapsed,
            "downtime_ms": report.get("downtime-ms"), "headroom_bytes": report["headroom-bytes"],
            "released_bytes": report["released-bytes"], "warnings": report["warnings"]}


def _migrate_automatically(bed, guest, options, before):
    """`virsh migrate` under ballastd, its time has the window and the release in it. What is given back while the
    tests look for the guest at its destination took time as well, which hence counts."""
    began = time.monotonic()
    figures = _virsh_migrate(bed, guest, options)
    wait_until(lambda: held_bytes(guest) < MIB, 60, "the guest has what was held of it again", interval=0.1)
    wait_until(lambda: Memory.of(guest).total >= before.total and sizes(guest.xml()) == before.sizes, 60,
               "the guest has its memory again, and libvirt's account is right")
    figures["total_s"] = time.monotonic() - began
    figures["give_back_s"] = figures["total_s"] - figures["migrate_s"]
    figures.update(_account_of_ballastd(bed.src, guest.name))
    return figures


def _account_of_ballastd(host, name):
    """What the source's ballastd says about the last migration of a domain."""
    def last():
        migrations = json.loads(host.ballast("status", "--json", name).stdout)["ballastd"]["migrations"]
        return migrations[-1] if migrations and migrations[-1].get("released-by") != "unknown" else None

    told = wait_until(last, 20, f"ballastd on {host.name} tells of its release")
    if told["released-by"] not in ("ballastd", "nobody"):
        raise Void(f"ballastd on {host.name} did not release: {told}")
    why = told.get("why-nothing")
    return {"released_bytes": told.get("released-bytes", 0), "release_s": told.get("release-ms", 0) / 1000,
            "warnings": [why] if why else []}


def _migrate_with_balloon(bed, guest, options, before):
    total_kib = int(before.sizes["currentMemory"])
    headroom_bytes = max(BY_HAND_MIN_FREE_BYTES, total_kib * 1024 // BY_HAND_FREE_DIVISOR)
    target_kib = total_kib - max(0, before.free - headroom_bytes) // 1024
    began = time.monotonic()
    _set_balloon(bed.src, guest, target_kib)
    released = time.monotonic()
    figures = _virsh_migrate(bed, guest, options)
    migrated = time.monotonic()
    _set_balloon(bed.dst, guest, total_kib)
    figures["release_s"] = released - began
    figures["give_back_s"] = time.monotonic() - migrated
    figures["total_s"] += figures["release_s"] + figures["give_back_s"]
    figures["released_bytes"] = (total_kib - target_kib) * 1024
    figures["headroom_bytes"] = headroom_bytes
    return figures


def _set_balloon(host, guest, target_kib):
    def is_there():
        shown = host.virsh("dommemstat", guest.name).stdout
        return abs(int(re.search(r"^actual (\d+)", shown, re.M)[1]) - target_kib) < 4

    host.virsh("setmem", guest.name, str(target_kib), "--live")
    wait_until(is_there, 120, f"the balloon comes to {target_kib} KiB")


def _migrate_with_hint(bed, guest, options):
    signals = hint_signals(guest)
    figures = _virsh_migrate(bed, guest, options)
    return {**figures, "hint_signals": hint_signals(guest) - signals}


# After the migration


def check_taken(way, result, workload):
    """Void unless a peer was really at work. Ballast says itself what it has done."""
    if way.kind is Kind.HINT and not result.hint_signals:
        raise Void("QEMU did not ask the guest for free pages")
    if way.kind is Kind.HINT and not result.hint_thread_switches:
        raise Void("QEMU's thread for the hints did not run: the guest gave none")
    if way.kind is Kind.REPORTING and workload in ("dirty-free", "busy"):
        left = result.source_rss_before - result.used_bytes
        if left > result.free_bytes // 2:
            raise Void(f"QEMU still had {left // MIB} MiB more than the guest used: free pages were not reported")
