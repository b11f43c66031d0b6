# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journal that cannot be read, or not be written."""

import pytest

from failures import check_unharmed, migration, run
from support import JOURNAL, journal_files

CORRUPT = {
    "cut": '{"version": 1, "uuid": "',
    "garbage": "\x1b[31m\x01 not JSON",
}


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_file_beside_a_good_one(bed, dirty, name):
    guest, before = dirty("balloon")
    with migration(guest, "balloon", stop_at=["released"]) as ballast:
        ballast.wait_at("released")
        ballast.sigkill()
    good = journal_files(bed.src)
    assert len(good) == 1
    bad = good[0].replace(".json", "-2.json")
    bed.src.write(bad, CORRUPT[name])

    result = run(bed.src, "recover")

    # The good one is settled, the bad one told of and left for somebody who knows.
    result.check(5, bad.rpartition("/")[2])
    assert "has its memory back" in result.out
    assert journal_files(bed.src) == [bad]
    assert "\x1b" not in result.err

    with migration(guest, "balloon") as ballast:
        ballast.finish().check(0, warnings=[bad.rpartition("/")[2]])
    assert journal_files(bed.src) == [bad]
    bed.src.run(["rm", bad])
    check_unharmed(guest, before, bed.dst)


@pytest.mark.parametrize("mechanism", ["hold", "virtio-mem"])
def test_no_room_for_the_journal(bed, dirty, mechanism):
    guest, before = dirty(mechanism)
    bed.src.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/var/lib/ballast"])
    try:
        bed.src.run(["sh", "-c", "echo full >/var/lib/ballast/full"])
        with migration(guest, mechanism) as ballast:
            result = ballast.finish()
    finally:
        bed.src.run(["umount", "/var/lib/ballast"])

    result.check(0, warnings=["migrating plainly: "])
    assert "No space left on device" in result.err
    assert "released    nothing" in result.out
    assert JOURNAL in result.err
    check_unharmed(guest, before, bed.dst)
