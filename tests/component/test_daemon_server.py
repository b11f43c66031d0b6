# SPDX-License-Identifier: LGPL-2.1-or-later
"""The server of ballastd's local socket against clients that know its protocol, and those that do not."""

import hashlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import time

import pytest
from agent_process import wait_for
from daemon_peer import SOCKET, STATUS, DaemonPeer, build_path, hook_request, read_reply

CONNECTIONS_MAX = 256


def error_class(reply):
    return reply["error"]["class"]


def test_hook_comes_through_as_it_is(daemon):
    xml = os.urandom(1 << 20)
    name = "vm \u00e4 \"1\" \\ \n\t\x01"
    result = daemon.ask(hook_request(name, xml, extra="x" * 1024))["return"]
    assert result == {"hook": "memory", "domain": name, "operation": "migrate", "sub-operation": "begin",
                      "extra": "x" * 1024, "xml-bytes": 1 << 20, "xml-sha256": hashlib.sha256(xml).hexdigest()}


def test_byte_by_byte(daemon):
    with daemon.connect() as connection:
        for byte in hook_request("now"):
            connection.send(bytes([byte]))
        assert read_reply(connection)["return"]["domain"] == "now"


def test_half_closed_client_is_answered(daemon):
    with daemon.connect() as connection:
        connection.sendall(hook_request("later"))
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection)["return"]["domain"] == "later"


def test_status_of_one_domain(daemon):
    name = "vm \u00e4 \"1\" \\ \n\t\x01"
    request = json.dumps({"execute": "status", "arguments": {"domain": name}}).encode() + b"\n"
    assert daemon.ask(request)["return"]["domain"] == name
    assert "domain" not in daemon.status()


def test_handler_refuses(daemon):
    assert daemon.ask(hook_request("refuse"))["error"] == {"class": "Busy", "desc": "Four others wait already"}


@pytest.mark.parametrize("request_bytes, expected", [
    (b'{"execute": "stat"}\n', "CommandNotFound"),
    (b'{"execute": "status", "arguments": {"x": 1}}\n', "InvalidArgument"),
    (b'{"execute": "status", "arguments": {"domain": 1}}\n', "InvalidArgument"),
    (b'{"execute": "status", "arguments": {"domain": "' + b"x" * 1025 + b'"}}\n', "InvalidArgument"),
    (b'{"execute": "status", "more": 1}\n', "GenericError"),
    (b"hello\n", "GenericError"),
    (b'{"execute": "status"}\nmore', "GenericError"),
    (hook_request("now", nonsense=1), "InvalidArgument"),
    (hook_request("now", extra=None), "InvalidArgument"),
    (hook_request(5), "InvalidArgument"),
    (hook_request("now", payload_bytes=3), "GenericError"),
    (b"x" * (1 << 17), "GenericError"),
], ids=["command", "argument", "domain's type", "domain too long", "member", "no JSON", "too much", "hook argument", "missing", "type", "XML too long",
        "no newline"])
def test_bad_request_is_refused_with_a_sentence(daemon, request_bytes, expected):
    reply = daemon.ask(request_bytes)
    assert error_class(reply) == expected
    assert reply["error"]["desc"].strip()
    assert daemon.status()["parked"] == 0


def test_oversize_is_refused_by_its_header(daemon):
    """A client that announces too much need not have sent it."""
    with daemon.connect() as connection:
        connection.sendall(hook_request("now", b"", payload_bytes=(1 << 20) + 1))
        assert error_class(read_reply(connection)) == "InvalidArgument"


def test_oversize_that_is_sent(daemon):
    with daemon.connect() as connection:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(hook_request("now", b"x" * (8 << 20)))
        assert error_class(read_reply(connection)) == "InvalidArgument"


def test_half_a_request(daemon):
    """Cut off it is refused at once."""
    with daemon.connect() as torn:
        torn.sendall(hook_request("now", b"x" * 100)[:-1])
        torn.shutdown(socket.SHUT_WR)
        assert "before it was whole" in read_reply(torn)["error"]["desc"]


def test_reply_of_almost_1_mib(daemon):
    assert len(daemon.ask(hook_request("huge"))["return"]["text"]) == (1 << 20) - 100


def test_client_leaves_before_the_answer(daemon):
    descriptors = daemon.descriptors()
    for domain in ["park"] * 10 + ["later"] * 10 + ["now"] * 10 + ["huge"] * 10:
        with daemon.connect() as connection:
            connection.sendall(hook_request(domain))
    wait_for(lambda: daemon.status() == {"parked": 10, "answered": 30}, "all of them were seen")
    # A client that left takes no place while its answer is outstanding.
    wait_for(lambda: daemon.descriptors() == descriptors, "all connections are closed")
    assert daemon.ask(hook_request("unpark"))["return"]["domain"] == "unpark"
    assert daemon.status() == {"parked": 0, "answered": 41}
    assert daemon.end() == (0, b"")


def test_more_connections_than_may_be(daemon):
    descriptors = daemon.descriptors()
    connections = [daemon.connect() for _ in range(CONNECTIONS_MAX + 140)]
    wait_for(lambda: daemon.descriptors() == descriptors + CONNECTIONS_MAX, "as many as may be are accepted")
    for connection in connections:
        connection.sendall(hook_request("now"))
    for connection in connections:
        assert read_reply(connection)["return"]["domain"] == "now"
        connection.close()
    wait_for(lambda: daemon.descriptors() == descriptors, "all connections are closed")
    assert daemon.status() == {"parked": 0, "answered": CONNECTIONS_MAX + 140}


def test_out_of_descriptors(daemon):
    """It does not spin, and serves again when there are some."""
    limit = daemon.descriptors()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, 4096))
    with daemon.connect() as connection:
        connection.sendall(STATUS)
        before = process_ticks(daemon.process.pid)
        time.sleep(1)
        assert process_ticks(daemon.process.pid) - before < 20
        connection.settimeout(2)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        assert "return" in read_reply(connection)


def process_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def open_folders(path):
    """Lets everybody walk to `path`."""
    for folder in path.parents:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)


def as_nobody(path):
    """What `nobody` gets out of the socket."""
    script = ("import os, socket, sys\n"
              "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
              "s = socket.socket(socket.AF_UNIX)\n"
              "s.connect(sys.argv[1])\n"
              "sys.stdout.write(s.makefile().read())\n")
    return subprocess.run(["/usr/bin/python3", "-c", script, path], capture_output=True, text=True, timeout=20,
                          check=False)


def test_only_root_can_connect(daemon):
    open_folders(daemon.root / SOCKET)
    assert stat.S_IMODE(os.stat(daemon.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(daemon.path)).st_mode) == 0o755
    assert "PermissionError" in as_nobody(daemon.path).stderr


def test_only_root_is_served(daemon):
    """Also where somebody opened the socket's mode."""
    open_folders(daemon.root / SOCKET)
    os.chmod(daemon.path, 0o666)
    result = as_nobody(daemon.path)
    assert result.stderr == ""
    assert "AccessDenied" in result.stdout and "parked" not in result.stdout


def test_modes_do_not_depend_on_the_umask(tmp_path):
    old = os.umask(0o077)
    try:
        peer = DaemonPeer(tmp_path)
    finally:
        os.umask(old)
    try:
        assert stat.S_IMODE(os.stat(peer.path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(peer.path)).st_mode) == 0o755
    finally:
        peer.kill()


def start_second(root):
    return subprocess.run([build_path("tests", "component", "daemon-peer"), str(root)], capture_output=True, text=True,
                          timeout=20, check=False)


def test_second_daemon_leaves_the_first_alone(daemon):
    """Also one that is stopped and answers nobody."""
    for stop in (False, True):
        if stop:
            daemon.process.send_signal(signal.SIGSTOP)
        result = start_second(daemon.root)
        daemon.process.send_signal(signal.SIGCONT)
        assert result.returncode == 1
        assert "Another ballastd runs" in result.stderr and len(result.stderr.splitlines()) == 1
        assert daemon.status()["parked"] == 0


def test_socket_of_a_dead_daemon_is_replaced(daemon):
    daemon.process.kill()
    daemon.process.wait()
    assert os.path.exists(daemon.path)
    successor = DaemonPeer(daemon.root)
    try:
        assert successor.status()["parked"] == 0
        assert successor.end() == (0, b"")
        assert not os.path.exists(daemon.path)
    finally:
        successor.kill()


def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / SOCKET
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    result = start_second(tmp_path)
    assert result.returncode == 1 and "no socket" in result.stderr
    assert path.read_text() == "mine"


def test_requests_outlive_the_server(daemon):
    with daemon.connect() as connection:
        connection.sendall(hook_request("park"))
        wait_for(lambda: daemon.status()["parked"] == 1, "the request is parked")
        assert daemon.end() == (0, b"")
        assert connection.recv(1) == b""
