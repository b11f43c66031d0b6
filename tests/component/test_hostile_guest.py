# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real `ballast` against a guest that has replaced its agent: whatever it says, and however, it costs the host no
more than the time limit of a call, a bounded amount of memory, and one sentence."""

import json
import resource
import socket
import subprocess
import threading
import time

import pytest
from hooks import ENVIRONMENT
from made_up_host import Host, check_refused, uuid

FAILED = 1
SENTINEL = b"\xff"
LIMIT_S = 0.5
# Of a busy machine, for starting a program and libvirt's test driver.
PATIENCE_S = 20
PAGES_MAX, RANGES_MAX = 64, 8192


class Guest:
    """The guest's end of the channel: `script` has each connection, and closes it by returning."""

    def __init__(self, path, script):
        self.script = script
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.script(Conversation(connection))
                except (OSError, EOFError):
                    pass

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Conversation:
    def __init__(self, connection):
        self.connection = connection
        self.stream = connection.makefile("rb")

    def say(self, data):
        self.connection.sendall(data)

    def request(self):
        line = self.stream.readline()
        if not line:
            raise EOFError
        return json.loads(line.replace(SENTINEL, b""))

    def honest_sync(self):
        self.say(SENTINEL + b'{"return":%d}\n' % self.request()["arguments"]["id"])

    def reply(self, request, result):
        """With `result` as it goes over the wire."""
        self.say(b'{"return":%s,"id":%d}\n' % (result, request["id"]))

    def linger(self):
        """Until the host leaves."""
        while self.connection.recv(1 << 16):
            pass


@pytest.fixture
def ask(tmp_path):
    """ask(script, *arguments): `ballast` of a domain with such a guest."""
    guests = []

    def run(script, *arguments, limit_s=LIMIT_S):
        path = tmp_path / "channel"
        guests.append(Guest(path, script))
        xml = (f"<domain type='test'><name>d1</name><uuid>{uuid(1)}</uuid><memory>65536</memory><os><type>hvm</type></os>"
               f"<devices><channel type='unix'><source mode='bind' path='{path}'/>"
               "<target type='virtio' name='org.ballast.guest_agent.0'/></channel></devices></domain>")
        host = Host(tmp_path / "host", xml)
        (host.root / "etc/ballast/ballast.conf").write_text(f"[memory]\nagent-timeout-ms={int(limit_s * 1000)}\n")
        argv = host.argv("ballast", "-c", f"test://{host.root}/node.xml", *arguments)
        began = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT, cwd="/")
        # Two calls: the sync and the question.
        assert time.monotonic() - began < 2 * limit_s + PATIENCE_S
        return done

    yield run
    for guest in guests:
        guest.end()


def answers(result):
    """Each question with the same result."""
    def script(guest):
        guest.honest_sync()
        while True:
            guest.reply(guest.request(), result)
    return script


def says(data):
    """The same bytes for an answer to the first question."""
    def script(guest):
        guest.honest_sync()
        guest.request()
        guest.say(data)
        guest.linger()
    return script


def page(ranges, more=b""):
    return b'{"ranges":%s,%s"scanned-pages":1,"elapsed-us":1}' % (ranges, more)


def test_honest_guest(ask):
    done = ask(answers(page(b"[[4096,8192],[65536,4096]]")), "--json", "ranges", "d1")
    assert json.loads(done.stdout) == {"free-bytes": 12288, "ranges": [[4096, 8192], [65536, 4096]]}, done.stderr


@pytest.mark.parametrize("result", [
    page(b"[[4096,8192],[8192,4096]]"),
    page(b"[[8192,4096],[4096,4096]]"),
    page(b"[[4096,4096],[4096,4096]]"),
    page(b"[[4096,0]]"),
    page(b"[[-4096,8192]]"),
    page(b"[[9223372036854771712,8192]]"),
    page(b"[[18446744073709547520,8192]]"),
    page(b"[[4096,18446744073709551616]]"),
    page(b"[[4503599627370496,4096]]"),
    page(b"[[4503599627366400,8192]]"),
    page(b"[[1.5,4096]]"), page(b"[[4096]]"), page(b"[4096,4096]"), page(b'"[]"'), page(b"null"),
    page(b"[[4096,4096]]", b'"next":0,'), page(b"[[4096,4096]]", b'"next":4096,'), page(b"[]", b'"next":4096,'),
    page(b"[" + b",".join(b"[%d,4096]" % (number << 13) for number in range(RANGES_MAX + 1)) + b"]"),
    b"{}", b"[]", b"7", b"null", b'{"ranges":[]',
], ids=lambda result: result[:60].decode())
def test_ranges_that_cannot_be(ask, result):
    check_refused(ask(answers(result), "ranges", "d1"), FAILED, "guest agent's answer")


@pytest.mark.parametrize("line", [
    b"\0\n", b"{}\0\n", b"\x80\xfe\n", b'{"return":"\xc3\x28"}\n', b"[" * 100000 + b"\n",
    b'{"return":' * 50000 + b"\n", b"x" * (3 << 20) + b"\n", b"x" * (3 << 20),
    b'{"return":{},"return":{}}\n', b'{"return":NaN,"id":1}\n',
], ids=lambda line: repr(line[:12]))
def test_lines_that_are_none(ask, line):
    check_refused(ask(says(line), "ranges", "d1"), FAILED, "guest agent's answer")


def test_error_that_would_write_on_the_terminal(ask):
    def script(guest):
        guest.honest_sync()
        guest.say(b'{"error":{"class":"GenericError","desc":"a\\u001b[2J\\n\\u202eb%s"},"id":%d}\n'
                  % (b"x" * 5000, guest.request()["id"]))
        guest.linger()

    done = ask(script, "ranges", "d1")
    check_refused(done, FAILED, "a\\x1b[2J\\x0a\\xe2\\x80\\xaeb")
    assert done.stderr.rstrip("\n").isprintable() and len(done.stderr) < 600


def test_replies_in_wrong_order(ask):
    def script(guest):
        guest.honest_sync()
        asked = guest.request()["id"]
        for number in [*range(asked + 1, asked + 50), *range(asked - 50, asked)]:
            guest.reply({"id": number}, page(b"[[4096,4096]]"))
        guest.linger()

    check_refused(ask(script, "ranges", "d1"), FAILED, "did not answer")


def silent(guest):
    guest.linger()


def synchronizes_and_falls_silent(guest):
    guest.honest_sync()
    guest.linger()


def drips_a_byte_a_second(guest):
    guest.honest_sync()
    for byte in b'{"return":%s,"id":%d}\n' % (page(b"[]"), guest.request()["id"]):
        guest.say(bytes([byte]))
        time.sleep(1)


def floods(guest):
    guest.honest_sync()
    while True:
        guest.say(b'{"return":{},"id":0}\n' * 1000)


@pytest.mark.parametrize("script", [silent, synchronizes_and_falls_silent, drips_a_byte_a_second, floods])
def test_slow_guest_costs_the_time_limit(ask, script):
    check_refused(ask(script, "ranges", "d1"), FAILED, "did not answer")


@pytest.mark.parametrize("script", [
    lambda guest: None,
    lambda guest: guest.request() and None,
    lambda guest: guest.honest_sync(),
    lambda guest: (guest.honest_sync(), guest.request(), guest.say(b'{"return":')) and None,
], ids=["at once", "after the sync", "before the question", "within the answer"])
def test_guest_that_closes(ask, script):
    check_refused(ask(script, "ranges", "d1"), FAILED, "channel")


def test_half_a_million_ranges_and_more_without_end(ask):
    """As many as the host asks for, and not one page more; in bounded memory."""
    pages = []

    def script(guest):
        guest.honest_sync()
        while True:
            request = guest.request()
            start = request["arguments"].get("from", 0)
            pages.append(start)
            end = start + RANGES_MAX * 8192
            ranges = b"[" + b",".join(b"[%d,4096]" % at for at in range(start, end, 8192)) + b"]"
            guest.reply(request, page(ranges, b'"next":%d,' % end))

    done = ask(script, "--json", "ranges", "d1", limit_s=30)
    assert done.returncode == 0, done.stderr
    assert len(pages) == PAGES_MAX
    assert len(json.loads(done.stdout)["ranges"]) == PAGES_MAX * RANGES_MAX
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20
