# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each mechanism on a guest of 1 GiB that has freed most of its memory, and on one with nothing to gain."""

import pytest

from bed.host import wait_until

from support import MIB, PROTOCOL_BYTES, Memory, check_whole, journal_files, migrate, plain_migrate

FREED_MIB = 640

# Everything that can release 640 MiB: the domain that it needs, and what `--mechanisms` says.
MECHANISMS = {
    "hold": ({"memory_mib": 1024}, "hold"),
    "virtio-mem": ({"memory_mib": 256, "virtio_mem_mib": 768}, "virtio-mem"),
    "virtio-mem,hold": ({"memory_mib": 640, "virtio_mem_mib": 384}, "virtio-mem,hold"),
    "balloon": ({"memory_mib": 1024}, "balloon"),
}


def dirty(guest, mib=FREED_MIB):
    """Has `guest` write and free memory, with a canary beside; what it then has."""
    guest.canary_start(16)
    guest.fill(mib)
    return Memory.of(guest)


def check_wire(run, guest, before):
    """Only memory in use at the start and the headroom crossed the wire."""
    assert run.wire <= before.used(guest) + run.report["headroom-bytes"] + PROTOCOL_BYTES


@pytest.mark.parametrize("name", MECHANISMS)
def test_only_used_memory_crosses_the_wire(bed, boot, name):
    fields, mechanisms = MECHANISMS[name]
    guest = boot(**fields)
    before = dirty(guest)

    run = migrate(bed, guest, "--mechanisms", mechanisms)

    assert sorted(run.released) == sorted(mechanisms.split(","))
    assert run.report["why-nothing"] is None
    assert run.lines == []
    check_wire(run, guest, before)
    # Plainly all that was freed would cross as well, see test_plain_migration.
    assert run.wire < FREED_MIB * MIB // 2
    check_whole(guest, before, FREED_MIB)


def test_all_memory_filled_then_freed(bed, boot):
    guest = boot(memory_mib=1024)
    before = dirty(guest, "all")

    run = migrate(bed, guest)

    assert list(run.released) == ["hold"]
    check_wire(run, guest, before)
    check_whole(guest, before, FREED_MIB)


def test_guest_in_shared_memory(bed, boot):
    guest = boot(memory_mib=1024, shared_memory=True)
    before = dirty(guest)

    run = migrate(bed, guest)

    assert list(run.released) == ["hold"]
    assert run.lines == []
    check_wire(run, guest, before)
    check_whole(guest, before, FREED_MIB)


@pytest.mark.long
def test_there_and_back_and_there_again(bed, boot):
    guest = boot(memory_mib=1024)
    before = dirty(guest)
    for mechanism in "hold", "balloon", "hold":
        run = migrate(bed, guest, "--mechanisms", mechanism)
        assert list(run.released) == [mechanism]
        assert run.lines == []
        check_wire(run, guest, before)
        # Which makes it dirty again.
        check_whole(guest, before, FREED_MIB)


@pytest.mark.parametrize("policy", ["keep", "trim", "drop"])
def test_page_cache(bed, boot, policy):
    cached_mib = 300
    guest = boot(memory_mib=768, disk_mib=cached_mib + 40)
    guest.canary_start(16)
    guest.shell("mke2fs -b 4096 /dev/vda && mount -t ext4 /dev/vda /mnt")
    guest.shell(f"dd if=/dev/urandom of=/mnt/file bs=1M count={cached_mib} && sync", timeout=120)
    cached = guest.meminfo()["Cached"] + guest.meminfo()["Buffers"]
    assert cached > cached_mib * MIB
    before = Memory.of(guest)

    run = migrate(bed, guest, "--page-cache", policy)

    left = guest.meminfo()["Cached"] + guest.meminfo()["Buffers"]
    trimmed = run.released.get("page-cache", 0)
    if policy == "keep":
        assert trimmed == 0
        assert left > cached - 20 * MIB
        assert run.wire > cached_mib * MIB
    else:
        goal = cached_mib * MIB // (2 if policy == "trim" else 1)
        assert trimmed > goal * 0.8
        assert left < cached - goal * 0.8
        assert run.wire < before.used(guest) - goal * 0.8 + run.report["headroom-bytes"] + PROTOCOL_BYTES
    check_whole(guest, before, 300)


def begin_and_cancel_plain(bed, guest):
    """A plain migration that is cancelled once memory flows."""
    process = guest.host.popen(["virsh", "migrate", "--live", "--unsafe", "--bandwidth", "1", guest.name,
                                bed.other(guest.host).uri])
    with process:
        wait_until(lambda: "Memory processed" in guest.host.virsh("domjobinfo", guest.name, check=False).stdout, 30,
                   "memory flows")
        guest.host.virsh("domjobabort", guest.name)
        assert process.wait(60) != 0


def migrate_untouched(bed, guest):
    """Migrates a guest of which nothing is to be released; bytes on the wire."""
    rss = guest.rss_bytes()
    guest.host.ballast("plan", guest.name)
    assert guest.rss_bytes() - rss <= 32 * MIB

    run = migrate(bed, guest)

    assert run.released == {}
    assert run.report["released-bytes"] == 0
    assert run.report["why-nothing"] == "too little of the guest's free memory would be sent"
    assert run.lines == []
    assert journal_files(bed.src) == []
    return run.wire


def test_untouched_guest_migrates_plainly(bed, boot):
    guest = boot(fresh=True, memory_mib=1024)
    before = Memory.of(guest)
    assert before.free > 700 * MIB

    wire = [migrate_untouched(bed, guest)]      # as it booted
    plain = [plain_migrate(bed, guest)]
    wire.append(migrate_untouched(bed, guest))  # after completed migrations
    plain.append(plain_migrate(bed, guest))
    begin_and_cancel_plain(bed, guest)
    wire.append(migrate_untouched(bed, guest))  # after a cancelled one
    plain.append(plain_migrate(bed, guest))

    # Nothing but chance differs between two migrations of an idle guest: compare the best of each.
    assert min(wire) <= 1.01 * min(plain)
    check_whole(guest, before, 0)
