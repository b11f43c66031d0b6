# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hosts do to the channel, well or badly."""

import json

import pytest
from agent_process import SENTINEL, AgentError

LINE_MAX = 64 * 1024


def test_sync_delimited_answers_behind_the_sentinel(agent):
    host = agent().host
    host.send_request("guest-sync-delimited", id=42)
    assert host.read_line() == SENTINEL + b'{"return":42}'


def test_sync_answers_without_sentinel(agent):
    host = agent().host
    host.send_request("guest-sync", id=-7)
    assert host.read_line() == b'{"return":-7}'


def test_ping(agent):
    assert agent().host.ask("guest-ping") == {}


@pytest.mark.parametrize("request_id", [5, "five", None, [1, {"a": 2}]])
def test_id_is_echoed(agent, request_id):
    host = agent().host
    host.send(json.dumps({"execute": "guest-ping", "id": request_id}).encode() + b"\n")
    assert host.read_reply() == {"return": {}, "id": request_id}


def test_id_is_echoed_in_errors(agent):
    host = agent().host
    host.send_request("guest-nonsense", request_id=9)
    reply = host.read_reply()
    assert reply["id"] == 9
    assert reply["error"]["class"] == "CommandNotFound"


def test_info_lists_the_commands(agent):
    info = agent().host.ask("guest-info")
    commands = {command["name"]: command["enabled"] for command in info["supported_commands"]}
    assert commands["guest-hold-free-memory"] is True
    assert set(commands) == {
        "guest-sync-delimited", "guest-sync", "guest-ping", "guest-info", "guest-get-memory-info",
        "guest-get-free-memory-ranges", "guest-hold-free-memory", "guest-get-hold-status", "guest-return-memory",
        "guest-trim-page-cache"}


@pytest.mark.parametrize("line", [
    b"hello", b"{", b"[]", b"7", b'"guest-ping"', b"{}", b'{"execute":7}', b'{"execute":"guest-ping","x":1}',
    b'{"execute":"guest-ping"} trailing', b'{"execute":"guest-ping","arguments":[]}', b"\x00\x00", b"\x80\xfe",
    b'{"execute":"\xc3\x28"}', b"[" * 5000, b'{"a":' * 5000, b'{"execute":"guest-ping","arguments":{"x":1}}',
    b'{"execute":"guest-sync","arguments":{"id":1e400}}', b'{"execute":"guest-sync","arguments":{}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":-1,"token":"a"}}',
    b'{"execute":"guest-hold-free-memory","arguments":{"bytes":1,"token":"a b"}}',
    b'{"execute":"guest-get-free-memory-ranges","arguments":{"max-ranges":0}}',
])
def test_garbage_gets_one_error_and_leaves_the_channel_usable(agent, line):
    host = agent().host
    host.send(line + b"\n")
    with pytest.raises(AgentError):
        host.result()
    assert host.ask("guest-ping") == {}


def test_sentinel_voids_what_stood_before_it(agent):
    host = agent().host
    host.send(b'{"execute":"guest-si' + SENTINEL + b'{"execute":"guest-ping","id":1}\n')
    assert host.read_reply() == {"return": {}, "id": 1}


def test_overlong_line_gets_one_error(agent):
    process = agent()
    process.host.send(b"x" * (20 * LINE_MAX) + b"\n")
    with pytest.raises(AgentError):
        process.host.result()
    assert process.host.ask("guest-ping") == {}
    process.assert_small()


def test_request_one_byte_at_a_time(agent):
    host = agent().host
    for byte in b'\xff{"execute":"guest-sync-delimited","arguments":{"id":3}}\n':
        host.send(bytes([byte]))
    assert host.read_line() == SENTINEL + b'{"return":3}'


def test_requests_in_one_write_are_answered_in_order(agent):
    host = agent().host
    host.send(b"".join(b'{"execute":"guest-ping","id":%d}\n' % number for number in range(2000)))
    assert [host.read_reply()["id"] for _ in range(2000)] == list(range(2000))


def test_host_that_does_not_read_costs_no_memory_and_blocks_nothing(agent):
    process = agent()
    process.host.socket.setblocking(False)
    sent = 0
    try:
        while sent < 8 << 20:
            sent += process.host.socket.send(b'{"execute":"guest-info"}\n' * 1000)
    except BlockingIOError:
        pass
    assert sent < 8 << 20, "the agent reads on while its replies are not read"
    process.assert_small()
    process.process.terminate()
    assert process.wait() == 0


def test_hosts_come_and_go(agent):
    process = agent()
    for number in range(300):
        process.host.close()
        host = process.accept_raw()
        if number % 3 == 0:
            host.send(b'{"execute":"guest-get-memory-info"}\n{"execute":')
        if number % 3 == 1:
            host.synchronize()
        process.host = host
    process.host.close()
    process.host = process.accept()
    assert process.host.ask("guest-ping") == {}
    process.assert_small()


def test_half_a_request_is_forgotten_with_its_host(agent):
    process = agent()
    process.host.send(b'{"execute":"guest-sync","arguments":')
    process.host.close()
    process.host = process.accept_raw()
    assert process.host.ask("guest-sync", id=2) == 2


def test_agent_ends_when_the_channel_is_gone(agent):
    process = agent()
    process.close_listener()
    process.host.close()
    assert process.wait() == 0
    assert "is gone" in process.log()


def test_blocked_command_is_not_found(agent):
    host = agent("[agent]\nblock=guest-get-free-memory-ranges\n").host
    with pytest.raises(AgentError) as caught:
        host.ask("guest-get-free-memory-ranges")
    assert caught.value.error_class == "CommandNotFound"
    commands = {command["name"]: command["enabled"] for command in host.ask("guest-info")["supported_commands"]}
    assert commands["guest-get-free-memory-ranges"] is False
    assert commands["guest-get-memory-info"] is True


def test_allow_list_leaves_the_handshake_and_the_way_back(agent):
    host = agent("[agent]\nallow=guest-get-memory-info\n").host
    host.ask("guest-get-memory-info")
    host.ask("guest-return-memory")
    with pytest.raises(AgentError):
        host.ask("guest-get-hold-status")
