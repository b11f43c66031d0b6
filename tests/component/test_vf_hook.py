# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballast-hook-vf as libvirt calls it, against a scripted ballastd."""

import os
import subprocess
import threading
import time

import hooks
import pytest
from agent_process import wait_for
from daemon_peer import SOCKET, FakeDaemon, read_request

PROGRAM = "ballast-hook-vf"
XML = (b"<domain type='kvm'><name>vm1</name><uuid>6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f</uuid><metadata>"
       b"<vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' bandwidth='1Gbit'/></vf:ports></metadata></domain>")
PLAIN = b"<domain type='kvm'><name>vm1</name></domain>"

PREPARE = ("vm1", "prepare", "begin", "-")
MIGRATE = ("vm1", "migrate", "begin", "-")
RESTORE = ("vm1", "restore", "begin", "-")
RELEASE = ("vm1", "release", "end", "-")
ASKED = (PREPARE, MIGRATE, RESTORE, RELEASE)

OTHERS = [("vm1", operation, "begin", "-") for operation in ("start", "started", "reconnect", "attach", "release", "")]
OTHERS += [("vm1", operation, "end", "-") for operation in ("stopped", "prepare", "migrate")]
OTHERS += [("vm1", "prepare", "begin"), ("vm1",), (), ("vm1", "prepare", "begin", "-", "more")]


def run_hook(root, argv=PREPARE, xml=XML):
    """(exit code, stdout, stderr, seconds)"""
    began = time.monotonic()
    process = hooks.start_hook(PROGRAM, root, argv)
    out, err = process.communicate(xml, timeout=60)
    return process.returncode, out, err.decode(), time.monotonic() - began


def assert_refused(result, *words):
    code, out, err, _ = result
    assert code == 1 and out == b""
    assert len(err.splitlines()) == 1 and err.startswith(f"{PROGRAM}: ") and "\x1b" not in err, err
    for word in words:
        assert word in err


def answering(answer, requests=None):
    def script(connection):
        request = read_request(connection)
        if requests is not None:
            requests.append(request)
        connection.sendall(answer)
    return script


@pytest.mark.parametrize("argv", ASKED, ids=" ".join)
def test_asks(fake, tmp_path, argv):
    requests = []
    fake(answering(b'{"return": {}}\n', requests))
    code, out, err, seconds = run_hook(tmp_path, argv)
    assert (code, out, err) == (0, b"", "") and seconds < 2
    assert requests == [({"execute": "hook", "arguments": {
        "hook": "vf", "domain": "vm1", "operation": argv[1], "sub-operation": argv[2], "extra": "-",
        "payload-bytes": len(XML)}}, XML)]


@pytest.mark.parametrize("argv", ASKED, ids=" ".join)
def test_new_xml(fake, tmp_path, argv):
    """It is printed as it is where libvirt goes on with it, and only there: elsewhere it would be the next hook's."""
    fake(answering('{"return": {"xml": "<a>\\n\\"\u00e4\\"</a>"}}\n'.encode()))
    code, out, err, _ = run_hook(tmp_path, argv)
    assert (code, err) == (0, "")
    assert out.decode() == ('<a>\n"\u00e4"</a>' if argv in (MIGRATE, RESTORE) else "")


@pytest.mark.parametrize("argv", ASKED, ids=" ".join)
def test_refused(fake, tmp_path, argv):
    figures = "eth0 has 100 Mbit/s left, " * 40
    fake(answering(('{"error": {"class": "VfRefused", "desc": "%s"}}\n' % figures).encode()))
    result = run_hook(tmp_path, argv)
    if argv == RELEASE:
        assert result[:2] == (0, b"") and figures in result[2] and "stay reserved until" in result[2]
    else:
        assert_refused(result, figures)


@pytest.mark.parametrize("answer, words", [
    (b"\x00\xff\x1b[2Jhello\n", "not a reply"),
    (b'{"return": 1}\n', "not a reply"),
    (b'{"return": {"xml": 1}}\n', "could not be passed on"),
    (b'{"error": {"class": "VfRefused", "desc": "\\u001b[2J"}}\n', "x1b"),
], ids=["garbage", "type", "xml's type", "terminal"])
def test_bad_answer(fake, tmp_path, answer, words):
    """A domain that needs VFs does not come up without; its end goes on whatever happens."""
    fake(answering(answer))
    assert_refused(run_hook(tmp_path, MIGRATE), words)
    assert run_hook(tmp_path, RELEASE)[:2] == (0, b"")


def test_domain_without_vfs(fake, tmp_path):
    """Nobody is asked, or waited for."""
    daemon = fake(lambda connection: None)
    for argv in ASKED:
        code, out, err, seconds = run_hook(tmp_path, argv, PLAIN)
        assert (code, out, err) == (0, b"", "") and seconds < 1
    assert daemon.connections == 0


def test_late_daemon(tmp_path):
    process = hooks.start_hook(PROGRAM, tmp_path, PREPARE)
    process.stdin.write(XML)
    process.stdin.close()
    time.sleep(1)
    assert process.poll() is None
    daemon = FakeDaemon(tmp_path, answering(b'{"return": {}}\n'))
    assert process.wait(10) == 0
    daemon.end()


def test_daemon_that_ends_over_it(tmp_path):
    """Its successor is waited for, and asked the same."""
    requests = []

    def script(connection):
        requests.append(read_request(connection))
        connection.close()

    first = FakeDaemon(tmp_path, script)
    process = hooks.start_hook(PROGRAM, tmp_path, PREPARE)
    process.stdin.write(XML)
    process.stdin.close()
    wait_for(lambda: requests, "it is asked")
    first.end()
    (tmp_path / SOCKET).unlink()
    time.sleep(0.3)
    assert process.poll() is None
    second = FakeDaemon(tmp_path, answering(b'{"return": {}}\n', requests))
    assert process.wait(10) == 0
    assert len(requests) > 1 and all(request == requests[0] for request in requests)
    second.end()


@pytest.mark.parametrize("argv", OTHERS, ids=" ".join)
def test_every_other_call_touches_nothing(fake, tmp_path, argv):
    """It ends at once, with its stdin neither read nor closed, and the socket is left alone."""
    daemon = fake(lambda connection: None)
    read_end, write_end = os.pipe()
    os.write(write_end, XML)
    process = hooks.start_hook(PROGRAM, tmp_path, argv, stdin=read_end)
    assert process.communicate(timeout=10) == (b"", b"") and process.returncode == 0
    assert os.read(read_end, 1000) == XML
    assert daemon.connections == 0
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("length", [100, 200000])
def test_new_xml_that_nobody_takes(fake, tmp_path, length):
    """A domain must not come up with the other host's VFs."""
    fake(answering(b'{"return": {"xml": "' + b"x" * length + b'"}}\n'))
    with open("/dev/full", "wb") as full:
        process = hooks.start_hook(PROGRAM, tmp_path, MIGRATE, stdout=full)
        _, err = process.communicate(XML, timeout=20)
    assert process.returncode == 1 and b"could not be passed on" in err


def test_large_xml(daemon, tmp_path):
    """1 MiB passes, and a byte more is refused."""
    name = ("now", "prepare", "begin", "-")
    assert run_hook(tmp_path, name, XML.ljust(1 << 20, b" "))[0] == 0
    assert_refused(run_hook(tmp_path, name, XML.ljust((1 << 20) + 1, b" ")), "longer than 1 MiB")
    assert daemon.status()["answered"] == 1


def test_many_at_once(daemon, tmp_path):
    """As a host boots: each is answered."""
    processes = [hooks.start_hook(PROGRAM, tmp_path, ("later", "prepare", "begin", "-")) for _ in range(20)]
    threads = [threading.Thread(target=process.communicate, args=(XML, 30)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0] * 20
    assert daemon.status()["answered"] == 20


def test_links_no_libvirt():
    libraries = subprocess.run(["ldd", hooks.hook_program(PROGRAM)], capture_output=True, text=True, check=True).stdout
    assert "libglib" in libraries
    for name in ("libvirt", "libxml2", "libnl"):
        assert name not in libraries
