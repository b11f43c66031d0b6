# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast retire` and a ledger of virtual functions that are none of this machine's, with libvirt's test driver, of
whose domains nobody can tell whether a job holds them. What it does with real ones is tests/vf's."""

import json
import subprocess

import pytest
from daemon_peer import build_path
from hooks import ENVIRONMENT
from vf_peer import uuid

FAILED, BUSY = 1, 4
LEDGER = "var/lib/ballast/vf/ledger"
RUNNING = ("<domain type='test'><name>d1</name><uuid>" + uuid(1) + "</uuid><memory>65536</memory>"
           "<os><type>hvm</type></os></domain>")


@pytest.fixture
def ledger(vf_host, tmp_path):
    """The ledger's file, with a port of domains 1 and 2; nobody runs."""
    peer = vf_host()
    peer.allocate(1)
    peer.allocate(2)
    peer.kill()
    return tmp_path / LEDGER


def retire(root, domains="", config=""):
    folder = root / "etc" / "ballast"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ballast.conf").write_text(config, encoding="ascii")
    node = root / "node.xml"
    node.write_text(f"<node>{domains}</node>", encoding="ascii")
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount --bind "$0/run" /run && mount --bind "$0/var/lib" /var/lib && mount -t tmpfs none /sys && '
            'mount -t overlay -o "lowerdir=$0/etc:/etc" none /etc && '
            'mkdir -p /sys/bus/pci/devices && exec "$@"', str(root)]
    return subprocess.run([*argv, build_path("host-hook", "ballast"), "-c", f"test://{node}", "retire"],
                          capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT, cwd="/")


def ports(ledger):
    """Domains that have a port in the ledger."""
    found = set()
    for change in map(json.loads, ledger.read_text(encoding="ascii").splitlines()):
        entry = change.get("put") or change.get("keep")
        if entry:
            found.add(entry["request"]["domain"])
        if "remove" in change:
            found.discard(change["remove"]["domain"])
    return found


def test_ports_of_no_running_domain_are_freed(ledger, tmp_path):
    assert ports(ledger) == {uuid(1), uuid(2)}
    for _ in range(2):
        done = retire(tmp_path)
        assert (done.returncode, done.stdout) == (0, "Nothing of Ballast is left in this host's domains.\n"), done.stderr
        assert ports(ledger) == set()


def test_configuration_that_is_not_valid(ledger, tmp_path):
    """Which may be why Ballast is removed."""
    assert retire(tmp_path, config="[ballast]\nno-such-key=1\n").returncode == 0
    assert ports(ledger) == set()


def test_busy_domain_is_left(ledger, tmp_path):
    done = retire(tmp_path, RUNNING)
    assert done.returncode == FAILED
    assert f"Domain {uuid(1)} is held" in done.stderr and "still in the ledger" in done.stderr.splitlines()[-1]
    assert ports(ledger) == {uuid(1)}


def test_not_beside_ballastd(vf_host, tmp_path):
    peer = vf_host()
    peer.allocate(1)
    before = peer.list()
    done = retire(tmp_path)
    assert done.returncode == BUSY and "stop it first" in done.stderr
    assert peer.list() == before


def test_ledger_that_cannot_be_read(ledger, tmp_path):
    ledger.write_text("{}\n{}\n", encoding="ascii")
    done = retire(tmp_path)
    assert done.returncode == FAILED and "/var/lib/ballast/vf/ledger" in done.stderr
    assert "still in the ledger" in done.stderr.splitlines()[-1]
    assert ledger.read_text(encoding="ascii") == "{}\n{}\n"


def test_without_a_ledger(tmp_path):
    for folder in "run", "var/lib":
        (tmp_path / folder).mkdir(parents=True)
    assert retire(tmp_path).returncode == 0
    assert not (tmp_path / LEDGER).parent.exists()
