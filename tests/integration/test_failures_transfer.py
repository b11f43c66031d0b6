# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations that fail by themselves: wrong destination, a host, a daemon or the link that goes away meanwhile."""

import pytest

from bed.host import wait_until

from failures import SLOW, check_unharmed, go_faster, migration, run
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


@pytest.mark.parametrize("mechanism, way", [("hold", ()), ("balloon", ("--p2p",)), ("virtio-mem", ())],
                         ids=["hold-direct", "balloon-p2p", "virtio-mem-direct"])
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


def test_interrupted_while_the_link_is_down(bed, dirty):
    guest, before = dirty("hold")
    with migration(guest, "hold", *SLOW, stop_at=["transferring"]) as ballast:
        ballast.wait_at("transferring")
        bed.set_link(False)
        ballast.interrupt()
        ballast.go_on("transferring")
        result = ballast.finish(150)

    bed.set_link(True)
    result.check(130, "the guest runs on where it was", warnings=["interrupted, asking libvirt to stop the migration"])
    wait_until(lambda: bed.dst.virsh("domstate", guest.name, check=False).returncode != 0, 60,
               "the destination forgets the guest")
    check_unharmed(guest, before, bed.src)


def test_two_migrations_at_once(bed, dirty):
    guest, before = dirty("hold")
    with migration(guest, "hold", stop_at=["released"]) as first:
        first.wait_at("released")
        for command in ("migrate", "--live", "--unsafe", guest.name, bed.dst.uri), ("release", guest.name), \
                ("restore", guest.name):
            run(bed.src, *command).check(4)
        recovered = run(bed.src, "recover").check(0)
        assert "is being worked on and is left alone" in recovered.out
        first.go_on("released")
        result = first.finish()

    result.check(0)
    check_unharmed(guest, before, bed.dst)


def test_release_twice(bed, dirty):
    guest, before = dirty("balloon")
    run(bed.src, "--mechanisms", "balloon", "release", guest.name).check(0)
    run(bed.src, "--mechanisms", "balloon", "release", guest.name).check(4, "is released already")
    run(bed.src, "restore", guest.name).check(0)
    check_unharmed(guest, before, bed.src)
