# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast status` on a made-up host, and its connection to libvirt: what the journal and ballastd say does not need one."""

import json
import os
import pty
import subprocess

import pytest
from hooks import ENVIRONMENT
from made_up_host import Host, balloon, check_refused, put, uuid

NOT_FOUND = 3
LOCAL = "qemu:///system"
AWAY = (f"ballast: Cannot connect to {LOCAL}: libvirt says: Failed to connect socket to '/var/run/libvirt/libvirt-sock': "
        "No such file or directory; nothing was touched: start libvirtd or virtqemud\n")


@pytest.mark.parametrize("command", [("plan", "d1"), ("vf", "release", "--domain", "d1"), ("recover",)], ids=" ".join)
def test_libvirt_is_away(host, command):
    done = host.ballast("-c", LOCAL, *command)
    assert (done.returncode, done.stdout, done.stderr) == (NOT_FOUND, "", AWAY)


@pytest.mark.parametrize("uri", ["qemu+unix://elsewhere/system", "qemu+tcp://127.0.0.1:1/system"])
def test_libvirt_of_another_host_is_not_for_us_to_start(host, uri):
    for command in "recover", "status":
        check_refused(host.ballast("-c", uri, command), NOT_FOUND, f"Cannot connect to {uri}")
        assert "start libvirtd" not in host.ballast("-c", uri, command).stderr


def status(host, *arguments):
    done = host.ballast("-c", LOCAL, "status", *arguments)
    assert (done.returncode, done.stderr) == (NOT_FOUND, AWAY)
    return done.stdout


def test_status_without_libvirt(host):
    assert status(host) == "Nothing is released.\n"
    put(host, balloon(1), balloon(2))
    lines = status(host).splitlines()
    assert len(lines) == 2 and all("; the domain is not known; its owner is gone" in line for line in lines)
    line, = status(host, "d1").splitlines()
    assert line.startswith("d1: released, up to 32.0 MiB, ")
    assert [each["uuid"] for each in json.loads(status(host, uuid(2), "--json"))["released"]] == [uuid(2)]
    # Whether there is such a domain libvirt alone knows.
    assert status(host, "d3") == ""


def test_status_of_ballastd_without_libvirt(host, fake):
    reason = "neither libvirtd nor virtqemud runs"

    def script(connection):
        connection.recv(1 << 16)
        connection.sendall(json.dumps({"return": {
            "libvirt": False, "libvirt-error": reason, "domains": [], "domains-left-out": 0,
            "migrations": [{"domain": "d8", "uuid": uuid(8), "outcome": "left", "began-us": 1, "ended-us": 2}]}}).encode() + b"\n")
        connection.close()

    fake(script)
    for arguments in (), ("d8",):
        said = status(host, *arguments)
        assert f"ballastd runs, but does not reach libvirt: {reason}.\n" in said and " d8 " in said
    assert json.loads(status(host, "--json"))["ballastd"]["libvirt-error"] == reason


# --- libvirt that has not seen the hooks ---

STARTS = {
    "started before": ("libvirtd 1a\nvirtqemud 2b\n", {"libvirtd": "1a"}, "libvirtd"),
    "virtqemud": ("virtqemud 2b\n", {"virtqemud": "2b", "libvirtd": "3c"}, "virtqemud"),
    "started again": ("libvirtd 1a\n", {"libvirtd": "1b"}, None),
    "does not run": ("libvirtd 1a\n", {}, None),
    "did not run": ("", {"libvirtd": "1a"}, None),
    "nonsense": ("libvirtd\n\n1a\nlibvirtd 1\n../libvirtd 1a\n", {"libvirtd": "1a"}, None),
    "not packaged": (None, {"libvirtd": "1a"}, None),
}


@pytest.mark.parametrize("case", STARTS)
def test_restart_of_libvirt_that_is_due(host, case):
    """By the package's file, and systemd's links."""
    before, running, due = STARTS[case]
    folder = host.root / "var/lib/ballast"
    folder.mkdir()
    if before is not None:
        (folder / "libvirt-before-hooks").write_text(before, encoding="ascii")
    units = host.root / "run/systemd/units"
    units.mkdir(parents=True)
    for daemon, start in running.items():
        (units / f"invocation:{daemon}.service").symlink_to(start)
    done = host.ask("status")
    assert (done.returncode, done.stdout) == (0, "Nothing is released.\n")
    assert done.stderr == (due and f"ballast: warning: {due} was started before Ballast's hooks were there and does not call "
                           f"them: run `systemctl restart {due}` when no domain has a job\n" or "")


# --- a libvirt that wants to know who asks ---

def locked(root):
    host = Host(root, "<auth><user>somebody</user></auth>")
    return host.argv("ballast", "-c", f"test://{root}/node.xml", "status")


def test_nothing_is_asked_without_a_terminal(tmp_path):
    done = subprocess.run(locked(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
                          env=ENVIRONMENT, cwd="/")
    assert (done.returncode, done.stdout) == (NOT_FOUND, "Nothing is released.\n")
    assert "libvirt says: authentication failed" in done.stderr


def test_a_terminal_is_asked(tmp_path):
    master, slave = pty.openpty()
    os.write(master, b"somebody\n")
    done = subprocess.run(locked(tmp_path), stdin=slave, capture_output=True, text=True, timeout=60, check=False,
                          env=ENVIRONMENT, cwd="/")
    os.close(slave)
    os.close(master)
    assert (done.returncode, done.stdout) == (0, "Enter username for localhost: Nothing is released.\n"), done
