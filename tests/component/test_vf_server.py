# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a management system asks ballastd's socket about VFs: the real server and service on a made-up host."""

import json
import signal
import subprocess
import threading

import pytest
from agent_process import wait_for
from vf_client import VfError
from vf_peer import uuid

LEDGER = "var/lib/ballast/vf/ledger"


@pytest.fixture
def peer(vf_host):
    return vf_host()


def test_client(peer):
    """The whole of it: what is there, a port, and gone again."""
    before = peer.list()
    assert [(pf["pf"], pf["capacity-mbps"], pf["residual-mbps"]) for pf in before["pfs"]] == [
        ("eth1", 10000, 10000), ("eth2", 10000, 10000)]
    assert before["ports"] == [] and before["left-out"] == 0

    port = peer.allocate(1, "2.5Gbit", mac="52:54:00:12:34:56", vlan=100, trust=True, spoofchk=False)
    assert port == {"domain": uuid(1), "port": "net0", "state": "attached", "pf": "eth1", "pf-pci": "0000:01:00.0",
                    "vf": 0, "vf-pci": "0000:01:10.0", "mac": "52:54:00:12:34:56", "vlan": 100,
                    "bandwidth-mbps": 2500, "max-rate-enforced": "yes", "min-rate-enforced": "not-supported",
                    "link-state-enforced": "not-supported", "trust": True, "spoofchk": False}
    assert peer.allocate(1, "2.5Gbit", mac="52:54:00:12:34:56", vlan=100, trust=True, spoofchk=False) == port
    listed = peer.list()
    assert listed["ports"] == [port]
    pf = listed["pfs"][0]
    assert (pf["allocated-mbps"], pf["residual-mbps"]) == (2500, 7500)
    vf = pf["vfs"][0]
    assert (vf["domain"], vf["port"], vf["driver"], vf["use"]) == (uuid(1), "net0", "vfio-pci", "open")
    assert (vf["mac"], vf["vlan"], vf["max-rate-mbps"], vf["trust"], vf["spoofchk"]) == (
        "52:54:00:12:34:56", 100, 2500, True, False)

    assert peer.release(1, port="net0") == {}
    assert peer.list() == before


def test_of_one_pf(peer):
    peer.allocate(1)
    peer.allocate(2, pf="eth2")
    listed = peer.list(pf="0000:02:00.0")
    assert [pf["pf"] for pf in listed["pfs"]] == ["eth2"]
    assert [port["domain"] for port in listed["ports"]] == [uuid(2)]


def test_until_full(peer):
    """Residual bandwidth must be greater than what is asked; the refusal has the figures of each PF."""
    ports = [peer.allocate(domain, "4Gbit") for domain in (1, 2, 3, 4)]
    assert [port["pf"] for port in ports] == ["eth1", "eth1", "eth2", "eth2"]
    with pytest.raises(VfError) as refused:
        peer.allocate(5, "2Gbit")
    assert refused.value.error_class == "VfRefused"
    for figures in ("2000 Mbit/s", "eth1 has 2000 of 10000 Mbit/s left", "eth2 has 2000 of 10000 Mbit/s left"):
        assert figures in refused.value.desc
    assert peer.allocate(5, "1999Mbit")["pf"] == "eth1"


BAD = {
    "unknown key": ("VfInvalid", "colour", {"colour": "red"}),
    "metadata's key": ("VfInvalid", "required", {"required": True}),
    "no bandwidth": ("VfInvalid", "bandwidth", {"bandwidth": None}),
    "zero": ("VfInvalid", "0Mbit", {"bandwidth": "0Mbit"}),
    "negative": ("VfInvalid", "-1Gbit", {"bandwidth": "-1Gbit"}),
    "absurd": ("VfInvalid", "99999999Gbit", {"bandwidth": "99999999Gbit"}),
    "bytes": ("VfInvalid", "1GB", {"bandwidth": "1GB"}),
    "a number": ("VfInvalid", "bandwidth", {"bandwidth": 1000}),
    "more than any": ("VfRefused", "10000 Mbit/s left", {"bandwidth": "900Gbit"}),
    "multicast": ("VfInvalid", "01:00:5e:00:00:01", {"mac": "01:00:5e:00:00:01"}),
    "no MAC": ("VfInvalid", "nonsense", {"mac": "nonsense"}),
    "MAC in use": ("VfConflict", "52:54:00:00:00:01", {"mac": "52:54:00:00:00:01"}),
    "VLAN 0": ("VfInvalid", "vlan", {"vlan": 0}),
    "VLAN 4095": ("VfInvalid", "vlan", {"vlan": 4095}),
    "unknown PF": ("VfNotFound", "eth9", {"pf": "eth9"}),
    "path": ("VfInvalid", "pf", {"pf": "../eth1"}),
    "unknown network": ("VfRefused", "physnet9", {"network": "physnet9"}),
    "terminal": ("VfInvalid", "x1b", {"bandwidth": "\x1b[2J"}),
    "NUMA node": ("VfInvalid", "numa", {"numa": 5000}),
    "port": ("VfInvalid", "port", {"port": "net 0"}),
    "demanded": ("VfHardware", "Cannot set", {"minimum": True}),
    "same port": ("VfConflict", "net0", {"domain": uuid(1), "port": "net0"}),
    "domain's name": ("VfInvalid", "domain", {"domain": "vm1"}),
    "unknown domain": ("VfNotFound", uuid(999), {"domain": uuid(999)}),
    "domain that is off": ("VfNotFound", "is off", {"domain": uuid(60)}),
    "standby": ("VfInvalid", "mac", {"standby": "ua-virtio"}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_allocation_changes_nothing(peer, case):
    error_class, word, changes = BAD[case]
    peer.allocate(1, mac="52:54:00:00:00:01")
    before = peer.list()
    arguments = {"domain": uuid(2), "port": "net1", "bandwidth": "2Gbit", **changes}
    with pytest.raises(VfError) as refused:
        peer.ask("vf-allocate", **{name: value for name, value in arguments.items() if value is not None})
    assert refused.value.error_class == error_class and word in refused.value.desc, str(refused.value)
    assert "\x1b" not in refused.value.desc and "\n" not in refused.value.desc
    assert peer.list() == before


@pytest.mark.parametrize("arguments, error_class", [
    ({}, "VfInvalid"),
    ({"domain": uuid(1), "all": True}, "VfInvalid"),
    ({"domain": uuid(1), "port": "net9"}, "VfNotFound"),
    ({"domain": uuid(2)}, "VfNotFound"),
    ({"domain": uuid(2), "port": "net0"}, "VfNotFound"),
    ({"domain": uuid(999)}, "VfNotFound"),
], ids=["nothing", "unknown key", "other port", "no port", "somebody else's", "unknown domain"])
def test_bad_release_changes_nothing(peer, arguments, error_class):
    peer.allocate(1)
    before = peer.list()
    with pytest.raises(VfError) as refused:
        peer.ask("vf-release", **arguments)
    assert refused.value.error_class == error_class
    if error_class == "VfNotFound":
        assert all(word in refused.value.desc for word in arguments.values()), str(refused.value)
    assert peer.list() == before


def test_released_twice(peer):
    peer.allocate(1)
    peer.release(1)
    before = peer.list()
    with pytest.raises(VfError) as refused:
        peer.release(1)
    assert refused.value.error_class == "VfNotFound"
    assert peer.list() == before


def test_all_ports_of_a_domain(peer):
    for port in "net0", "net1", "net2":
        peer.allocate(1, port=port)
    peer.allocate(2)
    peer.release(1)
    assert set(peer.ports()) == {(uuid(2), "net0")}


def test_definition(peer):
    """A domain that is off is asked for later: its definition alone changes."""
    before = peer.list()
    assert peer.ask("vf-allocate", domain=uuid(60), port="net0", bandwidth="1Gbit", config=True) == {}
    assert peer.list() == before
    assert peer.release(60, port="net0", config=True) == {}
    with pytest.raises(VfError) as refused:
        peer.release(60, port="net0", config=True)
    assert refused.value.error_class == "VfNotFound"


def test_detached_for_a_migration(peer):
    """What is detached stays reserved: nobody else gets it."""
    port = peer.allocate(1)
    assert peer.ask("vf-detach", domain=uuid(1)) == {}
    parked = peer.ports()[(uuid(1), "net0")]
    assert parked["vf-pci"] == port["vf-pci"] and parked["state"] != "attached"
    assert peer.pf("eth1")["vfs"][0]["use"] != "open"
    assert peer.allocate(2)["vf-pci"] != port["vf-pci"]
    assert peer.ask("vf-attach", domain=uuid(1)) == {}
    assert peer.ports()[(uuid(1), "net0")] == port


def test_50_clients_at_once(vf_host):
    """Each asks until it is refused, and gives some back in between: never too much, no VF and no MAC twice."""
    peer = vf_host(pfs=4, vfs=32, mbps=10000, domains=60)
    failures, granted = [], []

    def client(domain):
        try:
            for number in range(8):
                try:
                    port = peer.allocate(domain, f"{100 + 37 * number}Mbit", port=f"net{number}")
                except VfError as error:
                    assert error.error_class == "VfRefused", error
                    return
                granted.append(port)
                if number % 3 == 2:
                    peer.release(domain, port=f"net{number - 1}")
        except Exception as error:  # pylint: disable=broad-except
            failures.append(repr(error))

    threads = [threading.Thread(target=client, args=(domain,)) for domain in range(1, 51)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    check_ledger(peer.root / LEDGER, 10000)
    listed = peer.list()
    assert len(granted) > len(listed["ports"]) > 64
    for what in "vf-pci", "mac":
        assert len({port[what] for port in listed["ports"]}) == len(listed["ports"])
    for pf in listed["pfs"]:
        taken = sum(port["bandwidth-mbps"] for port in listed["ports"] if port["pf"] == pf["pf"])
        assert taken == pf["allocated-mbps"] < 10000


def check_ledger(path, capacity_mbps):
    """After each line of the log that is there: no PF has given as much as it has, no VF is two ports'."""
    entries = {}
    for line in path.read_text(encoding="ascii").splitlines()[1:]:
        change = json.loads(line)
        if "remove" in change:
            del entries[change["remove"]["domain"], change["remove"]["port"]]
        else:
            entry = change.get("put") or change["keep"]
            request = entry.get("request", entry)
            entries[request["domain"], request["port"]] = entry
        vfs = [entry["vf-pci"] for entry in entries.values()]
        assert len(vfs) == len(set(vfs))
        for pf in {entry["pf-pci"] for entry in entries.values()}:
            taken = sum(mbps(entry) for entry in entries.values() if entry["pf-pci"] == pf)
            assert taken < capacity_mbps, line
    return entries


def mbps(entry):
    text = entry.get("request", entry)["bandwidth"]
    assert text.endswith("Mbit")
    return int(text[:-4])


def test_killed(peer):
    """What was promised is there again."""
    ports = [peer.allocate(domain) for domain in (1, 2, 3)]
    peer.kill()
    peer.start()
    assert sorted(peer.ports()) == sorted((port["domain"], port["port"]) for port in ports)
    assert {port["vf-pci"] for port in peer.list()["ports"]} == {port["vf-pci"] for port in ports}


def test_ends_while_clients_wait(vf_host):
    """They are hung up on, and it ends."""
    peer = vf_host(pfs=1, vfs=64, domains=60)
    assert peer.ports() == {}  # The ledger is there by now.
    errors = []

    def client(domain):
        try:
            while True:
                peer.allocate(domain, "1Mbit")
                peer.release(domain)
        except (OSError, ValueError, VfError) as error:
            errors.append(error)

    threads = [threading.Thread(target=client, args=(domain,)) for domain in range(1, 21)]
    for thread in threads:
        thread.start()
    wait_for(lambda: (peer.root / LEDGER).stat().st_size > 50000, "they are at work")
    assert peer.end() == 0
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(errors) == 20
    check_ledger(peer.root / LEDGER, 10000)


def test_foreign_vf(peer):
    """One that somebody else has a QEMU on is never offered, and what it is like stays."""
    for vf in range(4):
        device = peer.root / f"sys/devices/pci0000:00/0000:01:10.{vf}"
        if vf != 2:
            subprocess.run(["rm", "-r", device / "net"], check=True)
            (device / "driver").unlink()
            (device / "driver").symlink_to("../../../bus/pci/drivers/vfio-pci")
    before = [vf for vf in peer.pf("eth1")["vfs"] if vf["vf"] != 2]
    assert {vf["use"] for vf in before} == {"open"}
    assert peer.allocate(1, pf="eth1")["vf"] == 2
    with pytest.raises(VfError) as refused:
        peer.allocate(2, pf="eth1")
    assert refused.value.error_class == "VfRefused" and "eth1 has 9000 Mbit/s left but no VF" in refused.value.desc
    assert [vf for vf in peer.pf("eth1")["vfs"] if vf["vf"] != 2] == before


def test_reload(vf_host):
    peer = vf_host(config="[pf eth1]\nnetwork=physnet1\n")
    assert peer.allocate(1, network="physnet1")["pf"] == "eth1"
    peer.config_path.write_text("[pf eth2]\nnetwork=physnet2\ncapacity=3Gbit\n", encoding="ascii")
    peer.process.send_signal(signal.SIGHUP)
    wait_for(lambda: peer.pf("eth2").get("network") == "physnet2", "the new configuration counts")
    assert peer.pf("eth2")["capacity-mbps"] == 3000
    assert peer.allocate(2, network="physnet2")["pf"] == "eth2"
    before = peer.list()
    peer.config_path.write_text("[pf eth2]\nnetwork=\n", encoding="ascii")
    peer.process.send_signal(signal.SIGHUP)
    assert peer.ask("vf-reconcile") == before
    assert peer.list() == before


@pytest.mark.parametrize("damage", ["ledger", "config"])
def test_without_service(peer, damage):
    """All is refused with the reason, and the ledger left as it is, until it is mended and read again."""
    peer.allocate(1)
    peer.end()
    path = peer.root / LEDGER if damage == "ledger" else peer.config_path
    good = path.read_bytes()
    path.write_bytes(b"nonsense\n" + good)
    peer.start()
    for command, arguments in (("vf-list", {}), ("vf-reconcile", {}), ("vf-detach", {"domain": uuid(1)}),
                               ("vf-release", {"domain": uuid(1)}),
                               ("vf-allocate", {"domain": uuid(2), "port": "net0", "bandwidth": "1Gbit"})):
        with pytest.raises(VfError) as refused:
            peer.ask(command, **arguments)
        assert refused.value.error_class == ("VfLedger" if damage == "ledger" else "GenericError")
        assert str(path) in refused.value.desc
    assert peer.ask("status") == {}
    assert path.read_bytes() == b"nonsense\n" + good
    path.write_bytes(good)
    peer.process.send_signal(signal.SIGHUP)
    wait_for(lambda: is_listed(peer), "it has been read again")
    assert set(peer.ports()) == {(uuid(1), "net0")}


def is_listed(peer):
    try:
        return peer.list()
    except VfError:
        return None
