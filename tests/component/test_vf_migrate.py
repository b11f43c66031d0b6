# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `ballast migrate` asks ballastd about VFs, with libvirt's test driver, which migrates nothing: each migration
fails here. Those that succeed are tests/vf's."""

import json
import subprocess

import pytest
from daemon_peer import build_path
from hooks import ENVIRONMENT, below
from vf_peer import uuid

NODE = """<node><domain type='test'><name>d1</name><uuid>{uuid}</uuid><memory>65536</memory>
<metadata>{metadata}</metadata><os><type>hvm</type></os><devices>{devices}</devices></domain></node>"""
VF = """<interface type='hostdev'><mac address='52:54:00:00:00:01'/>
<source><address type='pci' domain='0' bus='3' slot='16' function='0'/></source></interface>"""
PORTS = "<vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' bandwidth='1Gbit'/></vf:ports>"

DETACH, ATTACH = (("vf-detach", uuid(1)), ("vf-attach", uuid(1)))


def migrate(root, metadata=PORTS, *options, devices="", stderr=subprocess.PIPE):
    node = root / "node.xml"
    node.write_text(NODE.format(uuid=uuid(1), metadata=metadata, devices=devices), encoding="ascii")
    return subprocess.run(below(root, [build_path("host-hook", "ballast"), "-c", f"test://{node}", "migrate", *options,
                                       "d1", "test:///default"]),
                          stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60, check=False, env=ENVIRONMENT, cwd="/")


def answering(asked, answers):
    """A script that notes each command with its domain, and answers it by `answers`, else with {}."""
    def script(connection):
        request = json.loads(connection.makefile("rb").readline())
        asked.append((request["execute"], request["arguments"]["domain"]))
        reply = answers.get(request["execute"], {"return": {}})
        if reply:
            connection.sendall(json.dumps(reply).encode() + b"\n")
        connection.close()
    return script


@pytest.fixture
def asked(fake):
    """asked(**answers): the list of what ballastd is asked from now on."""
    def start(**answers):
        commands = []
        fake(answering(commands, {name.replace("_", "-"): answer for name, answer in answers.items()}))
        return commands
    return start


def test_attached_again_when_it_fails(asked, tmp_path):
    commands = asked()
    done = migrate(tmp_path)
    assert done.returncode != 0
    assert commands == [DETACH, ATTACH], done.stderr


def test_detached_last(fake, tmp_path):
    """A release may take longer than the VFs are kept for the domain, which has no network meanwhile. Behind the release,
    or the sentence that there is none, they are detached."""
    said = []

    def script(connection):
        connection.makefile("rb").readline()
        said.append((tmp_path / "stderr").read_text(encoding="ascii"))
        connection.sendall(b'{"return": {}}\n')
        connection.close()

    fake(script)
    with (tmp_path / "stderr").open("w", encoding="ascii") as stderr:
        migrate(tmp_path, stderr=stderr)
    assert "migrating plainly" in said[0]


def test_detached_for_the_balloon(asked, tmp_path):
    """Beside a VF nothing but the balloon could release: they go first. Their time begins anew before the transfer."""
    commands = asked()
    migrate(tmp_path, devices=VF)
    assert commands == [DETACH, DETACH, ATTACH]


def test_guest_that_does_not_let_go(asked, tmp_path):
    """There is no migration then, and nothing to attach."""
    commands = asked(vf_detach={"error": {"class": "VfConflict", "desc": "Its guest has not answered"}})
    done = migrate(tmp_path)
    assert done.returncode == 1
    assert "is not migrated" in done.stderr and "Its guest has not answered" in done.stderr
    assert commands == [DETACH]


def test_no_answer(asked, tmp_path):
    """They may be detached by then."""
    commands = asked(vf_detach=None)
    done = migrate(tmp_path)
    assert done.returncode == 1 and "without an answer" in done.stderr and "may go on with it" in done.stderr
    assert commands == [DETACH, ATTACH]


def test_not_attached_again(asked, tmp_path):
    commands = asked(vf_attach={"error": {"class": "VfLedger", "desc": "The disk is full"}})
    done = migrate(tmp_path)
    assert "does not have its virtual functions back" in done.stderr and "The disk is full" in done.stderr
    assert commands == [DETACH, ATTACH]


def test_domain_without_vfs(asked, tmp_path):
    commands = asked()
    migrate(tmp_path, "<app:tag xmlns:app='urn:app'/>")
    assert commands == []


def test_no_memory_to_send(asked, tmp_path):
    """A definition has no VF."""
    commands = asked()
    migrate(tmp_path, PORTS, "--offline", "--persistent")
    assert commands == []


def test_no_daemon(tmp_path):
    """It is warned of, and libvirt says the rest."""
    done = migrate(tmp_path)
    assert "keeps its virtual functions" in done.stderr and "No ballastd runs" in done.stderr
    assert len(done.stderr.splitlines()) > 1
