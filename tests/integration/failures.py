# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of failures share: a `ballast` that stops at breakpoints, and what must hold afterwards."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import tempfile
import time

from bed.guest import connect_unix
from bed.host import wait_until

from support import Memory, check_whole

FREED_MIB = 300

# A guest for each mechanism; `--mechanisms` names one alone.
GUESTS = {
    "hold": {"memory_mib": 512},
    "balloon": {"memory_mib": 512},
    "virtio-mem": {"memory_mib": 192, "virtio_mem_mib": 384},
}

# MiB/s: what is left of such a guest then takes seconds, and it does not converge as long as its canary runs.
SLOW = ("--bandwidth", "5")


def free_garbage(guest):
    """Has a canary run in `guest`, and much memory written and freed."""
    guest.canary_start(8)
    guest.fill(FREED_MIB)


@dataclasses.dataclass(frozen=True)
class Result:
    """How a `ballast` ended."""

    status: int
    out: str
    err: str

    @property
    def warnings(self):
        return [line for line in self.err.splitlines() if line.startswith("ballast: warning: ")]

    def check(self, status, error=None, warnings=()):
        """It ended with `status`; stderr is a sentence with `error` in it unless that is 0, and `warnings`.

        warnings: a part of each warning that there is, in order; None: any
        """
        assert self.status == status, self
        others = [line for line in self.err.splitlines() if line not in self.warnings]
        assert len(others) == (0 if status == 0 else 1), self.err
        if others:
            assert others[0].startswith("ballast: ")
            assert (error or "") in others[0]
        if warnings is not None:
            assert len(self.warnings) == len(warnings), self.err
            assert all(part in line for line, part in zip(self.warnings, warnings)), self.err
        return self


class Ballast:
    """A `ballast` that runs on a host and stops at the breakpoints `stop_at`. As a context: killed at its end."""

    def __init__(self, host, *arguments, stop_at=()):
        self._folder = tempfile.mkdtemp(prefix="breakpoints.", dir=host.bed.shared)
        for name in stop_at:
            self._touch(name)
        self._process = host.ballast_popen(*arguments, env={"BALLAST_BREAKPOINT_DIR": self._folder},
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def _touch(self, name):
        with open(os.path.join(self._folder, name), "w", encoding="ascii"):
            pass

    def wait_at(self, name, timeout=40):
        """Waits until it stands at breakpoint `name`."""
        hit = os.path.join(self._folder, name + ".hit")
        wait_until(lambda: os.path.exists(hit) or self._process.poll() is not None, timeout, f"breakpoint {name}",
                   interval=0.01)
        assert os.path.exists(hit), f"breakpoint {name} was not hit: {self._process.communicate()}"
        return self

    def go_on(self, name):
        os.unlink(os.path.join(self._folder, name))

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def sigkill(self):
        self._process.kill()
        self._process.wait(10)

    def finish(self, timeout=90):
        """Waits for its end; a Result."""
        out, err = self._process.communicate(timeout=timeout)
        return Result(self._process.returncode, out, err)


def migration(guest, mechanism, *options, stop_at=(), uri=None):
    """A `ballast migrate` of `guest` to the other host, under way."""
    return Ballast(guest.host, "--mechanisms", mechanism, "migrate", "--live", "--unsafe", *options, guest.name,
                   uri or guest.bed.other(guest.host).uri, stop_at=stop_at)


def go_faster(guest):
    """Ends the limit of a migration that runs with SLOW."""
    guest.host.virsh("migrate-setspeed", guest.name, "10000")


def run(host, *arguments, timeout=90):
    """A `ballast` from start to end; a Result."""
    with Ballast(host, *arguments) as ballast:
        return ballast.finish(timeout)


def ask_agent(guest, command, timeout=20):
    """What the guest's agent answers to `command`."""
    number = random.randrange(1 << 62)
    sync = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
    received = b""
    deadline = time.monotonic() + timeout
    with connect_unix(guest.agent_socket_path()) as line:
        line.settimeout(timeout)
        line.sendall(b"\xff" + json.dumps(sync).encode() + b"\n")
        line.sendall(json.dumps({"execute": command, "id": number}).encode() + b"\n")
        while time.monotonic() < deadline:
            received += line.recv(65536)
            # All before the sync's reply is for somebody else, and not worth a look.
            lines = received.rpartition(b"\xff")[2].split(b"\n")[:-1]
            for reply in map(json.loads, lines):
                if reply.get("id") == number:
                    return reply["return"]
    raise TimeoutError(f"the agent of guest {guest.name} does not answer {command}")


def hold_status(guest):
    return ask_agent(guest, "guest-get-hold-status")


def check_unharmed(guest, before, host, has_agent=True):
    """The guest runs on `host` alone, has all memory that `before` tells, and nothing remembers a release."""
    guest.moved_to(host)
    assert guest.state() == "running"
    other = guest.bed.other(host)
    # A libvirtd that was restarted finds out within a moment.
    wait_until(lambda: other.virsh("domstate", guest.name, check=False).stdout.strip() in ("", "shut off"), 10,
               f"guest {guest.name} is off on {other.name}")
    check_whole(guest, before, 0)
    if has_agent:
        assert hold_status(guest)["state"] == "idle"


__all__ = ["Ballast", "FREED_MIB", "GUESTS", "Memory", "Result", "SLOW", "ask_agent", "check_unharmed",
           "free_garbage", "go_faster", "hold_status", "migration", "run"]
