# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both ends of ballastd's local socket: the real server in tests' own daemon-peer, and a scripted daemon."""

import json
import os
import socket
import subprocess
import threading

import pytest

TIMEOUT = 20
SOCKET = "run/ballast/ballastd.sock"


def build_path(*parts):
    build = os.environ.get("BALLAST_BUILD")
    if not build:
        pytest.fail("BALLAST_BUILD is not set: it names the meson build folder")
    return os.path.join(os.path.abspath(build), *parts)


def hook_request(domain, xml=b"<domain/>", **changes):
    """The bytes of a hook request; `changes` are arguments, None leaves one out."""
    arguments = {"hook": "memory", "domain": domain, "operation": "migrate", "sub-operation": "begin", "extra": "-",
                 "payload-bytes": len(xml), **{name.replace("_", "-"): value for name, value in changes.items()}}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    return json.dumps({"execute": "hook", "arguments": arguments}).encode() + b"\n" + xml


STATUS = b'{"execute": "status"}\n'


def read_reply(connection):
    """The reply and the end of the connection behind it."""
    data = b""
    while True:
        try:
            got = connection.recv(1 << 16)
        except ConnectionResetError:  # closed with our bytes unread
            got = b""
        if not got:
            break
        data += got
    assert data.count(b"\n") == 1 and data.endswith(b"\n"), data[:200]
    return json.loads(data)


class DaemonPeer:
    """daemon-peer below `root`."""

    def __init__(self, root):
        self.root = root
        self.path = str(root / SOCKET)
        self.process = subprocess.Popen([build_path("tests", "component", "daemon-peer"), str(root)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.is_ready = self.process.stdout.readline() == b"ready\n"

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        connection.connect(self.path)
        return connection

    def ask(self, request):
        with self.connect() as connection:
            connection.sendall(request)
            return read_reply(connection)

    def status(self):
        return self.ask(STATUS)["return"]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        """Ends it by SIGTERM; returns its exit code and what it said."""
        self.process.terminate()
        return self.process.wait(TIMEOUT), self.process.stderr.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class FakeDaemon:
    """A scripted daemon at `root`'s socket: each connection is handed to `script(connection)` in a thread."""

    def __init__(self, root, script):
        path = root / SOCKET
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connections = 0
        self._script = script
        self._held = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._held.append(connection)
            self._script(connection)

    def end(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._held:
            connection.close()


def read_request(connection):
    """A whole request: its header as an object, and its payload."""
    data = b""
    while b"\n" not in data:
        data += connection.recv(1 << 16)
    line, payload = data.split(b"\n", 1)
    header = json.loads(line)
    while len(payload) < header["arguments"].get("payload-bytes", 0):
        payload += connection.recv(1 << 16)
    return header, payload
