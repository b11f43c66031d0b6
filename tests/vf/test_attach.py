# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt does with a VF by itself: it is what Ballast stands on."""

import pytest

from bed.host import wait_until
from domains import console_path, domain_xml, interface_xml
from test_host_vm import vf_settings

MAC = "52:54:00:00:00:42"


@pytest.fixture
def start(vm):
    """start(name, **as for domain_xml): a running domain."""
    def start_one(name, **arguments):
        vm.write(f"/root/{name}.xml", domain_xml(vm, name, **arguments))
        vm.virsh("define", f"/root/{name}.xml")
        vm.virsh("start", name)
        return name

    return start_one


@pytest.fixture
def vf(vm):
    """(a PF with its link up, the PCI address of its only VF)."""
    pf = vm.pfs()[0]
    vm.bring_up(pf)
    return pf, vm.set_vfs(pf, 1)[0]


def attach(vm, name, address):
    vm.write("/root/interface.xml", interface_xml(address, MAC, "<vlan><tag id='42'/></vlan>"))
    vm.virsh("attach-device", name, "/root/interface.xml", "--live")


@pytest.mark.long
def test_an_attached_vf_is_given_back_when_the_domain_is_destroyed(vm, start, vf):
    pf, address = vf
    attach(vm, start("d1"), address)
    assert vm.driver(address) == "vfio-pci"
    shown = vf_settings(vm, pf, 0)
    assert shown["address"] == MAC and shown["vlan_list"][0]["vlan"] == 42

    vm.virsh("destroy", "d1")
    vm.wait_driver(address, "igbvf")
    assert "vlan_list" not in vf_settings(vm, pf, 0) or vf_settings(vm, pf, 0)["vlan_list"] == [{}]


def test_a_vf_is_detached_from_a_running_linux(vm, start, vf):
    _, address = vf
    start("d1", linux=True)
    wait_until(lambda: "ballast-guest-ready" in vm.read(console_path(vm, "d1")), 120, "the inner Linux is up")
    attach(vm, "d1", address)
    assert vm.driver(address) == "vfio-pci"
    vm.virsh("detach-device", "d1", "/root/interface.xml", "--live")
    wait_until(lambda: "hostdev" not in vm.virsh("dumpxml", "d1").stdout, 60, "the VF is unplugged")
    vm.wait_driver(address, "igbvf")


def test_a_domain_without_an_operating_system_keeps_its_vf(vm, start, vf):
    _, address = vf
    attach(vm, start("d1"), address)
    vm.virsh("detach-device", "d1", "/root/interface.xml", "--live", check=False)
    assert "hostdev" in vm.virsh("dumpxml", "d1").stdout
    assert vm.driver(address) == "vfio-pci"
