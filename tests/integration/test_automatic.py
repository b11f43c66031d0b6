# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballastd: plain `virsh migrate`, by whoever types it, goes without the guest's free memory."""

import contextlib
import json
import os
import re
import tempfile
import time

import pytest

from bed import GuestSpec
from bed.host import wait_until

from automatic import PlainMigration, check_settled, wait_marked, wait_nothing_released
from failures import FREED_MIB, check_unharmed, free_garbage, hold_status
from support import (MIB, PROTOCOL_BYTES, Memory, agent_config, agent_connected, check_whole, held_bytes, journal_files, migrate,
                     plain_migrate, sent_by, wait_nothing_held)

HEADROOM_BYTES = 128 * MIB


@pytest.mark.parametrize("flags", [(), ("--p2p",)], ids=lambda flags: "".join(flags) or "direct")
def test_plain_migration_goes_without_free_memory(bed, dirty, daemons, flags):
    guest, before = dirty("hold")
    wait_marked(guest)

    wire = plain_migrate(bed, guest, *flags)

    wait_nothing_released(bed, guest)
    assert wire < before.used(guest) + HEADROOM_BYTES + PROTOCOL_BYTES
    assert wire < FREED_MIB * MIB * 2 // 3
    check_whole(guest, before, FREED_MIB)
    wait_marked(guest)


def domain_state(host, guest):
    """As ballastd says."""
    return json.loads(host.ballast("status", "--json", guest.name).stdout)["ballastd"]["domains"][0]["state"]


def test_status_and_history(bed, dirty, daemons):
    """Both ends tell of the domain; the source of the migration, with what was released and libvirt's figures."""
    guest, before = dirty("hold")
    wait_marked(guest)
    uuid = guest.xml().findtext("uuid")

    def asked(host):
        return json.loads(host.ballast("status", "--json", guest.name).stdout)["ballastd"]

    assert asked(bed.src) == {"libvirt": True, "domains-left-out": 0, "migrations": [], "domains": [
        {"domain": guest.name, "uuid": uuid, "state": "idle", "window": True}]}
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("released")
        running.wait_for_memory()
        shown = asked(bed.src)
        (domain,), (migration,) = shown["domains"], shown["migrations"]
        assert domain["state"] == "released"
        assert domain["released-bytes"] == migration["released-bytes"] > 100 * MIB
        assert migration["outcome"] == "running"
        assert re.search(rf"^  {guest.name} +released .* since ", bed.src.ballast("status").stdout, re.M)
        sent_before = sent_by(bed, bed.src)
        running.complete()
    guest.moved_to(bed.dst)
    wait_until(lambda: "sent-bytes" in asked(bed.src)["migrations"][0], 10, "libvirt's figures arrive")

    (migration,) = asked(bed.src)["migrations"]
    assert migration["uuid"] == uuid
    assert (migration["outcome"], migration["released-by"]) == ("left", "ballastd")
    assert migration["hold-ended"] is None and migration["why-nothing"] is None
    assert migration["gain-bytes"] >= migration["released-bytes"] - 2 * MIB > 100 * MIB
    assert sent_by(bed, bed.src) - sent_before - PROTOCOL_BYTES < migration["sent-bytes"] < FREED_MIB * MIB
    assert 0 < migration["memory-sent-bytes"] <= migration["sent-bytes"]
    assert 0 < migration["downtime-ms"] < migration["total-ms"]
    assert 0 < migration["release-ms"] < (migration["ended-us"] - migration["began-us"]) / 1000
    daemons[0].wait_for_log(f"\"{guest.name}\" left: released ")
    assert " left: released " in bed.src.ballast("status").stdout

    wait_until(lambda: [domain["state"] for domain in asked(bed.dst)["domains"]] == ["idle"], 20,
               "the destination has settled the domain")
    assert asked(bed.dst)["migrations"] == asked(bed.src)["domains"] == []
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.long)])
def test_there_and_back(bed, dirty, daemons, times):
    guest, before = dirty("hold")
    for _ in range(times):
        wait_marked(guest)
        assert plain_migrate(bed, guest) < FREED_MIB * MIB * 2 // 3
        wait_nothing_released(bed, guest)
        check_whole(guest, before, FREED_MIB)


@pytest.fixture
def crossing(bed, boot, daemons):
    """Two guests on each host that have freed memory, and what each has. `boot` destroys them."""
    guests = [bed.guest(GuestSpec(name=f"crossing{n}")).start(host, wait=False)
              for n, host in enumerate(2 * bed.hosts)]
    for guest in guests:
        guest.wait_ready()
        wait_until(lambda: agent_connected(guest), 20, f"the agent of guest {guest.name} opens its channel")
        free_garbage(guest)
        wait_marked(guest)
    return [(guest, Memory.of(guest)) for guest in guests]


def test_two_out_and_two_in_at_once(bed, crossing):
    sent = bed.wire_bytes()
    with contextlib.ExitStack() as stack:
        moves = [stack.enter_context(PlainMigration(guest)) for guest, _ in crossing]
        for move in moves:
            move.wait_for_hold()
        for move in moves:
            move.complete()
    for before, now in zip(sent, bed.wire_bytes()):
        assert now - before < 2 * FREED_MIB * MIB * 2 // 3
    for guest, before in crossing:
        check_settled(guest, before, bed.other(guest.host))


def test_ballast_migrate_has_its_own_way(bed, dirty, daemon):
    """Neither does ballastd release as well, nor does the destination wait for it."""
    source = daemon(bed.src)
    daemon(bed.dst, config=["window-ms=10000"])
    guest, before = dirty("hold")
    wait_marked(guest)

    run = migrate(bed, guest)

    assert list(run.released) == ["hold"]
    assert run.lines == []
    assert run.report["phases-ms"]["migrate"] < 10000
    assert "released" not in source.log()
    check_whole(guest, before, FREED_MIB)
    wait_marked(guest)


def test_cancelled(bed, dirty, daemons):
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("released")
        running.wait_for_memory()
        assert held_bytes(guest) > 100 * MIB
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.src)


# Runs a command that sees none of libvirt's status files, but the driver's and the guest's processes.
WITHOUT_STATUS_FILES = ("unshare", "-m", "sh", "-c", "set -e; empty=$(mktemp -d -p /run); touch $empty/driver.pid; "
                        "mount --bind /run/libvirt/qemu/driver.pid $empty/driver.pid; "
                        "ln -s /proc/1/root/run/libvirt/qemu/hold.pid $empty; "
                        "mount --rbind $empty /run/libvirt/qemu; exec \"$@\"", "-")


def test_without_status_files(bed, dirty, daemon):
    """Then libvirt's and QEMU's events have to do, though they come when memory flows."""
    without = daemon(bed.src, within=WITHOUT_STATUS_FILES)
    daemon(bed.dst)
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        without.wait_for_log("released")
        running.wait_for_memory()
        assert held_bytes(guest) > 100 * MIB
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.src)
    with PlainMigration(guest) as running:
        running.wait_for_memory()
        running.complete()
    check_settled(guest, before, bed.dst)


def test_migrated_again_at_once(bed, dirty, daemons):
    """The next migration begins while what the cancelled one had released is being given back."""
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("released")
        running.wait_for_memory()
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    with PlainMigration(guest) as running:
        # It is looked at again; but what was held before is zeros, of which nothing is sent.
        daemons[0].wait_for_log("migrates plainly: too little", 30)
        running.wait_for_memory()
        running.complete()
    guest.moved_to(bed.dst)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


def test_guest_without_an_agent(bed, boot, daemons):
    """It is left alone at once: under the job that migrates it even a question may take half a minute."""
    guest = boot(agent=False)
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("migrates plainly")
        running.wait_for_memory()
        running.complete()
    guest.moved_to(bed.dst)


def test_destination_dies(bed, dirty, daemons):
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("released")
        running.wait_for_memory()
        bed.dst.virsh("destroy", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.src)


def test_destination_without_ballast(bed, dirty, daemon):
    """The hold ends by its lease where nobody knows of it."""
    daemon(bed.src)
    guest, before = dirty("hold")
    wait_marked(guest)
    with PlainMigration(guest) as running:
        running.wait_for_memory()
        running.complete()
    guest.moved_to(bed.dst)
    wait_nothing_held(guest, 40)
    wait_nothing_released(bed, guest)
    check_whole(guest, before, FREED_MIB)


@pytest.mark.parametrize("name, goes_on", [("journal-written", "released"), ("released", "goes on with"),
                                           ("keeping", "goes on with")])
def test_killed_while_it_releases(bed, dirty, daemon, name, goes_on):
    """The next ballastd goes on where that one was."""
    killed = daemon(bed.src, stop_at=[name])
    daemon(bed.dst)
    guest, before = dirty("hold")
    wire = sent_by(bed, bed.src)
    with PlainMigration(guest) as running:
        killed.wait_at(name)
        killed.sigkill()
        daemon(bed.src).wait_for_log(goes_on)
        running.wait_for_memory()
        running.complete()
    assert sent_by(bed, bed.src) - wire < FREED_MIB * MIB * 2 // 3
    guest.moved_to(bed.dst)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


def test_what_was_released_by_hand_lasts(bed, dirty, daemons):
    """ballastd keeps the lease of what `ballast release` has the agent hold, and leaves it when the migration failed."""
    guest, before = dirty("hold")
    agent_config(guest, "[hold]\nlease-s=6\n")
    bed.src.ballast("release", guest.name)
    held = held_bytes(guest)
    assert held > 100 * MIB
    with PlainMigration(guest) as running:
        running.wait_for_memory()
        until = time.monotonic() + 12
        while time.monotonic() < until:
            # The kernel's figure is off by what each processor has not yet summed up.
            assert abs(held_bytes(guest) - held) < MIB
            time.sleep(0.5)
        assert domain_state(bed.src, guest) == "released"
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_until(lambda: domain_state(bed.src, guest) == "idle", 20, "ballastd has done with the migration")
    assert len(journal_files(bed.src)) == 1
    bed.src.ballast("restore", guest.name)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.src)


def test_owner_dies(bed, dirty, daemons):
    """What a `ballast` that was killed left behind ballastd gives back."""
    guest, before = dirty("balloon")
    with tempfile.TemporaryDirectory(dir=bed.shared) as folder:
        with open(f"{folder}/released", "w", encoding="ascii"):
            pass
        process = bed.src.ballast_popen("--mechanisms", "balloon", "migrate", "--live", "--unsafe", guest.name,
                                        bed.dst.uri, env={"BALLAST_BREAKPOINT_DIR": folder})
        wait_until(lambda: os.path.exists(f"{folder}/released.hit"), 40, "breakpoint released", interval=0.01)
        process.kill()
        process.wait(10)
    wait_until(lambda: not journal_files(bed.src), 40, "ballastd settles the release")
    check_unharmed(guest, before, bed.src)


def test_libvirtd_restarts_in_the_middle(bed, dirty, daemons):
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        daemons[0].wait_for_log("released")
        running.wait_for_memory()
        bed.src.kill_libvirtd()
        bed.src.start_libvirtd()
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.src)


def test_hook_hangs(bed, dirty, daemons):
    """A ballastd that is stopped costs the destination's hook its deadline, and no more."""
    guest, before = dirty("hold")
    wait_marked(guest)
    daemons[1].stand_still()
    began = time.monotonic()
    wire = plain_migrate(bed, guest)
    assert time.monotonic() - began >= 11
    daemons[1].go_on()
    assert wire < FREED_MIB * MIB * 2 // 3
    wait_nothing_released(bed, guest)
    check_whole(guest, before, FREED_MIB)


def test_configuration_is_read_again(bed, dirty, daemon):
    source = daemon(bed.src)
    daemon(bed.dst)
    source.reload(["window=2"])
    source.wait_for_log("[memory] window: there is no such key; the configuration stays as it was")
    source.reload(["min-gain-mib=1000"])
    source.wait_for_log("the configuration was read again")
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        source.wait_for_log("migrates plainly: too little", 20)
        running.wait_for_memory()
        running.complete()
    check_settled(guest, before, bed.dst)


@pytest.mark.parametrize("job", ["save", "managedsave", "dump", "snapshot"])
def test_other_jobs_release_nothing(bed, dirty, daemons, job):
    guest, before = dirty("hold", disk_mib=64) if job == "snapshot" else dirty("hold")
    image = f"{bed.shared}/{job}.image"
    {"save": lambda: guest.host.virsh("save", guest.name, image, timeout=120),
     "managedsave": lambda: guest.host.virsh("managedsave", guest.name, timeout=120),
     "dump": lambda: guest.host.virsh("dump", "--live", "--memory-only", guest.name, image, timeout=120),
     "snapshot": lambda: guest.host.virsh("snapshot-create-as", guest.name, "one", timeout=120)}[job]()
    if job == "save":
        guest.host.virsh("restore", image, timeout=120)
    if job == "managedsave":
        guest.host.virsh("start", guest.name, timeout=120)
    guest.moved_to(bed.src)
    assert "released" not in daemons[0].log()
    assert hold_status(guest)["state"] == "idle"
    if job == "snapshot":
        guest.host.virsh("snapshot-delete", guest.name, "one", timeout=120)
    check_whole(guest, before, 0)
