# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent against a hostile host: the guest loses nothing by it, neither memory nor the agent."""

import os
import time

import pytest
from agent_process import AgentError, children, wait_for

MIB = 1 << 20


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.parametrize("line", [
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":9223372036854775808,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":18446744073709551617,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":4503599627370497,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1e30,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"token":"a","headroom-bytes":-1}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"token":"a","deadline-ms":99999999999}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"token":"a\\u0000b"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"bytes":1,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"token":"%s"}}' % (b"a" * 65),
    b'{"execute":"guest-get-free-memory-ranges","arguments":{"from":9223372036854775808}}',
    b'{"execute":"guest-get-free-memory-ranges","arguments":{"from":-4096}}',
    b'{"execute":"guest-get-free-memory-ranges","arguments":{"max-ranges":8193}}',
    b'{"execute":"guest-get-hold-status","arguments":{"ranges":true,"from":18446744073709551615}}',
    b'{"execute":"guest-trim-page-cache","arguments":{"bytes":18446744073709551616}}',
])
def test_number_or_token_that_cannot_be(agent, line):
    process = agent()
    process.host.send(line + b"\n")
    with pytest.raises(AgentError):
        process.host.result()
    assert process.host.status()["state"] == "idle"
    assert not children(process.pid)


def test_ranges_at_the_end_of_the_address_space(agent):
    host = agent().host
    for start in (1 << 52) - 1, (1 << 52) - 4096:
        page = host.ask("guest-get-free-memory-ranges", **{"from": start})
        assert page["ranges"] == [] and "next" not in page


def test_hold_of_all_that_there_can_be_leaves_the_headroom(agent):
    """With a headroom of almost all of this machine's memory, so that it stops at once."""
    process = agent("[hold]\nheadroom-percent=100\n")
    status = process.host.hold((1 << 52) // MIB, headroom_bytes=0)
    assert (status["held-bytes"], status["reason"]) == (0, "headroom")


def test_drip_does_not_renew_the_lease(agent):
    """A host that sends a byte now and then has not been heard."""
    process = agent("[hold]\nlease-s=1\n")
    process.host.hold(16)
    holder = process.holder

    def drip_until_gone():
        process.host.send(b" ")
        time.sleep(0.05)
        return process.holder != holder
    wait_for(drip_until_gone, "the holder is gone")
    assert process.host.status()["reason"] == "silence"


def test_storm_of_connections_while_memory_is_held(agent):
    """Each host says something else that is not whole, and leaves; the memory comes back all the same."""
    process = agent("[hold]\nlease-s=2\n")
    process.host.hold(16)
    before = descriptors(process)
    words = [b"", b"{", b"\xff", b"\0\0", b"x" * 100000, b'{"execute":"guest-hold-free-memory","arguments":']
    for number in range(300):
        process.host.close()
        process.host = process.accept_raw()
        try:
            process.host.send(words[number % len(words)])
        except OSError:
            pass
    process.host.close()
    process.host = process.accept()
    assert descriptors(process) <= before
    process.assert_small()
    wait_for(lambda: process.holder is None, "the holder is gone")
    assert process.host.status()["reason"] in ("silence", "request")


def test_storm_of_holds_and_returns_in_one_write(agent):
    """More than the agent reads at once, and its replies are not read: it goes on when they are."""
    process = agent()
    requests = [b'{"execute":"guest-hold-free-memory","arguments":{"bytes":16777216,"token":"t%d"}}\n' % number
                + b'{"execute":"guest-return-memory"}\n' for number in range(200)]
    process.host.send(b"".join(requests))
    replies = [process.host.read_reply() for _ in range(2 * len(requests))]
    assert all("return" in reply or reply["error"]["class"] == "HoldBusy" for reply in replies)
    assert process.host.wait_state("idle")["held-bytes"] == 0
    wait_for(lambda: not children(process.pid), "no child is left")
