# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent on a real virtio-serial port and a real kernel: what a unix socket cannot show."""

import os
import re
import sys
import time

import pytest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "component"))

from agent_process import HostSide  # noqa: E402
from bed.guest import connect_unix  # noqa: E402
from bed.host import wait_until  # noqa: E402

from support import agent_config, wait_nothing_held  # noqa: E402

AGENT_PID = "$(pidof ballast-agent | tr ' ' '\\n' | sort -n | head -n 1)"


def connect(guest):
    """A host connects to the agent and has synchronized when this returns."""
    host = HostSide(connect_unix(guest.agent_socket_path()))
    host.synchronize()
    return host


def assert_sleeps(guest):
    """The agent does not run once in three seconds. Counted in one go in the guest: what the test's
    own port receives raises the interrupt of the agent's too."""
    read = f"grep ctxt_switches /proc/{AGENT_PID}/status"
    before, after = guest.shell(f"sleep 1; {read}; echo later; sleep 3; {read}").split("later")
    assert before.split() == after.split()


def test_idle_agent_sleeps_with_and_without_a_host(guest):
    assert_sleeps(guest)
    host = connect(guest)
    host.ask("guest-get-memory-info")
    assert_sleeps(guest)
    host.close()
    assert_sleeps(guest)


# A new host's first bytes may overtake the driver's news of the host.
def test_hosts_come_and_go(guest):
    for _ in range(60):
        host = connect(guest)
        assert host.ask("guest-ping") == {}
        host.close()


def test_request_of_a_host_that_left_at_once_is_served(guest):
    host = connect(guest)
    assert host.hold(32)["state"] == "held"
    host.send_request("guest-return-memory")
    host.close()
    host = connect(guest)
    status = host.wait_state("idle")
    host.close()
    assert status["reason"] == "request"


def test_host_that_does_not_read_is_waited_for_asleep(guest):
    host = connect(guest)
    host.socket.setblocking(False)
    sent = 0
    try:
        while sent < 4 << 20:
            sent += host.socket.send(b'{"execute":"guest-info"}\n' * 500)
            time.sleep(0.01)
    except BlockingIOError:
        pass
    assert sent < 4 << 20, "the agent reads on while its replies are not read"
    assert_sleeps(guest)
    host.close()
    try:
        host = connect(guest)
    except TimeoutError:
        if qemu_major(guest.host) < 10:
            raise
        pytest.xfail("QEMU 10 passes nothing on for the first host that comes after such a one")
    assert host.ask("guest-ping") == {}
    host.close()


def qemu_major(host):
    version = host.run(["qemu-system-x86_64", "--version"]).stdout
    return int(re.search(r"version (\d+)\.", version)[1])


def test_held_ranges_are_not_free_and_pressure_is_watched(guest):
    host = connect(guest)
    assert host.hold(128)["held-bytes"] == 128 << 20
    held = host.held_ranges()
    free = host.ask("guest-get-free-memory-ranges")["ranges"]
    watched = guest.shell(f"ls -l /proc/{AGENT_PID}/fd")
    host.ask("guest-return-memory")
    host.wait_state("idle")
    host.close()
    assert sum(length for _, length in held) == 128 << 20
    for start, length in held:
        assert all(start + length <= other or other + size <= start for other, size in free)
    # The trigger needs CAP_SYS_RESOURCE on this kernel.
    assert "/proc/pressure/memory" in watched


def reclaim_events(guest):
    text = guest.shell("cat /proc/vmstat")
    return re.findall(r"^((?:pgscan_|allocstall|compact_stall|oom_kill |pswpout)\S* *\d+)$", text, re.M)


def hold_everything(guest):
    """Holds all there is and gives it back; the status in between."""
    before = reclaim_events(guest)
    host = connect(guest)
    status = host.hold(8192)
    after = reclaim_events(guest)
    host.ask("guest-return-memory")
    host.wait_state("idle")
    host.close()
    assert after == before
    return status


def test_hold_of_all_that_is_free_starts_no_reclaim(guest):
    status = hold_everything(guest)
    assert (status["state"], status["reason"]) == ("held", "headroom")
    assert status["held-bytes"] > 128 << 20


def test_watermarks_are_kept_where_the_headroom_is_below_them(guest):
    old = guest.shell(f"echo {AGENT_PID}").strip()
    guest.shell("printf '[hold]\\nheadroom-min-mib=16\\nheadroom-percent=0\\n' >/etc/ballast/agent.conf")
    guest.shell(f"kill {old}")
    wait_until(lambda: guest.shell(f"echo {AGENT_PID}").strip() not in ("", old), 10, "the agent is back")
    status = hold_everything(guest)
    assert (status["state"], status["reason"]) == ("held", "headroom")
    assert status["held-bytes"] > 256 << 20


# The holder's huge pages are freed a little after the kernel counts it as dead.
def test_out_of_memory_kills_none_but_the_holder_and_its_decoys(boot):
    guest = boot(memory_mib=1024, vcpus=2)
    guest.canary_start(16)
    for number in range(3):
        host = connect(guest)
        status = host.hold(8192, token=f"t{number}")
        assert status["held-bytes"] > 512 << 20
        guest.fill(500)
        assert host.wait_state("idle")["reason"] in ("killed", "pressure")
        host.close()
    guest.canary_check()
    victims = re.findall(r"Killed process \d+ \(([^)]*)\)", guest.shell("dmesg"))
    assert set(victims) <= {"ballast-holder", "ballast-decoy"}
    assert guest.shell("ps | grep -c '[b]allast-decoy'", check=False).strip() == "0"


def test_lease_does_not_heed_what_the_clock_is_set_to(guest):
    agent_config(guest, "[hold]\nlease-s=4\n")
    for token, change in (("later", "+ 1000000"), ("earlier", "- 2000000")):
        host = connect(guest)
        host.hold(64, token=token)
        guest.shell(f"date -s @$(($(date +%s) {change}))")
        for _ in range(2):
            assert host.status()["state"] == "held"
        host.close()
        wait_nothing_held(guest, 8)
        host = connect(guest)
        assert host.status()["reason"] == "silence"
        host.close()


def test_unplugged_port_gives_back(guest):
    host = connect(guest)
    host.hold(64)
    element = next(channel for channel in guest.xml().iterfind("devices/channel")
                   if channel.find("target").get("name") == "org.ballast.guest_agent.0")
    alias = element.find("alias").get("name")
    guest.qmp(f'{{"execute":"device_del","arguments":{{"id":"{alias}"}}}}')
    wait_until(lambda: "is gone" in guest.shell("cat /run/ballast-agent.log"), 10, "the agent notices")
    host.close()
    assert guest.shell("ps | grep -c '[b]allast-holder'", check=False).strip() == "0"
