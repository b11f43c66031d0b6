# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballastd where every host runs one (cluster-wide=yes): it releases virtio-mem memory as well."""

import json
import re

import pytest

from bed.host import wait_until

from automatic import PlainMigration, wait_marked, wait_nothing_released
from failures import FREED_MIB, check_unharmed
from support import MIB, PROTOCOL_BYTES, Memory, check_whole, migrate, sent_by

# The window is as long as it may be: under emulation a guest may take seconds to give memory up.
CLUSTER_WIDE = ("cluster-wide=yes", "window-ms=10000")


@pytest.fixture
def daemons(bed, daemon):
    """One on each host: (source's, destination's)."""
    return [daemon(host, config=CLUSTER_WIDE) for host in bed.hosts]


def virtio_mem_bytes(daemon):
    """What a ballastd says that it released of virtio-mem devices."""
    return sum(map(int, re.findall(r"(\d+) bytes by virtio-mem", daemon.log())))


def wait_released(daemon):
    wait_until(lambda: virtio_mem_bytes(daemon), 20, "ballastd releases virtio-mem memory", interval=0.02)


def wait_plugged(guest, before):
    """The guest follows what it is asked for by itself, and so does what libvirt says of it."""
    wait_until(lambda: Memory.of(guest).total >= before.total, 20, f"guest {guest.name} has its memory again")
    wait_until(lambda: Memory.of(guest).sizes == before.sizes, 10, f"libvirt's account of guest {guest.name} is right")


def arrive_released(bed, guest, daemons):
    """It comes to bed.dst, where no ballastd runs meanwhile, without what was released of it."""
    with PlainMigration(guest) as running:
        wait_released(daemons[0])
        daemons[1].sigkill()
        running.wait_for_memory()
        running.complete()
    guest.moved_to(bed.dst)


def test_released_before_memory_flows(bed, dirty, daemons):
    guest, before = dirty("virtio-mem")
    wait_marked(guest)
    wire = sent_by(bed, bed.src)
    with PlainMigration(guest) as running:
        wait_released(daemons[0])
        assert sent_by(bed, bed.src) - wire < MIB
        assert Memory.of(guest).total < before.total - 100 * MIB
        running.wait_for_memory()
        running.complete()
    wire = sent_by(bed, bed.src) - wire
    guest.moved_to(bed.dst)
    wait_nothing_released(bed, guest)
    wait_plugged(guest, before)
    assert wire < before.used(guest) + 128 * MIB + PROTOCOL_BYTES
    check_whole(guest, before, FREED_MIB)


def test_cancelled(bed, dirty, daemons):
    guest, before = dirty("virtio-mem")
    with PlainMigration(guest) as running:
        wait_released(daemons[0])
        running.wait_for_memory()
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    wait_plugged(guest, before)
    check_unharmed(guest, before, bed.src)


def test_source_daemon_dies(bed, dirty, daemon):
    """What it released the next one gives back after the migration failed."""
    killed = daemon(bed.src, config=CLUSTER_WIDE, stop_at=["keeping"])
    daemon(bed.dst, config=CLUSTER_WIDE)
    guest, before = dirty("virtio-mem")
    with PlainMigration(guest) as running:
        killed.wait_at("keeping")
        killed.sigkill()
        daemon(bed.src, config=CLUSTER_WIDE).wait_for_log("goes on with")
        running.wait_for_memory()
        guest.host.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    wait_plugged(guest, before)
    check_unharmed(guest, before, bed.src)


def test_destination_daemon_away(bed, dirty, daemons, daemon):
    """One that starts only after the arrival finds that memory is missing."""
    guest, before = dirty("virtio-mem")
    arrive_released(bed, guest, daemons)
    assert Memory.of(guest).total < before.total - 100 * MIB
    daemon(bed.dst, config=CLUSTER_WIDE)
    wait_plugged(guest, before)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


def test_saved_before_it_is_whole(bed, dirty, daemons, daemon):
    """A saved image keeps what is released, and no journal remembers."""
    guest, before = dirty("virtio-mem")
    arrive_released(bed, guest, daemons)
    image = f"{bed.shared}/released.image"
    bed.dst.virsh("save", guest.name, image, timeout=120)
    daemon(bed.dst, config=CLUSTER_WIDE)
    bed.dst.virsh("restore", image, timeout=120)
    guest.moved_to(bed.dst)
    wait_plugged(guest, before)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


def test_paused_arrival_nearly_leaves(bed, dirty, daemons):
    """It arrives paused, and a migration of it on from there is cancelled."""
    guest, before = dirty("virtio-mem")
    with PlainMigration(guest, "--suspend") as running:
        wait_released(daemons[0])
        running.wait_for_memory()
        running.complete()
    guest.moved_to(bed.dst, wait=False)
    with PlainMigration(guest) as running:
        running.wait_for_memory()
        bed.dst.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    bed.dst.virsh("resume", guest.name)
    wait_plugged(guest, before)
    wait_nothing_released(bed, guest)
    check_unharmed(guest, before, bed.dst)


def test_asked_for_something_in_between(bed, dirty, daemons):
    """As where libvirt died before it could tell that QEMU had been asked for what the guest was able to give."""
    guest, before = dirty("virtio-mem")
    with PlainMigration(guest) as running:
        wait_released(daemons[0])
        running.wait_for_memory()
        device = guest.xml().find("devices/memory[@model='virtio-mem']/alias").get("name")
        between = {"path": f"/machine/peripheral/{device}", "property": "requested-size", "value": 352 * MIB}
        bed.src.virsh("qemu-monitor-command", guest.name, json.dumps({"execute": "qom-set", "arguments": between}))
        bed.src.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    wait_nothing_released(bed, guest)
    wait_plugged(guest, before)
    check_unharmed(guest, before, bed.src)


def test_ballast_migrate_gives_back_itself(bed, dirty, daemons):
    guest, before = dirty("virtio-mem")
    run = migrate(bed, guest)
    assert "virtio-mem" in run.released
    assert run.lines == []
    check_whole(guest, before, FREED_MIB)
