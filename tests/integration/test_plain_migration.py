# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bed itself: plain `virsh migrate`, without Ballast, is what everything is measured against."""

import pytest

MIB = 1 << 20


@pytest.mark.parametrize("flags", [(), ("--p2p",), ("--p2p", "--tunnelled"), ("--postcopy",)],
                         ids=lambda flags: "".join(flags) or "direct")
def test_guest_moves_unharmed(bed, boot, flags):
    guest = boot()
    guest.canary_start(16)
    before = bed.wire_bytes()[0]

    bed.src.virsh("migrate", "--live", "--unsafe", *flags, guest.name, bed.dst.uri)
    guest.moved_to(bed.dst)

    guest.canary_check()
    assert guest.state() == "running"
    assert bed.wire_bytes()[0] - before > 16 * MIB


def test_freed_memory_crosses_the_wire(bed, boot):
    """The waste that Ballast is about: without it, what the guest wrote and freed is sent."""
    guest = boot()
    assert guest.fill(300) == 300
    before = bed.wire_bytes()[0]

    bed.src.virsh("migrate", "--live", "--unsafe", guest.name, bed.dst.uri)
    guest.moved_to(bed.dst)

    assert bed.wire_bytes()[0] - before > 300 * MIB
    guest.verify_fill(300)
