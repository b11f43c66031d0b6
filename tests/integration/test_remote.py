# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is another machine, and a destination that only the source reaches."""

import json

import pytest

from bed.host import ballast_program

from failures import FREED_MIB
from support import MIB, agent_config, check_whole, sent_by, wait_nothing_held

def migrate_from_destination(bed, guest, *options):
    """`ballast -c SOURCE migrate` on the destination's host: (report, lines of stderr, bytes on the wire)."""
    wire = sent_by(bed, bed.src)
    result = bed.dst.ballast("-c", bed.src.uri, "migrate", "--live", "--unsafe", "--json", *options, guest.name,
                             bed.dst.uri)
    wire = sent_by(bed, bed.src) - wire
    assert bed.dst.run(["find", "/var/lib/ballast/journal", "-type", "f"], check=False).stdout == ""
    guest.moved_to(bed.dst)
    return json.loads(result.stdout), result.stderr.splitlines(), wire


@pytest.mark.parametrize("mechanism, options", [("virtio-mem", ()), ("balloon", ()), ("balloon", ("--p2p",))],
                         ids=["virtio-mem", "balloon", "balloon-p2p"])
def test_remote_source(bed, dirty, mechanism, options):
    guest, before = dirty(mechanism)

    report, lines, wire = migrate_from_destination(bed, guest, *options)

    assert [name for name, released in report["released"].items() if released] == [mechanism]
    assert lines == []
    assert wire < FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


def test_remote_source_of_a_guest_that_only_holds(bed, dirty):
    guest, before = dirty("hold", balloon="none")

    report, lines, wire = migrate_from_destination(bed, guest)

    assert report["released-bytes"] == 0
    assert lines == [f"ballast: warning: migrating plainly: {report['why-nothing']}"]
    assert wire > FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


def test_commands_that_work_on_the_domains_own_host(bed, dirty):
    guest, before = dirty("hold")
    for command in "release", "restore":
        result = bed.dst.ballast("-c", bed.src.uri, command, guest.name, check=False)
        assert result.returncode == 2
        assert result.stderr == ("ballast: This command works on the domain's own host; run it there, "
                                 "nothing was touched\n")
    assert json.loads(bed.dst.ballast("-c", bed.src.uri, "plan", "--json", guest.name).stdout)["steps"]
    check_whole(guest, before, 0)


def migrate_cut_off(bed, guest, *options):
    """A peer-to-peer migration by a `ballast` without network: libvirtd alone reaches the destination."""
    result = bed.src.run(["unshare", "--net", ballast_program(), "migrate", "--live", "--unsafe", "--p2p", "--json",
                          *options, guest.name, bed.dst.uri], timeout=120)
    guest.moved_to(bed.dst)
    return json.loads(result.stdout), result.stderr.splitlines()


def test_destination_out_of_reach(bed, dirty):
    guest, before = dirty("hold")
    agent_config(guest, "[hold]\nlease-s=6\n")

    report, lines = migrate_cut_off(bed, guest)

    assert report["released"]["hold"] == report["released-bytes"] > 64 * MIB
    assert len(lines) == 1
    assert "the guest takes its held memory back by itself" in lines[0]
    wait_nothing_held(guest)
    check_whole(guest, before, FREED_MIB)


@pytest.mark.parametrize("mechanism", ["virtio-mem", "balloon"])
def test_sizes_stay_with_a_destination_out_of_reach(bed, dirty, mechanism):
    guest, before = dirty(mechanism)
    report, _ = migrate_cut_off(bed, guest, "--mechanisms", mechanism)
    assert report["released-bytes"] == 0
    assert report["why-nothing"]
    check_whole(guest, before, FREED_MIB)
