# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory hook as libvirt calls it."""

import os
import subprocess
import time

import pytest
import hooks
from daemon_peer import read_request

BEGIN = ("vm1", "migrate", "begin", "-")
XML = b"<domain type='kvm'><name>vm1</name></domain>"

# Operations of libvirt's qemu driver, and calls that are none of libvirt's.
OTHERS = [("vm1", operation, "begin", "-") for operation in
          ("prepare", "start", "started", "reconnect", "attach", "restore", "nonsense", "")]
OTHERS += [("vm1", operation, "end", "-") for operation in ("stopped", "release", "migrate")]
OTHERS += [("vm1", "migrate", "begin"), ("vm1",), (), ("vm1", "migrate", "begin", "-", "more")]


PROGRAM = "ballast-hook-memory"


def start_hook(root, argv=BEGIN, stdin=subprocess.PIPE):
    return hooks.start_hook(PROGRAM, root, argv, stdin)


def finish(process, xml=XML):
    """What it said on stderr; it succeeded and printed nothing."""
    out, err = process.communicate(xml, timeout=30)
    assert process.returncode == 0
    assert out == b""
    return err.decode()


def run_hook(root, xml=XML, argv=BEGIN):
    """(stderr, seconds)"""
    began = time.monotonic()
    err = finish(start_hook(root, argv), xml)
    return err, time.monotonic() - began


def assert_one_sentence(err, *words):
    assert len(err.splitlines()) == 1 and err.startswith("ballast-hook-memory: "), err
    for word in (*words, "the migration goes on"):
        assert word in err


def test_answer_at_once(fake, tmp_path):
    requests = []

    def script(connection):
        requests.append(read_request(connection))
        connection.sendall(b'{"return": {}}\n')

    fake(script)
    err, seconds = run_hook(tmp_path)
    assert err == "" and seconds < 2
    assert requests == [({"execute": "hook", "arguments": {
        "hook": "memory", "domain": "vm1", "operation": "migrate", "sub-operation": "begin", "extra": "-",
        "payload-bytes": len(XML)}}, XML)]


def test_answer_after_2_s(fake, tmp_path):
    def script(connection):
        read_request(connection)
        time.sleep(2)
        connection.sendall(b'{"return": {"later": "versions say more"}}\n')

    fake(script)
    err, seconds = run_hook(tmp_path)
    assert err == "" and 2 <= seconds < 4


@pytest.mark.parametrize("answer, words", [
    (b"\x00\xff\x1b[2Jhello\n", "not a reply"),
    (b'{"return": 1}\n', "not a reply"),
    (b"[" * 100000 + b"\n", "not a reply"),
    (b"x" * (2 << 20), "longer than 1 MiB"),
    (b'{"error": {"class": "Busy", "desc": "Four others wait already"}}\n', "Four others"),
    (b'{"return": {', "without an answer"),
    (b"", "without an answer"),
], ids=["garbage", "type", "deep", "endless", "error", "torn", "closed"])
def test_bad_answer_ends_it_at_once(fake, tmp_path, answer, words):
    def script(connection):
        read_request(connection)
        try:
            connection.sendall(answer)
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.close()

    fake(script)
    err, seconds = run_hook(tmp_path)
    assert_one_sentence(err, words)
    assert "\x1b" not in err and seconds < 2


def test_sentence_is_in_the_locales_characters(fake, tmp_path):
    def script(connection):
        read_request(connection)
        connection.sendall('{"error": {"class": "Busy", "desc": "L\u00f6we waits already"}}\n'.encode())

    fake(script)
    argv = hooks.below(tmp_path, [hooks.hook_program(PROGRAM), "vm1", "migrate", "begin", "-"])
    done = subprocess.run(argv, input=XML, capture_output=True, timeout=20, check=True,
                          env={**hooks.ENVIRONMENT, "LC_ALL": "C.UTF-8"})
    assert "L\u00f6we waits already" in done.stderr.decode()


def test_daemon_closes_without_reading(fake, tmp_path):
    fake(lambda connection: connection.close())
    err, seconds = run_hook(tmp_path, b"x" * (1 << 20))
    assert_one_sentence(err)
    assert seconds < 2


def test_refused_before_all_was_sent(fake, tmp_path):
    """The sentence arrives although the connection was closed in the middle of the request."""
    def script(connection):
        connection.recv(1)
        connection.sendall(b'{"error": {"class": "Busy", "desc": "Four others wait already"}}\n')
        connection.close()

    fake(script)
    err, seconds = run_hook(tmp_path, b"x" * (1 << 20))
    assert_one_sentence(err, "Four others")
    assert seconds < 2


def test_no_daemon(tmp_path):
    """Nor does it wait for its stdin then."""
    read_end, write_end = os.pipe()
    began = time.monotonic()
    assert finish(start_hook(tmp_path, stdin=read_end), None) == ""
    assert time.monotonic() - began < 2
    os.close(read_end)
    os.close(write_end)


def test_daemon_died(daemon, tmp_path):
    daemon.process.kill()
    daemon.process.wait()
    err, seconds = run_hook(tmp_path)
    assert err == "" and seconds < 2


def test_real_server(daemon, tmp_path):
    """1 MiB of any bytes passes; a byte more is not passed on."""
    assert run_hook(tmp_path, os.urandom(1 << 20), ("now", "migrate", "begin", "-"))[0] == ""
    assert daemon.status()["answered"] == 1
    for length in ((1 << 20) + 1, 2 << 20):
        err, seconds = run_hook(tmp_path, b"x" * length, ("now", "migrate", "begin", "-"))
        assert_one_sentence(err, "longer than 1 MiB")
        assert seconds < 2
    assert daemon.status()["answered"] == 1


def test_endless_stdin(daemon, tmp_path):
    with open("/dev/zero", "rb") as endless:
        began = time.monotonic()
        process = start_hook(tmp_path, ("now", "migrate", "begin", "-"), stdin=endless)
        assert_one_sentence(finish(process, None), "longer than 1 MiB")
    assert time.monotonic() - began < 2
    assert daemon.status()["answered"] == 0


def test_domain_name_that_is_no_text(daemon, tmp_path):
    err, _ = run_hook(tmp_path, XML, (b"vm\xff", b"migrate", b"begin", b"-"))
    assert_one_sentence(err, "domain")
    assert run_hook(tmp_path, XML, ("now", "migrate", "begin", "\u00e4 \"\\ \n"))[0] == ""
    assert daemon.status()["answered"] == 1


@pytest.mark.parametrize("argv", OTHERS, ids=" ".join)
def test_every_other_call_touches_nothing(fake, tmp_path, argv):
    """It ends at once, with its stdin neither read nor closed, and the socket is left alone."""
    daemon = fake(lambda connection: None)
    read_end, write_end = os.pipe()
    os.write(write_end, XML)
    began = time.monotonic()
    assert finish(start_hook(tmp_path, argv, stdin=read_end), None) == ""
    assert time.monotonic() - began < 1
    assert os.read(read_end, 1000) == XML
    assert daemon.connections == 0
    os.close(read_end)
    os.close(write_end)


def test_nobody_reads_stderr(fake, tmp_path):
    """A sentence that cannot be written does not abort a migration."""
    fake(lambda connection: connection.close())
    process = start_hook(tmp_path)
    process.stderr.close()
    process.stdin.write(XML)
    process.stdin.close()
    assert process.wait(20) == 0
    assert process.stdout.read() == b""


def test_links_no_libvirt():
    libraries = subprocess.run(["ldd", hooks.hook_program(PROGRAM)], capture_output=True, text=True, check=True).stdout
    assert "libglib" in libraries
    assert "libvirt" not in libraries and "libxml2" not in libraries
