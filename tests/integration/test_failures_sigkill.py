# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast migrate` killed by SIGKILL: what it had released comes back by `ballast recover`, or before the next one."""

import pytest

from bed.host import wait_until

from failures import SLOW, check_unharmed, go_faster, migration, run
from support import MIB, Memory, has_tag, held_bytes, journal_files


def kill_at(guest, mechanism, stage, *options):
    """Runs `ballast migrate` up to `stage` and kills it there."""
    with migration(guest, mechanism, *options, stop_at=[stage]) as ballast:
        ballast.wait_at(stage)
        ballast.sigkill()


def check_released(bed, guest, mechanism, before):
    """The guest still misses memory, and there is something to recover by."""
    assert len(journal_files(bed.src)) == 1
    assert has_tag(guest.host, guest.name) == (mechanism != "hold")
    if mechanism == "hold":
        assert held_bytes(guest) > 200 * MIB
    else:
        assert Memory.of(guest).sizes != before.sizes


def recover(bed):
    result = run(bed.src, "recover").check(0)
    assert "has its memory back" in result.out
    again = run(bed.src, "recover").check(0)
    assert again.out == "Nothing is left to recover.\n"


@pytest.mark.parametrize("mechanism, stage", [("hold", "released"), ("hold", "migrating"), ("balloon", "released"),
                                              ("virtio-mem", "migrating")])
def test_before_the_migration(bed, dirty, mechanism, stage):
    guest, before = dirty(mechanism)
    kill_at(guest, mechanism, stage)
    check_released(bed, guest, mechanism, before)
    recover(bed)
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("mechanism", ["hold", "virtio-mem"])
def test_while_memory_flows(bed, dirty, mechanism):
    """With its client the migration ends: libvirt destroys the half-made guest at the destination."""
    guest, before = dirty(mechanism)
    kill_at(guest, mechanism, "transferring", *SLOW)
    wait_until(lambda: guest.host.virsh("domjobinfo", guest.name).stdout.split() == ["Job", "type:", "None"], 30,
               "the migration ends")
    check_released(bed, guest, mechanism, before)
    recover(bed)
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("mechanism", ["hold", "balloon"])
def test_while_memory_flows_between_the_libvirts(bed, dirty, mechanism):
    """A peer-to-peer migration goes on by itself: the memory is given back at the destination."""
    guest, before = dirty(mechanism)
    kill_at(guest, mechanism, "transferring", "--p2p", *SLOW)
    go_faster(guest)
    wait_until(lambda: bed.dst.virsh("domstate", guest.name, check=False).stdout.strip() == "running", 60,
               "the guest runs at the destination")
    guest.moved_to(bed.dst)
    check_released(bed, guest, mechanism, before)
    recover(bed)
    check_unharmed(guest, before, bed.dst)


@pytest.mark.parametrize("mechanism, stage", [("hold", "transferred"), ("balloon", "transferred"),
                                              ("balloon", "growing"), ("virtio-mem", "transferred")])
def test_before_the_memory_was_given_back(bed, dirty, mechanism, stage):
    guest, before = dirty(mechanism)
    kill_at(guest, mechanism, stage)
    guest.moved_to(bed.dst)
    if stage == "transferred":
        check_released(bed, guest, mechanism, before)
    recover(bed)
    check_unharmed(guest, before, bed.dst)


@pytest.mark.parametrize("mechanism", ["hold", "virtio-mem"])
def test_next_migration_settles_it_first(bed, dirty, mechanism):
    guest, before = dirty(mechanism)
    kill_at(guest, mechanism, "released")
    check_released(bed, guest, mechanism, before)

    with migration(guest, mechanism) as ballast:
        result = ballast.finish()

    result.check(0, warnings=["memory that an earlier release had left was given back first"])
    check_unharmed(guest, before, bed.dst)


def test_recover_waits_for_a_running_migration(bed, dirty):
    guest, before = dirty("balloon")
    kill_at(guest, "balloon", "transferring", "--p2p", *SLOW)
    run(bed.src, "recover").check(5, "a job holds it")
    assert len(journal_files(bed.src)) == 1
    guest.host.virsh("domjobabort", guest.name)
    recover(bed)
    check_unharmed(guest, before, bed.src)
