# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast vf` and ballast-hook-vf, the real programs, with the real server and service on a made-up host."""

import json
import re

import pytest
from agent_process import wait_for
from vf_peer import ballast_vf, domain_xml, uuid

USAGE, NOT_FOUND, FAILED, NO_BANDWIDTH = 2, 3, 1, 7
OFF = 60


@pytest.fixture
def peer(vf_host):
    host = vf_host()
    # The service is open, and its first round is about an empty ledger.
    host.list()
    return host


def allocate(peer, domain=1, bandwidth="1Gbit", port="net0", *more):
    return peer.ballast("allocate", "--domain", uuid(domain), "--port", port, "--bandwidth", bandwidth, *more)


def assert_refused(done, code, *words):
    assert (done.returncode, done.stdout) == (code, ""), done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("ballast: ") and "\x1b" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def rows(text):
    """The tables of a list, as lists of dicts."""
    tables = []
    for part in text.strip().split("\n\n"):
        lines = part.splitlines()
        heads = lines[0].split()
        tables.append([dict(zip(heads, line.split())) for line in lines[1:]])
    return tables


def became(peer):
    """What the log says has become of VFs of domain 1's port net0, in this order: pairs of VF and word."""
    return re.findall(f"domain {uuid(1)}: port net0: VF (.*) is (.*)", peer.log.read_text(encoding="utf-8"))


def test_from_allocate_to_release(peer):
    assert rows(peer.ballast("list").stdout) == [[
        {"PF": f"eth{pf}", "PCI": f"0000:0{pf}:00.0", "DRIVER": "igb", "LINK": "up", "NUMA": str(pf % 2), "NETWORK": "-",
         "CAPACITY": "10Gbit", "ALLOCATED": "0Mbit", "RESIDUAL": "10Gbit", "VFS": "4", "FREE": "4"} for pf in (1, 2)]]

    done = allocate(peer, 1, "2.5Gbit", "net0", "--mac", "52:54:00:AB:cd:ef", "--vlan", "7", "--trust", "on",
                    "--spoofchk", "off", "--pf", "0000:02:00.0", "--numa", "domain")
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(line.split(None, 1) for line in done.stdout.splitlines()[1:])
    assert said == {"domain": uuid(1), "state": "attached", "pf": "eth2", "pf-pci": "0000:02:00.0", "vf": "0",
                    "vf-pci": "0000:02:10.0", "mac": "52:54:00:ab:cd:ef", "vlan": "7", "bandwidth": "2500Mbit",
                    "trust": "on", "spoofchk": "off", "max-rate-enforced": "yes",
                    "min-rate-enforced": "not-supported", "link-state-enforced": "not-supported"}

    pfs, ports = rows(peer.ballast("list").stdout)
    assert (pfs[1]["ALLOCATED"], pfs[1]["RESIDUAL"], pfs[1]["FREE"]) == ("2500Mbit", "7500Mbit", "3")
    assert ports == [{"DOMAIN": uuid(1), "PORT": "net0", "STATE": "attached", "PF": "eth2", "VF": "0",
                      "PCI": "0000:02:10.0", "MAC": "52:54:00:ab:cd:ef", "VLAN": "7", "BANDWIDTH": "2500Mbit"}]

    done = peer.ballast("release", "--domain", uuid(1), "--port", "net0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert became(peer) == [("0000:02:10.0 of eth2 with 2500 Mbit/s", what) for what in ("attached", "free again")]
    assert len(rows(peer.ballast("list").stdout)) == 1


def test_json(peer):
    """The same objects as on the socket."""
    port = json.loads(allocate(peer, 1, "1Gbit", "net0", "--json").stdout)
    assert port == {"port": peer.list()["ports"][0]}
    assert peer.ballast_json("list") == peer.list()
    assert peer.ballast_json("list", "--pf", "eth2") == peer.list(pf="eth2")
    assert peer.ballast_json("reconcile") == peer.list()
    assert peer.ballast_json("show", "eth1", f"{uuid(1)}/net0") == {"pfs": [peer.pf("eth1")], "ports": [port["port"]]}
    assert peer.ballast_json("release", "--domain", uuid(1)) == {}


def test_show(peer):
    port = peer.allocate(1, vlan=9)
    text = peer.ballast("show", "0000:01:00.0").stdout
    pf, vfs = (part.splitlines() for part in text.split("\nVF ", 1))
    assert pf[1].split()[0] == "eth1" and len(vfs) == 5
    assert vfs[1].split()[-2:] == [uuid(1), "net0"] and vfs[2].split()[-2:] == ["-", "-"]
    for name in "net0", f"{uuid(1)}/net0", port["vf-pci"]:
        assert port["mac"] in peer.ballast("show", name).stdout
    assert_refused(peer.ballast("show", "eth9"), NOT_FOUND, "eth9")
    assert_refused(peer.ballast("show", "a\x1b[2Jb"), NOT_FOUND, "x1b")
    assert_refused(peer.ballast("show"), USAGE)


BAD = {
    "no domain": (("allocate", "--port", "n", "--bandwidth", "1Gbit"), USAGE, "--domain is missing"),
    "no port": (("allocate", "--domain", uuid(2), "--bandwidth", "1Gbit"), USAGE, "--port is missing"),
    "no bandwidth": (("allocate", "--domain", uuid(2), "--port", "n"), USAGE, "--bandwidth is missing"),
    "zero": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "0Gbit"), USAGE, "0Gbit"),
    "negative": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth=-1Gbit"), USAGE, "-1Gbit"),
    "absurd": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1e9Gbit"), USAGE, "1e9Gbit"),
    "VLAN": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1Gbit", "--vlan", "4095"), USAGE, "4095"),
    "MAC": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1Gbit", "--mac", "ff:ff:ff:ff:ff:ff"),
            USAGE, "ff:ff"),
    "trust": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1Gbit", "--trust", "maybe"), USAGE,
              "maybe"),
    "terminal": (("allocate", "--domain", uuid(2), "--port", "\x1b[2J", "--bandwidth", "1Gbit"), USAGE, "x1b"),
    "unknown option": (("allocate", "--colour", "red"), USAGE, "--colour"),
    "a word too many": (("list", "eth1"), USAGE, "eth1"),
    "unknown command": (("lend",), USAGE, "lend"),
    "MAC in use": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1Gbit", "--mac",
                    "52:54:00:00:00:01"), FAILED, "52:54:00:00:00:01"),
    "unknown PF": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "1Gbit", "--pf", "eth9"), NOT_FOUND,
                   "eth9"),
    "unknown PF listed": (("list", "--pf", "eth9"), NOT_FOUND, "eth9"),
    "too much": (("allocate", "--domain", uuid(2), "--port", "n", "--bandwidth", "10Gbit"), NO_BANDWIDTH,
                 "eth1 has 9000 of 10000 Mbit/s left"),
    "unknown domain": (("allocate", "--domain", uuid(999), "--port", "n", "--bandwidth", "1Gbit"), NOT_FOUND, uuid(999)),
    "a name without libvirt": (("release", "--domain", "vm1"), NOT_FOUND, "qemu:///system"),
    "nothing to release": (("release", "--domain", uuid(2)), NOT_FOUND, uuid(2)),
    "no such port": (("release", "--domain", uuid(1), "--port", "net9"), NOT_FOUND, "net9"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_command_line_changes_nothing(peer, case):
    arguments, code, word = BAD[case]
    peer.allocate(1, mac="52:54:00:00:00:01")
    before = peer.list()
    assert_refused(peer.ballast(*arguments), code, word)
    assert peer.list() == before


def test_domain_that_is_off(peer, tmp_path):
    """It is called what it was called by who asked."""
    words = "is off: only its definition can ask for a port (--config); nothing was changed"
    assert_refused(allocate(peer, OFF), NOT_FOUND, f"Domain {uuid(OFF)} {words}")
    node = tmp_path / "node.xml"
    node.write_text(f"<node><domain type='test'><name>off1</name><uuid>{uuid(OFF)}</uuid><memory>65536</memory>"
                    "<os><type>hvm</type></os></domain></node>", encoding="ascii")
    by_name = "-c", f"test://{node}"
    assert_refused(peer.ballast(*by_name, "allocate", "--domain", "off1", "--port", "n", "--bandwidth", "1Gbit"), NOT_FOUND,
                   f"Domain off1 {words}")
    assert_refused(peer.ballast(*by_name, "release", "--domain", "off1"), NOT_FOUND, "Domain off1 has no port here")


def test_no_daemon(peer):
    peer.end()
    for arguments in ("list",), ("reconcile",), ("release", "--domain", uuid(1)):
        assert_refused(peer.ballast(*arguments), NOT_FOUND, "No ballastd runs", "nothing was changed")


def test_port_of_another_version(fake, tmp_path):
    """What cannot be read is not shown as something else; as JSON it is passed on."""
    port = {"domain": uuid(1), "port": "net0", "state": "\x1b[1m"}

    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(json.dumps({"return": {"pfs": [], "ports": [port]}}).encode() + b"\n")

    fake(answer)
    assert_refused(ballast_vf(tmp_path, "list"), FAILED, "Cannot show a port", "another version")
    assert json.loads(ballast_vf(tmp_path, "list", "--json").stdout)["ports"] == [port]


def test_host_without_vfs(fake, tmp_path):
    """It is told what makes them."""
    def answer(connection):
        connection.recv(1 << 16)
        connection.sendall(json.dumps({"return": {"pfs": [], "ports": []}}).encode() + b"\n")

    fake(answer)
    assert ballast_vf(tmp_path, "list").stdout == (
        "No NIC of this host has virtual functions; numvfs in /etc/ballast/vf.conf makes them.\n")


def test_definition(peer):
    done = allocate(peer, 60, "1Gbit", "net0", "--config")
    assert done.returncode == 0 and "its next start asks" in done.stdout
    done = peer.ballast("release", "--domain", uuid(OFF), "--config")
    assert (done.returncode, done.stdout) == (
        0, "No port is in the domain's definition any more: its next start asks for none.\n")
    assert allocate(peer, OFF, "1Gbit", "net1", "--config").returncode == 0
    done = peer.ballast("release", "--domain", uuid(OFF), "--port", "net1", "--config")
    assert (done.returncode, done.stdout) == (
        0, "Port net1 is not in the domain's definition any more: its next start does not ask for it.\n")
    said = peer.log.read_text(encoding="utf-8")
    assert said.count(f"domain {uuid(60)}: port net0 is asked for by its definition\n") == 1
    assert said.count(f"domain {uuid(60)}: ports are not asked for by its definition any more\n") == 1


def test_help(peer):
    text = peer.ballast("--help").stdout
    for command in "list", "show", "allocate", "release", "reconcile":
        assert f"\n  {command} " in text
        assert f"ballast vf {command} [OPTION" in peer.ballast(command, "--help").stdout


# --- the hook ---

PORT = {"id": "net0", "bandwidth": "4Gbit", "mac": "52:54:00:00:00:07"}

def test_hook_from_start_to_end(peer):
    """Reserved as the domain starts, once; given up when it ends."""
    before = peer.list()
    for _ in range(2):
        done = peer.hook("prepare", "begin", domain_xml(1, PORT))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    port = peer.ports()[(uuid(1), "net0")]
    assert (port["bandwidth-mbps"], port["mac"]) == (4000, PORT["mac"])
    assert peer.pf(port["pf"])["vfs"][port["vf"]]["max-rate-mbps"] == 4000
    done = peer.hook("release", "end", domain_xml(1, PORT))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wait_for(lambda: peer.list() == before, "all is as before")
    vf = f"{port['vf-pci']} of {port['pf']} with 4000 Mbit/s"
    assert became(peer) == [(vf, "reserved"), (vf, "free again")]


def test_log_of_what_a_round_does(peer):
    """A line for what it changed, and none when there was nothing to do."""
    assert peer.hook("prepare", "begin", domain_xml(1, PORT)).returncode == 0
    for _ in range(2):
        peer.ask("vf-reconcile")
    assert [what for _, what in became(peer)] == ["reserved", "attached"]
    peer.ask("vf-detach", domain=uuid(1))
    peer.ask("vf-attach", domain=uuid(1))
    assert [what for _, what in became(peer)][2:] == ["detached for a migration", "attached"]


def test_hook_refuses_a_start(peer):
    """With the figures; other domains that ask for nothing start all the same."""
    for domain in 1, 2, 3, 4:
        assert peer.hook("prepare", "begin", domain_xml(domain, {"id": "net0", "bandwidth": "4Gbit"})).returncode == 0
    before = peer.list()
    two = domain_xml(5, {"id": "a", "bandwidth": "1Gbit"}, {"id": "b", "bandwidth": "2Gbit"})
    done = peer.hook("prepare", "begin", two)
    assert (done.returncode, done.stdout) == (1, "") and len(done.stderr.splitlines()) == 1
    assert "eth2 has 2000 of 10000 Mbit/s left" in done.stderr
    assert peer.list() == before
    assert peer.hook("prepare", "begin", "<domain><name>d9</name></domain>").returncode == 0


@pytest.mark.parametrize("ports", [
    [{"id": "net0", "bandwidth": "0Mbit"}],
    [{"id": "net0", "bandwidth": "1Gbit", "colour": "red"}],
    [{"id": "net0", "bandwidth": "1Gbit", "vlan": "4095"}],
    [{"id": "net0", "bandwidth": "1Gbit"}, {"id": "net0", "bandwidth": "1Gbit"}],
    [{"bandwidth": "1Gbit"}],
], ids=["zero", "unknown attribute", "VLAN", "twice", "no id"])
def test_hook_refuses_bad_metadata(peer, ports):
    before = peer.list()
    done = peer.hook("prepare", "begin", domain_xml(1, *ports))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "metadata" in done.stderr
    assert peer.list() == before


def test_hook_of_an_arriving_domain(peer):
    """The source's address in its interface becomes this host's, found by MAC address; it does not run here yet."""
    interface = ("<devices><interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:07'/><source>"
                 "<address type='pci' domain='0x0000' bus='0x77' slot='0x10' function='0x3'/></source></interface>"
                 "</devices></domain>")
    xml = domain_xml(OFF, PORT).replace("</domain>", interface)
    done = peer.hook("migrate", "begin", xml)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bus='0x77'" not in done.stdout and 'bus="0x77"' not in done.stdout
    port = peer.ports()[(uuid(OFF), "net0")]
    assert any(f"bus={quote}0x{port['vf-pci'][5:7]}{quote}" in done.stdout for quote in "'\"")
    again = peer.hook("prepare", "begin", done.stdout)
    assert (again.returncode, again.stdout) == (0, "")
    assert peer.ports() == {(uuid(OFF), "net0"): port}
    assert peer.hook("release", "end", done.stdout).returncode == 0
    wait_for(lambda: peer.ports() == {}, "the migration failed, and it is free again")


def test_20_domains_start_at_once(vf_host):
    """As a host boots."""
    peer = vf_host(pfs=2, vfs=16)
    processes = [peer.start_hook("prepare", "begin") for _ in range(20)]
    for domain, process in enumerate(processes, 1):
        process.stdin.write(domain_xml(domain, {"id": "net0", "bandwidth": "500Mbit"}).encode())
        process.stdin.close()
    assert [process.wait(30) for process in processes] == [0] * 20
    assert len({port["vf-pci"] for port in peer.list()["ports"]}) == 20


def test_damaged_ledger(peer):
    """No start without a VF that was asked for, and every other one as ever."""
    assert peer.hook("prepare", "begin", domain_xml(1, PORT)).returncode == 0
    peer.end()
    ledger = peer.root / "var/lib/ballast/vf/ledger"
    ledger.write_bytes(b"nonsense\n")
    peer.start()
    done = peer.hook("prepare", "begin", domain_xml(2, {"id": "net0", "bandwidth": "1Gbit"}))
    assert done.returncode == 1 and str(ledger) in done.stderr
    assert peer.hook("release", "end", domain_xml(1, PORT)).returncode == 0
    assert peer.hook("prepare", "begin", "<domain><name>d9</name></domain>").returncode == 0
    assert_refused(peer.ballast("list"), FAILED, str(ledger))
    assert ledger.read_bytes() == b"nonsense\n"
