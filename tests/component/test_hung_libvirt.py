# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirt that takes connections and never says a word, as one does that hangs: nobody but who asks for it waits."""

import fcntl
import socket
import subprocess
import threading
import time

import pytest
from agent_process import wait_for
from daemon_peer import SOCKET
from hooks import ENVIRONMENT
from made_up_host import Host, uuid
from vf_client import ask

SILENT = "qemu+unix:///system?socket=/run/libvirt/silent"


@pytest.fixture
def host(tmp_path):
    """A host with such a libvirt; its attribute `callers` are the connections that were made."""
    host = Host(tmp_path)
    host.callers = []
    folder = host.root / "run/libvirt"
    (folder / "qemu").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener, (folder / "qemu/driver.pid").open("wb") as running:
        listener.bind(str(folder / "silent"))
        listener.listen(16)
        fcntl.lockf(running, fcntl.LOCK_EX, 1)

        def accept():
            try:
                while True:
                    host.callers.append(listener.accept()[0])
            except OSError:
                pass

        thread = threading.Thread(target=accept)
        thread.start()
        yield host
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for caller in host.callers:
        caller.close()


@pytest.fixture
def daemon(host):
    with (host.root / "log").open("wb") as log, subprocess.Popen(
            host.argv("ballastd", "-c", SILENT), stderr=log, env=ENVIRONMENT, cwd="/") as process:
        wait_for(lambda: host.callers, "ballastd calls libvirt")
        yield process
        process.kill()


def test_ballastd_serves_and_ends(host, daemon):
    """Status, hooks and VFs are answered at once, and the end does not wait."""
    began = time.monotonic()
    assert ask("status", path=str(host.root / SOCKET))["libvirt"] is False
    assert ask("vf-list", path=str(host.root / SOCKET))["ports"] == []
    assert time.monotonic() - began < 5
    daemon.terminate()
    assert daemon.wait(10) == 0


def test_ballastd_tries_again(host, daemon):
    """Once that libvirt has gone."""
    calls = len(host.callers)
    host.callers[0].close()
    wait_for(lambda: len(host.callers) > calls, "ballastd calls once more")
    assert daemon.poll() is None


def test_names_of_domains_are_not_waited_for(host, vf_host):
    """`ballast vf list` shows domains by name where libvirt tells them, and else by what it knows."""
    vf_host().allocate(1)
    done = subprocess.run(host.argv("ballast", "-c", SILENT, "vf", "list"), capture_output=True, text=True,
                          timeout=30, check=False, env=ENVIRONMENT, cwd="/")
    assert done.returncode == 0, done.stderr
    assert host.callers and uuid(1) in done.stdout
