# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migration as libvirt's users ask for it: each of virsh migrate's ways, with memory released."""

import xml.etree.ElementTree as ElementTree

import pytest

from failures import FREED_MIB
from support import MIB, Memory, agent_config, check_whole, has_tag, matrix, migrate, sizes, wait_nothing_held

WAYS = {
    "direct": (),
    "p2p": ("--p2p",),
    "tunnelled": ("--p2p", "--tunnelled"),
    "persistent": ("--persistent", "--undefinesource"),
}


def check_released(run, kind):
    assert list(run.released) == [kind]
    assert run.lines == []
    # At least half of what was free above the headroom.
    assert run.report["released-bytes"] > (FREED_MIB - 128) * MIB // 2


def config(host, guest):
    """Sizes in the persistent definition of `guest` on `host`; None: it has none."""
    result = host.virsh("dumpxml", guest.name, "--inactive", check=False)
    persistent = host.virsh("list", "--all", "--persistent", "--name").stdout.split()
    return sizes(ElementTree.fromstring(result.stdout)) if guest.name in persistent else None


CASES = [*(("hold", way) for way in WAYS), ("virtio-mem", "direct"), ("virtio-mem", "persistent"), ("balloon", "p2p"),
         ("balloon", "tunnelled"), ("balloon", "persistent")]


@pytest.mark.parametrize("kind, way", matrix({"-".join(case): case for case in CASES},
                                             ["hold-direct", "hold-tunnelled", "hold-persistent",
                                              "virtio-mem-persistent", "balloon-p2p"]))
def test_way(bed, dirty, kind, way):
    guest, before = dirty(kind)
    defined = config(bed.src, guest)

    run = migrate(bed, guest, *WAYS[way], "--mechanisms", kind)

    check_released(run, kind)
    check_whole(guest, before, FREED_MIB)
    at_source, at_destination = (None, defined) if way == "persistent" else (defined, None)
    assert config(bed.src, guest) == at_source
    assert config(bed.dst, guest) == at_destination
    for host in (bed.src if at_source else bed.dst,):
        assert not has_tag(host, guest.name, "--inactive")


def postcopy_events(host):
    """How often QEMU has told the libvirtd of `host`, which logs it, that it switched to post-copy."""
    return host.read("/var/log/libvirt/libvirtd.log").count('"data": {"status": "postcopy-active"}')


SWITCHES = [("--postcopy-after-precopy",), ("--timeout", "1", "--timeout-postcopy")]


@pytest.mark.parametrize("switch, kind", matrix({f"{switch[0].strip('-')}-{kind}": (switch, kind) for switch in SWITCHES
                                                 for kind in ("hold", "virtio-mem")},
                                                ["postcopy-after-precopy-hold", "timeout-virtio-mem"]))
def test_postcopy(bed, dirty, switch, kind):
    guest, _ = dirty(kind)
    guest.canary_start(24)
    before = Memory.of(guest)

    switched = postcopy_events(bed.src)

    # Slow, so that the first pass takes more than a second and leaves enough for another.
    run = migrate(bed, guest, "--postcopy", *switch, "--bandwidth", "32", "--postcopy-bandwidth", "0",
                  "--mechanisms", kind)

    check_released(run, kind)
    assert postcopy_events(bed.src) == switched + 1
    check_whole(guest, before, FREED_MIB - 40)


def test_timeout_suspends_the_guest_until_it_has_moved(bed, dirty):
    guest, before = dirty("hold")

    run = migrate(bed, guest, "--timeout", "1", "--timeout-suspend", "--bandwidth", "32")

    check_released(run, "hold")
    assert guest.state() == "running"
    check_whole(guest, before, FREED_MIB)


def test_not_live(bed, dirty):
    guest, before = dirty("hold")
    run = migrate(bed, guest, live=False)
    check_released(run, "hold")
    check_whole(guest, before, FREED_MIB)


def test_transient_domain_under_another_name(bed, dirty):
    guest, before = dirty("balloon", persistent=False)

    run = migrate(bed, guest, "--dname", "renamed", "--mechanisms", "balloon", follow=False)

    check_released(run, "balloon")
    guest.name = "renamed"
    guest.moved_to(bed.dst)
    check_whole(guest, before, FREED_MIB)
    assert bed.src.virsh("list", "--all", "--name").stdout.split() == []


def test_storage_is_copied(bed, dirty):
    guest, before = dirty("hold", disk_mib=48, shared_disk=False)
    digest = guest.shell("dd if=/dev/urandom of=/dev/vda bs=1M count=40 && sync; md5sum /dev/vda", timeout=60)
    digest = digest.splitlines()[-1]

    for kind in "hold", "balloon":
        run = migrate(bed, guest, "--copy-storage-all", "--mechanisms", kind)

        check_released(run, kind)
        guest.shell("echo 3 >/proc/sys/vm/drop_caches")
        assert guest.shell("md5sum /dev/vda", timeout=60).splitlines()[-1] == digest
        check_whole(guest, before, FREED_MIB)


def test_suspended_guest_is_whole_within_the_lease_after_it_was_resumed(bed, dirty):
    guest, before = dirty("hold")
    agent_config(guest, "[hold]\nlease-s=3\n")

    run = migrate(bed, guest, "--suspend", follow=False)

    assert list(run.released) == ["hold"]
    assert len(run.lines) == 1
    assert "takes its held memory back by itself" in run.lines[0]
    guest.moved_to(bed.dst, wait=False)
    assert guest.state() == "paused"
    bed.dst.virsh("resume", guest.name)
    guest.wait_ready()
    wait_nothing_held(guest)
    check_whole(guest, before, FREED_MIB)


@pytest.mark.parametrize("option, kind", [("--suspend", "virtio-mem"), ("--xml", "balloon")])
def test_sizes_stay_where_they_could_not_be_given_back(bed, dirty, option, kind):
    guest, before = dirty(kind)

    run = migrate(bed, guest, *xml_option(bed, guest, option), "--mechanisms", kind, follow=False)

    assert run.released == {}
    assert run.report["why-nothing"]
    guest.moved_to(bed.dst, wait=False)
    if option == "--suspend":
        assert guest.state() == "paused"
        bed.dst.virsh("resume", guest.name)
    guest.wait_ready()
    check_whole(guest, before, FREED_MIB)


def xml_option(bed, guest, option):
    """`option`, for --xml with a file of the domain's own XML."""
    if option != "--xml":
        return (option,)
    bed.src.write("/tmp/destination.xml", bed.src.virsh("dumpxml", "--migratable", guest.name).stdout)
    return ("--xml", "/tmp/destination.xml")


def test_xml_for_the_destination(bed, dirty):
    guest, before = dirty("hold")
    run = migrate(bed, guest, *xml_option(bed, guest, "--xml"))
    check_released(run, "hold")
    check_whole(guest, before, FREED_MIB)


def test_offline(bed, boot):
    guest = boot()
    defined = config(bed.src, guest)
    guest.disconnect()
    bed.src.virsh("destroy", guest.name)

    run = migrate(bed, guest, "--offline", "--persistent", live=False, follow=False)

    assert run.released == {}
    assert run.report["why-nothing"] == "an offline migration sends no memory"
    assert run.lines == []
    assert config(bed.dst, guest) == defined
