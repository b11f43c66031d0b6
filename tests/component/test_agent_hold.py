# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holding memory and all the ways in which it comes back."""

import os
import re
import signal
import subprocess
import time

import pytest
from agent_process import AgentError, AgentProcess, agent_program, children, process_status, wait_for

MIB = 1 << 20


def locked_bytes(pid):
    return int(re.match(r"\s*(\d+)", process_status(pid).get("VmLck", "0"))[1]) * 1024


def gone(pid):
    return process_status(pid).get("State", "Z")[0] == "Z"


@pytest.fixture
def held(agent):
    """An agent that holds 64 MiB under the token "t"."""
    process = agent()
    assert process.host.hold(64)["state"] == "held"
    return process


def test_hold_and_return(agent):
    process = agent()
    answer = process.host.ask("guest-hold-free-memory", bytes=100 * MIB, token="t")
    assert (answer["state"], answer["target-bytes"], answer["token"]) == ("growing", 100 * MIB, "t")
    status = process.host.wait_state("held")
    assert (status["held-bytes"], status["reason"]) == (100 * MIB, "target")
    assert locked_bytes(process.holder) == 100 * MIB
    assert process.host.ask("guest-get-memory-info")["held-bytes"] == 100 * MIB

    holder = process.holder
    assert process.host.ask("guest-return-memory")["state"] == "returning"
    status = process.host.wait_state("idle")
    assert (status["held-bytes"], status["reason"]) == (0, "request")
    assert gone(holder)
    assert children(process.pid) == []


def test_return_is_idempotent(agent):
    host = agent().host
    assert host.ask("guest-return-memory")["state"] == "idle"
    host.hold(16)
    host.ask("guest-return-memory")
    host.wait_state("idle")
    status = host.ask("guest-return-memory")
    assert (status["state"], status["reason"]) == ("idle", "request")


def test_same_token_raises(held):
    status = held.host.hold(130)
    assert status["held-bytes"] == 130 * MIB
    assert locked_bytes(held.holder) == 130 * MIB


def test_repeated_request_changes_nothing(held):
    holder = held.holder
    assert held.host.hold(64)["held-bytes"] == 64 * MIB
    assert held.holder == holder


def test_lower_target_keeps_what_is_held(held):
    status = held.host.hold(16)
    assert (status["held-bytes"], status["target-bytes"]) == (64 * MIB, 64 * MIB)


def test_smaller_request_changes_nothing_while_it_grows(agent):
    host = agent().host
    host.ask("guest-hold-free-memory", bytes=256 * MIB, token="t")
    assert host.ask("guest-hold-free-memory", bytes=16 * MIB, token="t")["target-bytes"] == 256 * MIB
    status = host.wait_state("held")
    assert (status["held-bytes"], status["reason"]) == (256 * MIB, "target")


def test_odd_sizes_add_up(agent):
    process = agent()
    for size in (1, 4095, 4096, 3 * MIB + 5000, 8 * MIB + 1):
        process.host.ask("guest-hold-free-memory", bytes=size, token="t")
        status = process.host.wait_state("held")
        assert status["held-bytes"] == size - size % 4096
    assert locked_bytes(process.holder) == 8 * MIB


def test_other_token_is_busy(held):
    with pytest.raises(AgentError) as caught:
        held.host.ask("guest-hold-free-memory", bytes=MIB, token="other")
    assert caught.value.error_class == "HoldBusy"
    assert held.host.status()["held-bytes"] == 64 * MIB


def test_any_token_after_the_host_asked_for_return(held):
    held.host.ask("guest-return-memory")
    held.host.wait_state("idle")
    assert held.host.hold(16, token="t")["state"] == "held"


def test_headroom_stops_the_hold(agent):
    host = agent().host
    free = host.ask("guest-get-memory-info")["free-bytes"]
    status = host.hold(1 << 20, headroom_bytes=free)
    assert (status["state"], status["reason"], status["held-bytes"]) == ("held", "headroom", 0)


def test_host_cannot_ask_for_less_headroom_than_the_guest_wants(agent):
    """More than a test machine has: whatever the host says, nothing may be held."""
    host = agent("[hold]\nheadroom-min-mib=1000000\n").host
    status = host.hold(16, headroom_bytes=0)
    assert (status["state"], status["reason"], status["held-bytes"]) == ("held", "headroom", 0)


def test_ranges_of_held_memory(held):
    ranges = held.host.held_ranges()
    assert sum(length for _, length in ranges) == 64 * MIB
    assert ranges == sorted(ranges)
    half = ranges[len(ranges) // 2][0]
    assert held.host.status(ranges=True, **{"from": half})["ranges"]["ranges"][0][0] >= half
    held.host.ask("guest-return-memory")
    held.host.wait_state("idle")
    assert held.host.held_ranges() == []


def test_deadline_gives_back(agent):
    host = agent().host
    host.hold(16, deadline_ms=1000)
    status = host.wait_state("idle")
    assert status["reason"] == "deadline"


def test_repeated_request_does_not_put_the_deadline_off(agent):
    host = agent().host
    host.hold(16, deadline_ms=1500)

    def spent():
        try:
            host.ask("guest-hold-free-memory", bytes=32 * MIB, token="t", deadline_ms=60000)
        except AgentError as error:
            return error
        return None
    assert "deadline" in wait_for(spent, "the hold has ended", timeout=5).desc
    assert host.wait_state("idle")["reason"] == "deadline"


def test_silence_gives_back(agent):
    process = agent("[hold]\nlease-s=1\n")
    process.host.hold(16)
    holder = process.holder
    wait_for(lambda: gone(holder), "the holder is gone")
    assert process.host.status()["reason"] == "silence"


def test_any_request_renews_the_lease(agent):
    host = agent("[hold]\nlease-s=1\n").host
    host.hold(16)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        host.ask("guest-ping")
        time.sleep(0.1)
    assert host.status()["state"] == "held"


def test_garbage_does_not_renew_the_lease(agent):
    process = agent("[hold]\nlease-s=1\n")
    process.host.hold(16)
    holder = process.holder

    def nonsense_until_gone():
        process.host.send(b"nonsense\n")
        process.host.read_reply()
        return gone(holder)
    wait_for(nonsense_until_gone, "the holder is gone")
    assert process.host.status()["reason"] == "silence"


def test_hold_outlives_its_connection_within_the_lease(held):
    held.host.close()
    held.host = held.accept()
    assert held.host.status()["held-bytes"] == 64 * MIB


def test_spent_token_is_refused(agent):
    host = agent().host
    host.hold(16, deadline_ms=1000)
    host.wait_state("idle")
    with pytest.raises(AgentError) as caught:
        host.ask("guest-hold-free-memory", bytes=MIB, token="t")
    assert caught.value.error_class == "HoldRefused"
    assert "deadline" in caught.value.desc
    assert host.hold(16, token="new")["state"] == "held"


def test_killed_holder(held):
    os.kill(held.holder, signal.SIGKILL)
    status = held.host.wait_state("idle")
    assert (status["reason"], status["held-bytes"]) == ("killed", 0)
    assert children(held.pid) == []
    assert held.host.hold(16, token="new")["state"] == "held"


def test_killed_holder_while_growing(agent):
    process = agent()
    process.host.ask("guest-hold-free-memory", bytes=256 * MIB, token="t")
    os.kill(wait_for(lambda: process.holder, "there is a holder"), signal.SIGKILL)
    assert process.host.wait_state("idle")["reason"] == "killed"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_agent_gives_back(held, stop):
    processes = children(held.pid)
    held.process.send_signal(stop)
    assert held.wait() == 0
    assert all(gone(pid) for pid in processes)


def test_killed_agent_gives_back(held):
    processes = children(held.pid)
    held.process.kill()
    held.wait()
    wait_for(lambda: all(gone(pid) for pid in processes), "holder and decoys are gone")


def test_lost_channel_gives_back(held):
    processes = children(held.pid)
    held.close_listener()
    held.host.close()
    assert held.wait() == 0
    assert all(gone(pid) for pid in processes)


def test_agent_answers_while_the_hold_grows(agent):
    host = agent().host
    host.ask("guest-hold-free-memory", bytes=256 * MIB, token="t")
    assert host.ask("guest-ping") == {}
    assert host.ask("guest-return-memory")["state"] in ("returning", "idle")
    assert host.wait_state("idle")["reason"] == "request"


def test_holder_is_the_first_victim_and_has_no_power(held):
    holder = held.holder
    for pid in children(held.pid):
        with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as stream:
            assert stream.read().strip() == "1000"
        assert int(process_status(pid)["CapPrm"], 16) & ~(1 << 14) == 0  # CAP_IPC_LOCK
    with open("/proc/self/oom_score_adj", encoding="ascii") as ours, \
            open(f"/proc/{held.pid}/oom_score_adj", encoding="ascii") as agents:
        assert ours.read() == agents.read()
    assert process_status(holder)["Name"] == "ballast-holder"
    assert len(children(held.pid, "ballast-decoy")) == 8


def test_children_hold_no_descriptor_but_the_socketpair(held):
    def kept(pid):
        return [fd for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    # A decoy closes them when it begins to run.
    for pid in children(held.pid):
        wait_for(lambda pid=pid: kept(pid) == (["3"] if pid == held.holder else []), f"child {pid} has closed what it got")


def test_hold_storm_leaves_nothing_behind(agent):
    process = agent()
    for number in range(30):
        process.host.ask("guest-hold-free-memory", bytes=32 * MIB, token=f"t{number}")
        process.host.ask("guest-return-memory")
        process.host.wait_state("idle")
    assert children(process.pid) == []
    assert len(os.listdir(f"/proc/{process.pid}/fd")) < 12
    process.assert_small()


# As under systemd, but with cgroup2 mounted where it belongs whatever this machine has there.
IN_A_CGROUP = """#!/bin/sh
exec unshare -m --propagation private sh -c '
    mount -t cgroup2 none /sys/fs/cgroup && {command}
' sh "$@"
"""


def test_children_have_a_cgroup_of_their_own(tmp_path):
    name = f"ballast-test-{os.getpid()}"

    def script(command):
        path = tmp_path / "script"
        path.write_text(IN_A_CGROUP.format(command=command), encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    if subprocess.run([script("true")], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("cgroup2 cannot be mounted here")
    process = AgentProcess(script(f"mkdir /sys/fs/cgroup/{name} && echo $$ >/sys/fs/cgroup/{name}/cgroup.procs && "
                                  f"exec {agent_program()} \"$@\""), tmp_path / "agent")
    try:
        process.host.hold(16)
        for pid in children(process.pid):
            with open(f"/proc/{pid}/cgroup", encoding="ascii") as stream:
                assert f"0::/{name}/ballast-holder" in stream.read().splitlines()
    finally:
        process.end()
        # Refused as long as there is a cgroup below it.
        subprocess.run([script(f"rmdir /sys/fs/cgroup/{name}")], check=True)
