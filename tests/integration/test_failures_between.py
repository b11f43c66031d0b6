# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may happen to a guest between the release and the give-back: reboot, save, snapshot, an operator's own change."""

import dataclasses

import pytest

from bed.host import wait_until

from failures import GUESTS, check_unharmed, migration, run
from support import Memory, has_tag, journal_files, matrix

KIB = 1024


def reboot(bed, guest):
    guest.reboot()


def save_and_restore(bed, guest):
    path = f"{bed.shared}/{guest.name}.save"
    guest.save(path)
    bed.src.virsh("restore", path)
    guest.moved_to(bed.src)


def managed_save_and_start(bed, guest):
    guest.disconnect()
    bed.src.virsh("managedsave", guest.name)
    bed.src.virsh("start", guest.name)
    guest.moved_to(bed.src)


def snapshot_and_revert(bed, guest):
    bed.src.virsh("snapshot-create-as", guest.name, "released")
    guest.shell("touch /run/later")
    guest.disconnect()
    bed.src.virsh("snapshot-revert", guest.name, "released")
    guest.moved_to(bed.src)
    assert guest.shell_status("ls /run/later")[0] == 1


EVENTS = {
    "reboot": reboot,
    "save": save_and_restore,
    "managedsave": managed_save_and_start,
    "snapshot": snapshot_and_revert,
}


def release(bed, guest, mechanism):
    run(bed.src, "--mechanisms", mechanism, "release", guest.name).check(0)


def begin_migration(bed, guest, mechanism):
    with migration(guest, mechanism, stop_at=["released"]) as ballast:
        ballast.wait_at("released")
        ballast.sigkill()


# How memory was released, and what gives it back.
WAYS = {
    "release-restore": (release, "restore"),
    "sigkill-recover": (begin_migration, "recover"),
}


def fields_for(event):
    return {"disk_mib": 64} if event == "snapshot" else {}


CASES = [
    *(("release-restore", mechanism, event) for mechanism in GUESTS for event in ("save", "snapshot", "reboot")),
    ("release-restore", "balloon", "managedsave"),
    *(("sigkill-recover", "balloon", event) for event in ("reboot", "save", "snapshot")),
    *(("sigkill-recover", "virtio-mem", event) for event in ("reboot", "save")),
]


def without_current_memory(memory):
    """libvirt 9.0 counts a virtio-mem device twice in currentMemory when its guest reboots within a second of a
    resize; `virsh update-memory-device` and a reboot alone show it. The device's own sizes are right."""
    return dataclasses.replace(memory, sizes={name: size for name, size in memory.sizes.items()
                                              if name != "currentMemory"})


USUAL = ["release-restore-hold-snapshot", "release-restore-balloon-save", "release-restore-virtio-mem-snapshot",
         "release-restore-virtio-mem-reboot", "sigkill-recover-balloon-snapshot", "sigkill-recover-balloon-reboot",
         "sigkill-recover-virtio-mem-save"]


@pytest.mark.parametrize("way, mechanism, event", matrix({"-".join(case): case for case in CASES}, USUAL))
def test_memory_comes_back_after(bed, dirty, way, mechanism, event):
    take, give_back = WAYS[way]
    guest, before = dirty(mechanism, **fields_for(event))
    take(bed, guest, mechanism)
    assert len(journal_files(bed.src)) == 1

    EVENTS[event](bed, guest)
    result = run(bed.src, give_back, guest.name)

    result.check(0)
    if (mechanism, event) == ("virtio-mem", "reboot"):
        before = without_current_memory(before)
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("mechanism", matrix({"balloon": ["balloon"], "virtio-mem": ["virtio-mem"]}, ["virtio-mem"]))
def test_snapshot_of_released_memory_is_reverted_to_later(bed, dirty, mechanism):
    """Long after the memory was given back, nothing but the snapshot's own metadata knows of it."""
    guest, before = dirty(mechanism, **fields_for("snapshot"))
    release(bed, guest, mechanism)
    bed.src.virsh("snapshot-create-as", guest.name, "released")
    run(bed.src, "restore", guest.name).check(0)
    check_unharmed(guest, before, bed.src)

    guest.disconnect()
    bed.src.virsh("snapshot-revert", guest.name, "released")
    guest.moved_to(bed.src)
    assert has_tag(bed.src, guest.name)
    assert Memory.of(guest).sizes != before.sizes

    run(bed.src, "restore", guest.name).check(0)
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("mechanism", matrix({"balloon": ["balloon"], "virtio-mem": ["virtio-mem"]}, ["balloon"]))
def test_snapshot_from_before_the_release(bed, dirty, mechanism):
    guest, before = dirty(mechanism, **fields_for("snapshot"))
    bed.src.virsh("snapshot-create-as", guest.name, "whole")
    release(bed, guest, mechanism)
    guest.disconnect()
    bed.src.virsh("snapshot-revert", guest.name, "whole")
    guest.moved_to(bed.src)

    run(bed.src, "restore", guest.name).check(0)
    check_unharmed(guest, before, bed.src)


def set_balloon(bed, guest):
    bed.src.virsh("setmem", guest.name, str(400 * KIB), "--live")
    wait_until(lambda: guest.xml().findtext("currentMemory") == str(400 * KIB), 20, "the balloon moves")


def set_virtio_mem(bed, guest):
    bed.src.virsh("update-memory-device", guest.name, "--live", "--alias", "virtiomem0", "--requested-size", "256M")
    target = "devices/memory[@model='virtio-mem']/target"
    wait_until(lambda: guest.xml().find(target).findtext("current") == str(256 * KIB), 20, "memory is plugged")


OPERATOR = {"balloon": (set_balloon, "the balloon"), "virtio-mem": (set_virtio_mem, "virtio-mem device virtiomem0")}


@pytest.mark.parametrize("way, mechanism", matrix({f"{way}-{mechanism}": (way, mechanism) for way in WAYS
                                                   for mechanism in OPERATOR},
                                                  ["release-restore-virtio-mem", "sigkill-recover-balloon"]))
def test_operators_own_change_stands(bed, dirty, way, mechanism):
    take, give_back = WAYS[way]
    change, what = OPERATOR[mechanism]
    guest, _ = dirty(mechanism)
    take(bed, guest, mechanism)
    change(bed, guest)
    wanted = Memory.of(guest)

    result = run(bed.src, give_back, guest.name)

    result.check(0, warnings=[f"somebody resized {what}"])
    check_unharmed(guest, wanted, bed.src)
