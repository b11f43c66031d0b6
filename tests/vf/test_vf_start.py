# SPDX-License-Identifier: LGPL-2.1-or-later
"""A domain asks for VFs in its metadata: it starts with them, or not at all, and gives them back however it ends."""

import pytest

from bed.host import wait_until
from domains import domain_uuid, guest_shell, metadata_xml

PORT = {"id": "net0", "bandwidth": "300Mbit", "vlan": "7"}


@pytest.fixture
def asking(host):
    """Starts a domain that asks for one VF, and waits until it has it."""
    def start(name="d1", port=None, **arguments):
        host.start(name, metadata=metadata_xml(port or PORT), **arguments)
        host.wait_state("attached", name)
        return name
    return start


def test_it_starts_with_its_vfs(host):
    host.start("d1", metadata=metadata_xml(PORT, {"id": "net1", "bandwidth": "800Mbit", "required": "yes"}))
    host.wait_state("attached", "d1", "net0")
    host.wait_state("attached", "d1", "net1")
    host.check()
    assert sorted(host.residual().values()) == [200, 700]
    info = host.port("d1")
    assert host.vf_of(info)["vlan_list"][0]["vlan"] == 7

    def last_two():
        return host.daemon.records(f"BALLAST_DOMAIN={info['domain']}", "BALLAST_VF_PORT=net0")[-2:]
    wait_until(lambda: [r["MESSAGE"].rsplit(" ", 1)[1] for r in last_two()] == ["reserved", "attached"], 10, "it is logged")
    for record in last_two():
        assert (record["BALLAST_VF_PF"], record["BALLAST_VF_PCI"]) == (info["pf"], info["vf-pci"])
        assert record["BALLAST_VF_BANDWIDTH_MBPS"] == "300"


@pytest.mark.long
def test_its_vf_has_the_same_address_at_each_start(host, asking):
    macs = set()
    for _ in range(2):
        asking()
        macs.add(host.port("d1")["mac"])
        host.vm.virsh("destroy", "d1")
        host.wait_clean()
    assert len(macs) == 1


def test_it_is_refused_when_there_is_no_bandwidth(host, asking):
    for n, name in enumerate(("d1", "d2")):
        asking(name, {"id": "net0", "bandwidth": f"{900 - n}Mbit"})
    host.define("d3", metadata=metadata_xml({"id": "a", "bandwidth": "50Mbit"}, PORT))
    before = host.snapshot()
    done = host.vm.virsh("start", "d3", check=False)
    assert done.returncode != 0
    assert "300 Mbit/s" in done.stderr and "100" in done.stderr and "101" in done.stderr
    # What there was for its first port is free again.
    assert host.snapshot() == before
    host.check()


def test_it_is_refused_when_what_it_asks_is_not_understood(host):
    for ports, said in (
            ([{"id": "net0", "bandwidth": "0Mbit"}], "bandwidth"),
            ([{"id": "net0", "bandwidth": "1Gbit", "colour": "red"}], "unknown attribute"),
            ([{"id": "net0"}], "bandwidth"), ([PORT, PORT], "id of its own")):
        host.define("d1", metadata=metadata_xml(*ports))
        done = host.vm.virsh("start", "d1", check=False)
        assert done.returncode != 0 and said in done.stderr, done.stderr
    assert host.ports() == {}


@pytest.mark.parametrize("how", ["destroyed", "crashed"])
def test_it_gives_back_when_it_is(host, asking, how):
    asking()
    if how == "destroyed":
        host.vm.virsh("destroy", "d1")
    else:
        host.vm.run(["kill", "-KILL", host.qemu_pid("d1")])
    host.wait_clean()


def test_it_gives_back_when_it_shuts_down(host):
    host.boot("shut", metadata=metadata_xml(PORT))
    host.wait_state("attached", "shut")
    guest_shell(host.vm, "shut", "(sleep 1; poweroff -f) >/dev/null 2>&1 &")
    wait_until(lambda: host.vm.virsh("domstate", "shut").stdout.strip() == "shut off", 30, "the guest is off")
    host.wait_clean()


def test_without_ballastd_it_does_not_start_and_others_do(host):
    host.define("d1", metadata=metadata_xml(PORT))
    host.daemon.stop()
    done = host.vm.virsh("start", "d1", check=False)
    assert done.returncode != 0 and "ballastd" in done.stderr
    host.start("d2")
    host.daemon.start()
    assert host.ports() == {}
    host.vm.virsh("start", "d1")
    host.wait_state("attached", "d1")


def test_what_it_asks_for_is_not_given_twice(host, asking):
    asking()
    asked = host.allocate("d1", "300Mbit", "--vlan", "7")
    assert asked == host.port("d1")
    assert len(host.look().domains[domain_uuid("d1")]) == 1
    host.refused("allocate", "--domain", "d1", "--port", "net0", "--bandwidth", "301Mbit", "--vlan", "7")
