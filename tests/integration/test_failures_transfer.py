# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations that fail by themselves: wrong destination, a host, a daemon or the link that goes away meanwhile."""

import pytest

from bed.host import wait_until

from failures import GUESTS, SLOW, check_unharmed, go_faster, migration, run
from support import journal_files

BAD_URIS = {
    "no-such-host": "qemu+tcp://nowhere.invalid/system",
    "nobody-listens": "qemu+tcp://dst:1/system",
    "bad-scheme": "quemu+tcp://dst/system",
    "unreachable": "qemu+tcp://10.77.0.99/system",
}


@pytest.mark.parametrize("name", BAD_URIS)
def test_destination_that_is_none(bed, dirty, name):
    uri = BAD_URIS[name]
    guest, before = dirty("hold")

    with migration(guest, "hold", uri=uri) as ballast:
        result = ballast.finish()

    result.check(3, "The domain stays as it was, nothing was released: Cannot connect to " + uri)
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("uri", ["qemu+tcp://nowhere.invalid/system", "quemu+tcp://dst/system"])
def test_destination_that_is_none_between_the_libvirts(bed, dirty, uri):
    """With --p2p it is the source's libvirt that must reach it: only what comes back by itself is released."""
    guest, before = dirty("hold")

    with migration(guest, "hold", "--p2p", uri=uri) as ballast:
        result = ballast.finish()

    result.check(1, "the guest runs on where it was and has its memory back")
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("way", [(), ("--p2p",)], ids=["direct", "p2p"])
@pytest.mark.parametrize("mechanism", GUESTS)
def test_qemu_of_the_destination_dies(bed, dirty, mechanism, way):
    guest, before = dirty(mechanism)
    with migration(guest, mechanism, *SLOW, *way, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.dst.kill(bed.dst.pid_of(f"/run/libvirt/qemu/{guest.name}.pid"))
        ballast.go_on("transferring")
        result = ballast.finish()

    result.check(1, "the guest runs on where it was and has its memory back")
    check_unharmed(guest, before, bed.src)


@pytest.mark.parametrize("way", [(), ("--p2p",)], ids=["direct", "p2p"])
def test_libvirtd_of_the_destination_dies(bed, dirty, way):
    guest, before = dirty("hold")
    with migration(guest, "hold", *SLOW, *way, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.dst.kill_libvirtd()
        go_faster(guest)
        ballast.go_on("transferring")
        result = ballast.finish()

    bed.dst.ensure_libvirtd()
    result.check(1, "the guest runs on where it was and has its memory back")
    check_unharmed(guest, before, bed.src)


def test_libvirtd_of_the_source_is_restarted(bed, dirty):
    guest, before = dirty("balloon")
    with migration(guest, "balloon", *SLOW, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.src.kill_libvirtd()
        bed.src.start_libvirtd()
        ballast.go_on("transferring")
        result = ballast.finish()

    result.check(1, "the guest runs on where it was and has its memory back")
    check_unharmed(guest, before, bed.src)


def test_libvirtd_of_the_source_stays_away(bed, dirty):
    guest, before = dirty("balloon")
    with migration(guest, "balloon", *SLOW, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.src.kill_libvirtd()
        ballast.go_on("transferring")
        result = ballast.finish()

    result.check(6, "where the guest runs is not known: see `ballast status`, `ballast recover`")
    assert len(journal_files(bed.src)) == 1
    bed.src.start_libvirtd()
    run(bed.src, "recover").check(0)
    check_unharmed(guest, before, bed.src)


def wait_stalled(guest):
    """Waits until QEMU has not been able to send for a while."""
    seen = []

    def stalled():
        shown = guest.host.virsh("domjobinfo", guest.name).stdout
        seen.append(next(line for line in shown.splitlines() if line.startswith("Data processed")))
        return seen[-2:-1] == seen[-1:]

    wait_until(stalled, 30, "the transfer stalls", interval=1)


def test_link_is_down_for_a_while(bed, dirty):
    guest, before = dirty("hold")
    with migration(guest, "hold", *SLOW, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.set_link(False)
        ballast.go_on("transferring")
        wait_stalled(guest)
        bed.set_link(True)
        go_faster(guest)
        result = ballast.finish()

    result.check(0)
    check_unharmed(guest, before, bed.dst)
