# SPDX-License-Identifier: LGPL-2.1-or-later
"""VFs that others use are never offered and never touched."""

import json

import pytest

from domains import interface_xml

MAC = "52:54:00:00:00:43"


@pytest.fixture
def by_hand(host):
    """A running domain that has the first PF's first VF, by virsh."""
    address = host.vfs(host.pfs[0])[0]
    host.start("hand")
    host.vm.write("/root/hand-interface.xml", interface_xml(address, MAC, "<vlan><tag id='42'/></vlan>"))
    host.vm.virsh("attach-device", "hand", "/root/hand-interface.xml", "--live")
    return address


@pytest.fixture
def in_container(host):
    """The first PF's second VF, whose interface is in another network namespace."""
    address = host.vfs(host.pfs[0])[1]
    host.vm.run(["ip", "netns", "add", "container"])
    host.vm.run(["ip", "link", "set", netdev(host, address), "netns", "container"])
    yield address
    inside = json.loads(host.vm.run(["ip", "-n", "container", "-j", "link"]).stdout)
    name = next(link["ifname"] for link in inside if link["ifname"] != "lo")
    host.vm.run(["ip", "-n", "container", "link", "set", name, "netns", "1"])
    host.vm.run(["ip", "netns", "del", "container"])


@pytest.fixture
def on_host(host):
    """The first PF's third VF, whose interface is up."""
    address = host.vfs(host.pfs[0])[2]
    host.vm.run(["ip", "link", "set", netdev(host, address), "up"])
    yield address
    host.vm.run(["ip", "link", "set", netdev(host, address), "down"])


def netdev(host, address):
    return host.vm.run(["ls", f"/sys/bus/pci/devices/{address}/net"]).stdout.strip()


def test_they_are_left_alone(host, by_hand, in_container, on_host):
    foreign = (by_hand, in_container, on_host)
    pf = host.pfs[0].name

    def seen():
        seen = host.look()
        return ([entry for entry in seen.drivers.items() if entry[0] in foreign],
                {key: value for key, value in seen.settings().items() if key[0] == pf and key[1] < 3})
    before = seen()
    uses = {vf["vf-pci"]: vf["use"] for vf in host.listed()["pfs"][0]["vfs"]}
    assert all(uses[vf] != "idle" for vf in foreign) and list(uses.values()).count("idle") == 1

    host.start("d1")
    assert host.allocate("d1", "10Mbit", "--pf", pf)["vf-pci"] == host.vfs(host.pfs[0])[3]
    said = host.refused("allocate", "--domain", "d1", "--port", "net1", "--bandwidth", "10Mbit", "--pf", pf)
    assert "in use" in said
    assert host.allocate("d1", "10Mbit", port="net1")["pf"] == host.pfs[1].name

    host.daemon.restart()
    host.vf("reconcile")
    assert seen() == before
    host.check(foreign)
    # What Ballast did not give it does not take.
    host.refused("release", "--domain", "hand")
    host.refused("allocate", "--domain", "d1", "--port", "net2", "--bandwidth", "10Mbit", "--mac", MAC)
    host.vm.virsh("destroy", "d1")
    host.vf("reconcile")
    assert seen() == before


@pytest.mark.long
def test_one_that_is_given_back_is_offered_again(host, by_hand):
    pf = ("--pf", host.pfs[0].name)
    host.start("d1")
    for n in range(3):
        assert host.allocate("d1", "10Mbit", *pf, port=f"net{n}")["vf-pci"] != by_hand
    host.refused("allocate", "--domain", "d1", "--port", "net3", "--bandwidth", "10Mbit", *pf)
    host.vm.virsh("destroy", "hand")
    host.vm.wait_driver(by_hand, "igbvf")
    assert host.allocate("d1", "10Mbit", *pf, port="net3")["vf-pci"] == by_hand


def test_a_vf_that_a_domain_takes_while_it_is_off_the_books_is_not_taken_away(host):
    """A VF is put back, and by hand given to another domain at once: nothing of what was left to do reaches it."""
    host.start("d1")
    info = host.allocate("d1", "10Mbit")
    host.start("hand")
    host.daemon.stop_at("vf-tear-down")
    host.vm.virsh("destroy", "d1")
    host.daemon.wait_at("vf-tear-down")
    host.daemon.sigkill()
    host.wait_clean()
    host.vm.write("/root/hand-interface.xml", interface_xml(info["vf-pci"], MAC, "<vlan><tag id='42'/></vlan>"))
    host.vm.virsh("attach-device", "hand", "/root/hand-interface.xml", "--live")
    host.vf("reconcile")
    shown = host.vf_of(info)
    assert shown["address"] == MAC and shown["vlan_list"][0]["vlan"] == 42
    assert host.drivers()[info["vf-pci"]] == "vfio-pci"
