# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast retire`: nothing of Ballast is left in a host's domains, and nobody else's metadata is touched."""

import time

from automatic import PlainMigration, wait_marked
from failures import FREED_MIB
from support import MIB, WINDOW_TAG_URI, check_whole, held_bytes, journal_files, wait_nothing_held

OTHER_TAG = "urn:x-ballast:vf:1"
FAILED, BUSY, NOT_RESTORED = 1, 4, 5


def tags(guest, where):
    """Which of the two are in the domain's metadata; `where`: --live or --config."""
    return {uri for uri in (WINDOW_TAG_URI, OTHER_TAG)
            if guest.host.virsh("metadata", guest.name, uri, where, check=False).returncode == 0}


def set_tag(guest, uri, key, *where):
    guest.host.virsh("metadata", guest.name, uri, "--key", key, "--set", "<tag kept='yes'/>", *where)


def test_nothing_is_left(bed, dirty, daemon):
    guest, before = dirty("hold")
    set_tag(guest, OTHER_TAG, "other", "--live", "--config")
    running = daemon(bed.src)
    wait_marked(guest)
    # So does `virsh migrate --persistent`, at the destination.
    set_tag(guest, WINDOW_TAG_URI, "ballast-window", "--config")
    assert tags(guest, "--live") == tags(guest, "--config") == {WINDOW_TAG_URI, OTHER_TAG}

    refused = bed.src.ballast("retire", check=False)
    assert refused.returncode == BUSY and "stop it first" in refused.stderr
    assert tags(guest, "--live") == tags(guest, "--config") == {WINDOW_TAG_URI, OTHER_TAG}

    running.stop()
    bed.src.ballast("release", guest.name)
    assert held_bytes(guest) > 100 * MIB
    bed.src.virsh("suspend", guest.name)
    left = bed.src.ballast("retire", check=False)
    assert left.returncode == NOT_RESTORED and "paused" in left.stderr and "still released" in left.stderr
    bed.src.virsh("resume", guest.name)
    assert bed.src.ballast("retire").stdout == (f'Domain "{guest.name}" has its memory back.\n'
                                                "Nothing of Ballast is left in this host's domains.\n")
    assert tags(guest, "--live") == tags(guest, "--config") == {OTHER_TAG}
    kept = bed.src.virsh("metadata", guest.name, OTHER_TAG, "--live").stdout
    assert "kept" in kept and kept == bed.src.virsh("metadata", guest.name, OTHER_TAG, "--config").stdout
    wait_nothing_held(guest, 5)
    assert journal_files(bed.src) == []
    check_whole(guest, before, FREED_MIB)


def test_busy_domain_is_left(bed, dirty):
    guest, before = dirty("hold")
    set_tag(guest, WINDOW_TAG_URI, "ballast-window", "--live", "--config")
    with PlainMigration(guest) as running:
        running.wait_for_memory()
        began = time.monotonic()
        left = bed.src.ballast("retire", check=False)
        assert time.monotonic() - began < 10
        assert left.returncode == FAILED
        assert f'"{guest.name}" is busy' in left.stderr and "still on domains" in left.stderr
        bed.src.virsh("domjobabort", guest.name)
        assert running.finish()[0] != 0
    assert tags(guest, "--live") == {WINDOW_TAG_URI}
    bed.src.ballast("retire")
    assert tags(guest, "--live") == tags(guest, "--config") == set()
    check_whole(guest, before, 0)
