# SPDX-License-Identifier: LGPL-2.1-or-later
"""A ballast-agent whose virtio-serial port is a unix socket: this side listens, accepting plays the
host that connects, closing the host that leaves."""

import json
import os
import random
import re
import socket
import subprocess
import time

import pytest

TIMEOUT = 20
SENTINEL = b"\xff"


def agent_program():
    build = os.environ.get("BALLAST_BUILD")
    if not build:
        pytest.fail("BALLAST_BUILD is not set: it names the meson build folder")
    return os.path.join(os.path.abspath(build), "guest-agent", "ballast-agent")


def wait_for(condition, what, timeout=TIMEOUT):
    """Waits until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def process_status(pid):
    """/proc/PID/status as a dict of strings, empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
            return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def children(pid, name=None):
    """Pids of the children of `pid` that are called `name`."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
        pids = [int(word) for word in stream.read().split()]
    return [child for child in pids if name is None or process_status(child).get("Name") == name]


class AgentError(Exception):
    """The agent answered with an error. Attributes: error_class, desc."""

    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.error_class = error["class"]
        self.desc = error["desc"]


class HostSide:
    """One connection of a host."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(TIMEOUT)
        self._received = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_request(self, command, request_id=None, **arguments):
        request = {"execute": command,
                   "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        if request_id is not None:
            request["id"] = request_id
        self.send(json.dumps(request).encode() + b"\n")

    def read_line(self):
        """The next line of the agent's, its newline left out."""
        while b"\n" not in self._received:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("the agent closed the channel")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return line

    def read_reply(self):
        return json.loads(self.read_line().lstrip(SENTINEL))

    def result(self):
        """What the next reply returns; raises AgentError for an error."""
        reply = self.read_reply()
        if "error" in reply:
            raise AgentError(reply["error"])
        return reply["return"]

    def ask(self, command, **arguments):
        self.send_request(command, **arguments)
        return self.result()

    def synchronize(self):
        """Drops all that an earlier conversation left behind."""
        number = random.randrange(1 << 62)
        self.send(SENTINEL)
        self.send_request("guest-sync-delimited", id=number)
        while True:
            line = self.read_line()
            if SENTINEL in line and json.loads(line.rsplit(SENTINEL, 1)[1]).get("return") == number:
                return

    def status(self, **arguments):
        return self.ask("guest-get-hold-status", **arguments)

    def held_ranges(self):
        """All [address, length] of held memory, reply by reply."""
        found, asked = [], {}
        while asked is not None:
            page = self.status(ranges=True, **asked)["ranges"]
            found += page["ranges"]
            asked = {"from": page["next"]} if "next" in page else None
        return found

    def wait_state(self, *states):
        """Asks until the hold is in one of `states`; returns the status."""
        return wait_for(lambda: (lambda s: s["state"] in states and s)(self.status()), f"hold is {states}")

    def hold(self, mib, token="t", **arguments):
        """Holds `mib` MiB and waits until it has stopped growing."""
        self.ask("guest-hold-free-memory", bytes=mib << 20, token=token, **arguments)
        return self.wait_state("held", "idle")


class AgentProcess:
    def __init__(self, program, folder, config=None, connect=True):
        folder.mkdir()
        self.path = str(folder / "channel")
        self.log_path = str(folder / "log")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._listener.settimeout(TIMEOUT)
        argv = [program, "--channel", self.path]
        if config is not None:
            (folder / "agent.conf").write_text(config, encoding="utf-8")
            argv += ["--config", str(folder / "agent.conf")]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.host = self.accept() if connect else None

    def accept(self):
        """A host connects; it has synchronized when this returns."""
        host = HostSide(self._listener.accept()[0])
        host.synchronize()
        return host

    def accept_raw(self):
        """A host connects and says nothing."""
        return HostSide(self._listener.accept()[0])

    def close_listener(self):
        self._listener.close()

    def log(self):
        with open(self.log_path, encoding="utf-8") as stream:
            return stream.read()

    def status(self):
        return process_status(self.pid)

    @property
    def has_checker(self):
        """A sanitizer or Valgrind lives in it, which needs memory of its own."""
        with open(f"/proc/{self.pid}/maps", encoding="ascii", errors="replace") as stream:
            maps = stream.read()
        return "libasan" in maps or "vgpreload" in maps

    def assert_small(self):
        """The agent keeps to its 10 MiB."""
        if not self.has_checker:
            rss_kib = int(re.match(r"\s*(\d+) kB", self.status()["VmRSS"])[1])
            assert rss_kib <= 10 * 1024

    @property
    def holder(self):
        """The holder's pid, or None."""
        return next(iter(children(self.pid, "ballast-holder")), None)

    def wait(self):
        return self.process.wait(TIMEOUT)

    def end(self):
        """Ends the agent, if it has not ended, and frees everything."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.host:
            self.host.close()
        self._listener.close()
