# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast vf allocate` and `release` on real SR-IOV: what is told is what libvirt, sysfs and the NIC say."""

import pytest

from bed.host import wait_until
from domains import domain_uuid
from vfhost import numbers

MAC = "52:54:00:00:00:42"


def test_all_is_given_out_over_both_pfs_and_then_refused_with_the_numbers(host):
    for name in ("d1", "d2"):
        host.start(name)
    given = [host.allocate(domain, "450Mbit", port=port)
             for port in ("net0", "net1") for domain in ("d1", "d2")]
    first, second = (pf.name for pf in host.pfs)
    assert [info["pf"] for info in given] == [first, first, second, second]
    for info in given:
        assert info["state"] == "attached"
        assert info["max-rate-enforced"] == "yes"
        assert host.vf_of(info)["rate"]["max_tx"] == 450
    host.check()
    assert host.residual() == {first: 100, second: 100}

    said = host.refused("allocate", "--domain", "d1", "--port", "net2", "--bandwidth", "450Mbit")
    assert first in said and second in said and numbers(said).count(100) == 2 and 450 in numbers(said)
    # Residual bandwidth has to be greater, not as great.
    host.refused("allocate", "--domain", "d1", "--port", "net2", "--bandwidth", "100Mbit")
    host.allocate("d1", "99Mbit", port="net2")
    host.check()

    host.vm.virsh("destroy", "d1")
    wait_until(lambda: {uuid for uuid, _ in host.ports()} == {domain_uuid("d2")}, 60, "what d1 had is free")
    for _, vf in sorted((info["vf"], info["vf-pci"]) for info in given[::2]):
        host.vm.wait_driver(vf, "igbvf")
    host.check()
    assert host.residual() == {first: 550, second: 550}


def test_a_pf_that_has_bandwidth_left_but_no_vf_is_passed_over(host):
    host.start("d1", spare_ports=6)
    first, second = (pf.name for pf in host.pfs)
    given = [host.allocate("d1", "10Mbit", port=f"net{n}") for n in range(5)]
    assert [info["pf"] for info in given] == [first] * 4 + [second]
    said = host.refused("allocate", "--domain", "d1", "--port", "net5", "--bandwidth", "10Mbit", "--pf", first)
    assert first in said and "VF" in said
    host.check()


def test_settings_are_made_and_put_back(host, linux):
    info = host.allocate(linux, "200Mbit", "--mac", MAC, "--vlan", "42", "--trust", "on",
                         "--spoofchk", "off")
    assert (info["mac"], info["vlan"], info["trust"], info["spoofchk"]) == (MAC, 42, True, False)
    shown = host.vf_of(info)
    assert shown["address"] == MAC and shown["vlan_list"][0]["vlan"] == 42
    assert shown["rate"]["max_tx"] == 200
    assert shown["trust"] is True and shown["spoofchk"] is False
    assert host.drivers()[info["vf-pci"]] == "vfio-pci"
    host.check()

    host.vf("release", "--domain", linux, "--port", "net0")
    assert host.port(linux) is None
    host.wait_clean()
    assert f"omain {linux}" in host.refused("release", "--domain", linux, "--port", "net0")


def test_what_the_nic_refuses_is_told_or_is_an_error_when_demanded(host):
    host.start("d1")
    info = host.allocate("d1", "100Mbit")
    assert info["link-state-enforced"] == "not-supported"
    assert info["min-rate-enforced"] == "not-supported"
    assert info["max-rate-enforced"] == "yes"
    said = host.refused("allocate", "--domain", "d1", "--port", "net1", "--bandwidth", "100Mbit", "--minimum")
    assert "guarantee" in said and info["pf"] in said
    host.check()


def test_asking_again_for_the_same_gives_the_same(host):
    host.start("d1")
    info = host.allocate("d1", "100Mbit")
    assert host.allocate("d1", "100Mbit") == info
    host.refused("allocate", "--domain", "d1", "--port", "net0", "--bandwidth", "200Mbit")
    host.refused("allocate", "--domain", "d1", "--port", "net1", "--bandwidth", "100Mbit", "--mac", info["mac"])
    host.check()


@pytest.mark.long
def test_a_guest_that_does_not_let_go_keeps_its_vf_until_it_ends(host):
    host.start("d1")
    info = host.allocate("d1", "100Mbit")
    done = host.vf("release", "--domain", "d1", check=False)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1
    assert host.state("d1") == "releasing"
    assert host.drivers()[info["vf-pci"]] == "vfio-pci"
    host.vm.virsh("destroy", "d1")
    host.wait_clean()


@pytest.mark.long
def test_a_port_in_the_definition_is_there_again_at_the_next_start(host):
    host.define("d1")
    # Of a domain that is off, the definition alone is changed.
    host.vf("allocate", "--domain", "d1", "--port", "net0", "--bandwidth", "100Mbit", "--config")
    assert host.ports() == {}
    for _ in range(2):
        host.vm.virsh("start", "d1")
        host.wait_state("attached", "d1")
        host.check()
        host.vm.virsh("destroy", "d1")
        host.wait_clean()
    host.vf("release", "--domain", "d1", "--config")
    host.vm.virsh("start", "d1")
    assert host.ports() == {}


@pytest.mark.long
@pytest.mark.parametrize("policy", ["pack", "spread"])
def test_policy(host, policy):
    host.daemon.configure(host.config(f"policy={policy}"))
    try:
        host.start("d1")
        pfs = [host.allocate("d1", "100Mbit", port=f"net{n}")["pf"] for n in range(2)]
        assert len(set(pfs)) == (1 if policy == "pack" else 2)
        host.check()
    finally:
        host.daemon.configure(host.config())
