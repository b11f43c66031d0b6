# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ctrl-C at each stage of `ballast migrate`: before the switch-over all is as before, after it the work is ended."""

import pytest

from failures import GUESTS, SLOW, check_unharmed, migration
from support import matrix

STAYS = {
    "hold": ["planned", "journal-written", "holding", "released", "migrating", "transferring"],
    "balloon": ["tag-written", "shrinking", "released", "transferring"],
    "virtio-mem": ["tag-written", "shrinking", "transferring"],
}
MOVES = {
    "hold": ["transferred", "giving-back", "given-back"],
    "balloon": ["transferred", "growing"],
    "virtio-mem": ["giving-back", "growing"],
}


USUAL = ["hold-planned", "hold-holding", "hold-migrating", "hold-transferring", "balloon-shrinking", "balloon-released",
         "virtio-mem-tag-written", "virtio-mem-transferring", "hold-transferred", "hold-given-back", "balloon-growing",
         "virtio-mem-giving-back"]


def pairs(table):
    cases = {f"{mechanism}-{stage}": (mechanism, stage) for mechanism in GUESTS for stage in table[mechanism]}
    return matrix(cases, [name for name in USUAL if name in cases])


@pytest.mark.parametrize("mechanism, stage", pairs(STAYS))
def test_interrupted_before_the_guest_has_moved(bed, dirty, mechanism, stage):
    guest, before = dirty(mechanism)
    with migration(guest, mechanism, *SLOW, stop_at=[stage]) as ballast:
        ballast.wait_at(stage)
        ballast.interrupt()
        ballast.go_on(stage)
        result = ballast.finish()

    in_flight = stage in ("migrating", "transferring")
    result.check(130, "the guest runs on where it was",
                 warnings=["interrupted, asking libvirt to stop the migration"] if in_flight else [])
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("mechanism, stage", pairs(MOVES))
def test_interrupted_after_the_guest_has_moved(bed, dirty, mechanism, stage):
    guest, before = dirty(mechanism)
    with migration(guest, mechanism, stop_at=[stage]) as ballast:
        ballast.wait_at(stage)
        ballast.interrupt()
        ballast.go_on(stage)
        result = ballast.finish()

    result.check(0)
    check_unharmed(guest, before, bed.dst)
