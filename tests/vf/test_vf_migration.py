# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations between two host VMs: the destination has a VF for the domain, and the ledger is right on both sides.

With a standby (libvirt's teaming) libvirt and QEMU do the rest. Seen with libvirt 9.0 and QEMU 7.2, of a Linux with net_failover:
the destination's hooks run as ever (`migrate begin`, `prepare begin`, `start begin`, `started begin`), with the source's
<interface type='hostdev'> in the XML, its PCI address and <teaming type='transient'> included; the guest lets go of its VF
before memory flows, and has the destination's some seconds after it runs there; the source has `stopped end` and `release end`.
A migration that fails has the guest take its VF back, and the destination `stopped end` and `release end`. A guest without
an operating system never sees its VF, which QEMU keeps back until the standby's driver asks: libvirt binds it to vfio-pci, and
nobody has it open.
"""

import re

import pytest

from bed.host import wait_until
from domains import guest_shell, metadata_xml, standby_xml

MAC = "52:54:00:aa:00:01"
TEAM_PORT = {"id": "net0", "bandwidth": "300Mbit", "mac": MAC, "standby": "ua-standby0"}
PLAIN_PORT = {"id": "net0", "bandwidth": "300Mbit", "vlan": "7"}

# Says a number again and again to a guest that echoes it, on one connection.
_TALK = """\
import socket, sys, time
connected = socket.create_connection((sys.argv[1], 7), 30)
connected.settimeout(120)
for n in range(1000000):
    connected.sendall(b"%d\\n" % n)
    while not connected.recv(100).endswith(b"\\n"):
        pass
    print(n, flush=True)
    time.sleep(0.2)
"""


@pytest.fixture
def pair(host, peer):
    """Both hosts; the peer's first VF is taken, so that the source's address cannot do there."""
    peer.start("other")
    peer.allocate("other", "10Mbit", port="net0")
    return host, peer


def migrate(host, peer, name, *options, timeout=300, check=True):
    return host.vm.virsh("migrate", "--live", "--unsafe", *options, name, peer.vm.uri, timeout=timeout, check=check)


def start_team(host, name):
    host.start(name, interfaces=standby_xml(MAC), metadata=metadata_xml(TEAM_PORT))
    return host.wait_state("attached", name)


def has_moved(host, peer, name):
    """The domain runs on `peer`, with a VF as it had, and `host` has forgotten it."""
    peer.wait_state("attached", name)
    host.wait_state(None, name)
    host.check()
    peer.check()
    assert peer.residual()[peer.port(name)["pf"]] in (690, 700)


def has_stayed(host, peer, name):
    host.wait_state("attached", name)
    peer.wait_state(None, name)
    host.check()
    peer.check()


def test_with_a_standby(pair):
    host, peer = pair
    before = start_team(host, "d1")
    migrate(host, peer, "d1")
    has_moved(host, peer, "d1")
    after = peer.port("d1")
    assert after["mac"] == before["mac"] and after["vf-pci"] != before["vf-pci"]
    assert "transient" in peer.xml("d1")
    host.wait_clean()

    # And from there to where the first VF is free.
    migrate(peer, host, "d1")
    has_moved(peer, host, "d1")


def test_a_destination_without_bandwidth_refuses(pair):
    host, peer = pair
    peer.start("full")
    for n in range(2):
        peer.allocate("full", "800Mbit", port=f"net{n}")
    start_team(host, "d1")
    done = migrate(host, peer, "d1", check=False)
    assert done.returncode != 0 and "300 Mbit/s" in done.stderr
    has_stayed(host, peer, "d1")


def test_without_a_standby_libvirt_alone_cannot(pair):
    host, peer = pair
    host.start("d1", metadata=metadata_xml(PLAIN_PORT))
    host.wait_state("attached", "d1")
    assert migrate(host, peer, "d1", check=False).returncode != 0
    has_stayed(host, peer, "d1")


def test_ballast_migrate_without_a_standby(pair, linux):
    host, peer = pair
    before = host.allocate(linux, "300Mbit", "--vlan", "7")
    host.vm.ballast("migrate", "--live", "--unsafe", linux, peer.vm.uri, timeout=300)
    has_moved(host, peer, linux)
    after = peer.port(linux)
    assert (after["mac"], after["vlan"], after["bandwidth-mbps"]) == (before["mac"], 7, 300)
    host.wait_clean()

    # The way back fails, and its guest has a VF again; then it does not.
    host.start("full")
    for n in range(2):
        host.allocate("full", "800Mbit", port=f"net{n}")
    assert peer.vm.ballast("migrate", "--live", "--unsafe", linux, host.vm.uri, check=False, timeout=300).returncode == 1
    has_stayed(peer, host, linux)
    host.vm.virsh("destroy", "full")
    host.wait_clean()
    peer.vm.ballast("migrate", "--live", "--unsafe", linux, host.vm.uri, timeout=300)
    has_moved(peer, host, linux)


@pytest.mark.long
def test_a_team_keeps_its_connection(pair):
    host, peer = pair
    host.boot("team", interfaces=standby_xml(MAC), metadata=metadata_xml(TEAM_PORT), address="10.78.0.9/24")
    host.wait_state("attached", "team")
    wait_until(lambda: has_primary(host, "team"), 30, "the guest's VF is its team's")
    talk = peer.vm.popen(["python3", "-c", _TALK, "10.78.0.9"])
    wait_until(lambda: said(talk) > 3, 30, "the guest answers")

    # Destination's QEMU dies in the transfer, after its ballastd was started anew.
    host.vm.virsh("migrate-setspeed", "team", "1")
    migration = host.vm.popen(["virsh", "migrate", "--live", "--unsafe", "team", peer.vm.uri])
    wait_until(lambda: has_begun(host, "team"), 60, "memory flows")
    reserved = peer.port("team")
    assert reserved["state"] == "reserved"
    peer.daemon.restart()
    peer.vf("reconcile")
    assert peer.port("team") == reserved
    peer.vm.run(["kill", "-KILL", peer.qemu_pid("team")])
    assert migration.wait(60).returncode != 0
    has_stayed(host, peer, "team")
    wait_until(lambda: has_primary(host, "team"), 60, "the guest's VF is its team's again")

    host.vm.virsh("migrate-setspeed", "team", "1000")
    migrate(host, peer, "team")
    has_moved(host, peer, "team")
    wait_until(lambda: has_primary(peer, "team"), 60, "the guest's new VF is its team's")
    answered = said(talk)
    wait_until(lambda: said(talk) > answered + 3, 60, "the guest answers still, on the same connection")
    assert talk.poll() is None
    talk.kill()


def said(talk):
    lines = talk.stdout.splitlines()
    return int(lines[-1]) if lines else 0


def has_primary(host, name):
    """Whether the guest's interface has both halves."""
    return guest_shell(host.vm, name, "ls -d /sys/class/net/*/master | wc -l").strip() == "2"


def has_begun(host, name):
    processed = re.search(r"Memory processed:\s+([0-9.]+)", host.vm.virsh("domjobinfo", name, check=False).stdout)
    return processed and float(processed[1]) > 0
