# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hooks and the daemon's server wait for in vain, to the end of each limit. The waits are real ones and all go
on at the same time: each case has a root of its own and is begun before the first one is looked at."""

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import hooks
import pytest
from agent_process import wait_for
from daemon_peer import STATUS, DaemonPeer, FakeDaemon, hook_request, read_reply, read_request

MEMORY = "ballast-hook-memory"
VF = "ballast-hook-vf"
MEMORY_HOOK_S = 11
VF_HOOK_S = 20
VF_SUCCESSOR_S = 5
REQUEST_S = 5  # BAL_DAEMON_REQUEST_MS
CONNECTIONS_MAX = 256

# Each limit is proved by what does not end before it. How late it ends is the load's doing, as all cases go on at once.
EARLY_S = 0.5
LATE = 2

XML = (b"<domain type='kvm'><name>vm1</name><uuid>6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f</uuid><metadata>"
       b"<vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' bandwidth='1Gbit'/></vf:ports></metadata></domain>")


class Case:
    """What one case starts, ended with it."""

    def __init__(self, root, stack):
        self.root = root
        self.stack = stack

    def daemon(self):
        peer = DaemonPeer(self.root)
        self.stack.callback(peer.kill)
        assert peer.is_ready
        return peer

    def stopped_daemon(self):
        self.daemon().process.send_signal(signal.SIGSTOP)

    def fake(self, script):
        self.stack.callback(FakeDaemon(self.root, script).end)

    def dripping_daemon(self):
        """Its answer comes by single blanks, and is never whole."""
        is_over = threading.Event()
        threads = []

        def drip(connection):
            read_request(connection)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while not is_over.wait(0.1):
                    connection.sendall(b" ")

        def script(connection):
            threads.append(threading.Thread(target=drip, args=(connection,)))
            threads[-1].start()

        def end():
            is_over.set()
            for thread in threads:
                thread.join()

        self.fake(script)
        self.stack.callback(end)

    def run_hook(self, program, argv, xml=XML):
        """(exit code, stdout, stderr, seconds); xml None: stdin stays open, with a little in it."""
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            stdin = subprocess.PIPE
            if xml is None:
                stdin, write_end = os.pipe()
                stack.callback(os.close, stdin)
                stack.callback(os.close, write_end)
                os.write(write_end, XML)
            process = hooks.start_hook(program, self.root, argv, stdin)
            out, err = process.communicate(xml, timeout=60)
        return process.returncode, out, err.decode(), time.monotonic() - began


def assert_lasted(limit_s, seconds):
    assert limit_s - EARLY_S < seconds < limit_s * LATE


def assert_one_sentence(program, err, *words):
    assert len(err.splitlines()) == 1 and err.startswith(f"{program}: "), err
    for word in words:
        assert word in err


# --- the hooks ---

# Each kind of silence.
SILENT = {
    "never answers": (lambda case: case.fake(read_request), False),
    "drips": (Case.dripping_daemon, False),
    "is deaf": (lambda case: case.fake(lambda connection: None), False),
    "is stopped": (Case.stopped_daemon, False),
    "stdin does not end": (lambda case: case.fake(lambda connection: None), True),
}


def memory_hook(case, start, has_endless_stdin):
    """Nothing is waited for longer than 11 s in all, and the migration goes on."""
    start(case)
    code, out, err, seconds = case.run_hook(MEMORY, ("vm1", "migrate", "begin", "-"),
                                            None if has_endless_stdin else b"x" * (1 << 20))
    assert (code, out) == (0, b"")
    assert_one_sentence(MEMORY, err, "in time", "the migration goes on")
    assert_lasted(MEMORY_HOOK_S, seconds)


def vf_hook(case, start, has_endless_stdin):
    """The start is refused."""
    start(case)
    code, out, err, seconds = case.run_hook(VF, ("vm1", "prepare", "begin", "-"), None if has_endless_stdin else XML)
    assert (code, out) == (1, b"")
    assert_one_sentence(VF, err, "in time")
    assert_lasted(VF_HOOK_S, seconds)


def vf_hook_without_daemon(case):
    """One is waited for, since libvirt may be the quicker one as a host boots; at a domain's end it is not."""
    code, out, err, seconds = case.run_hook(VF, ("vm1", "prepare", "begin", "-"))
    assert (code, out) == (1, b"")
    assert_one_sentence(VF, err, "No ballastd runs")
    assert_lasted(VF_SUCCESSOR_S, seconds)
    code, out, err, seconds = case.run_hook(VF, ("vm1", "release", "end", "-"))
    assert (code, out) == (0, b"") and seconds < VF_SUCCESSOR_S - EARLY_S and "No ballastd runs" in err


def vf_hook_whose_daemon_hangs_up(case):
    """A successor is waited for. The domain does not come up without VFs; its end goes on whatever happens."""
    def script(connection):
        read_request(connection)
        connection.close()

    case.fake(script)
    code, out, err, seconds = case.run_hook(VF, ("vm1", "migrate", "begin", "-"))
    assert (code, out) == (1, b"")
    assert_lasted(VF_SUCCESSOR_S, seconds)
    assert_one_sentence(VF, err, "without an answer")
    assert case.run_hook(VF, ("vm1", "release", "end", "-"))[:2] == (0, b"")


# --- the server ---


def half_a_request(case):
    """It is refused when its time is up, also when nothing of it came, and however it drips."""
    request = hook_request("now", b"x" * 100)
    daemon = case.daemon()
    with daemon.connect() as silent, daemon.connect() as stalled, daemon.connect() as slow:
        began = time.monotonic()
        stalled.sendall(request[:-1])
        slow.setblocking(False)
        for byte in request[:-1]:
            try:
                slow.send(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.07)
        slow.settimeout(20)
        for connection in (silent, stalled, slow):
            assert "did not come in whole" in read_reply(connection)["error"]["desc"]
        assert_lasted(REQUEST_S, time.monotonic() - began)


def reply_that_nobody_takes(case):
    daemon = case.daemon()
    descriptors = daemon.descriptors()
    with daemon.connect() as connection:
        connection.sendall(hook_request("huge"))
        began = time.monotonic()
        assert connection.recv(1) == b"{"
        wait_for(lambda: daemon.descriptors() == descriptors, "the connection is given up")
        assert_lasted(REQUEST_S, time.monotonic() - began)


def answer_later_than_a_request_may_be(case):
    daemon = case.daemon()
    with daemon.connect() as connection:
        connection.sendall(hook_request("park"))
        with pytest.raises(socket.timeout):
            connection.settimeout(REQUEST_S + 0.5)
            connection.recv(1)
        connection.settimeout(20)
        daemon.ask(hook_request("unpark"))
        assert read_reply(connection)["return"]["domain"] == "unpark"


def silent_connections(case):
    """They keep nobody out for long."""
    daemon = case.daemon()
    silent = [daemon.connect() for _ in range(CONNECTIONS_MAX + 6)]
    began = time.monotonic()
    assert daemon.ask(STATUS)["return"]["parked"] == 0
    assert_lasted(REQUEST_S, time.monotonic() - began)
    for connection in silent:
        connection.close()


# --- all of them ---

CASES = {f"{hook.__name__}, {name}": (hook, *silence) for hook in (memory_hook, vf_hook)
         for name, silence in SILENT.items()}
CASES.update({case.__name__: (case,) for case in (
    vf_hook_without_daemon, vf_hook_whose_daemon_hangs_up, half_a_request, reply_that_nobody_takes,
    answer_later_than_a_request_may_be, silent_connections)})


def run(name, root):
    function, *arguments = CASES[name]
    with contextlib.ExitStack() as stack:
        function(Case(root, stack), *arguments)


@pytest.fixture(scope="module")
def results(request, tmp_path_factory):
    """The futures of all cases that were asked for, by name."""
    names = [item.callspec.params["name"] for item in request.session.items if item.module is request.module]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as executor:
        yield {name: executor.submit(run, name, tmp_path_factory.mktemp("limit")) for name in names}


@pytest.mark.parametrize("name", CASES)
def test_limit(results, name):
    results[name].result()
