# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent in a real Debian guest: installed from its package, started by udev, in its unit."""

import pytest

from agent_process import AgentError
from bed.host import wait_until
from guests import (CONFIG, UNIT, connect, is_active, journal, pids, plug_channel, process_status, property_of, restart,
                    start_debian, system_state, unplug_channel, wait_for_agent, write)
from sandbox import FORBIDDEN, Process, capabilities, check_exposure, probe
from support import MIB

# What ballast-agent(8) says that they keep.
AGENT_CAPABILITIES = {"CAP_SYS_ADMIN", "CAP_IPC_LOCK", "CAP_SYS_RESOURCE"}
HOLDER_CAPABILITIES = {"CAP_IPC_LOCK"}

HELD_MIB = 200
CGROUP = f"/system.slice/{UNIT}"


@pytest.fixture(scope="module")
def guest(bed, debs):
    return start_debian(bed, debs.guest, memory_mib=768)


@pytest.fixture
def agent(guest):
    """A host's connection to the agent; nothing is held after the test."""
    host = connect(guest)
    yield host
    host.ask("guest-return-memory")
    host.wait_state("idle")
    host.close()


def test_udev_starts_the_agent(guest):
    assert system_state(guest) == "running", guest.shell("systemctl --failed", check=False)
    shown = guest.shell(f"systemctl status --no-pager {UNIT}")
    assert "Active: active (running)" in shown
    # The port does, and nothing else.
    assert property_of(guest, "UnitFileState") == "static"
    assert all(".device" in unit for unit in property_of(guest, "WantedBy").split())
    assert property_of(guest, "NRestarts") == "0"


def test_nobody_complains(guest):
    assert journal(guest, "-p warning") == ""
    rules = "journalctl -b -q --no-pager -p warning -t systemd -t systemd-udevd -t udevadm -t systemd-tmpfiles"
    assert "ballast" not in guest.shell(f"{rules} | grep -i ballast", check=False)


def test_capabilities_are_the_documented_ones(guest, agent):
    agent.hold(HELD_MIB)
    status = process_status(guest, property_of(guest, "MainPID"))
    assert capabilities(status["CapEff"]) == capabilities(status["CapPrm"]) == AGENT_CAPABILITIES
    for name in ("CapInh", "CapAmb", "CapBnd"):
        assert capabilities(status[name]) == set(), name
    (holder,) = pids(guest, "ballast-holder")
    for pid in [holder, *pids(guest, "ballast-decoy")]:
        status = process_status(guest, pid)
        assert capabilities(status["CapEff"]) == capabilities(status["CapPrm"]) == HOLDER_CAPABILITIES
        assert capabilities(status["CapInh"]) == capabilities(status["CapAmb"]) == set()
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_each_directive_is_in_force(guest):
    process = Process(guest.shell, property_of(guest, "MainPID"))
    assert process.violations(guest.shell(f"cat {property_of(guest, 'FragmentPath')}")) == []


def test_what_is_forbidden_fails(guest):
    within, outside = probe(guest)
    assert within == FORBIDDEN
    assert all(error not in (1, 97) for error in outside.values()), outside


def test_devices(guest):
    """Only its port and the kernel's log are open to what runs in the unit's cgroup."""
    def opened(device):
        return guest.shell(f"echo $$ >/sys/fs/cgroup{CGROUP}/cgroup.procs && : <{device}", check=False)
    assert "Operation not permitted" in opened("/dev/vda")
    assert "Operation not permitted" in opened("/dev/mem")
    assert opened("/dev/kmsg") == opened("/dev/null") == ""


def test_exposure(guest):
    check_exposure(guest.shell(f"systemd-analyze security --no-pager {UNIT}", check=False), UNIT)


def test_ranges(guest, agent):
    ranges = agent.ask("guest-get-free-memory-ranges")["ranges"]
    free = guest.meminfo()["MemFree"]
    assert all(start + length <= following for (start, length), (following, _) in zip(ranges, ranges[1:]))
    # The rest is on processors' own lists, and is not free to buddy.
    assert free * 3 // 4 < sum(length for _, length in ranges) < free + 64 * MIB


def test_memory_info(guest, agent):
    info = agent.ask("guest-get-memory-info")
    known = guest.meminfo()
    assert info["total-bytes"] == known["MemTotal"]
    assert abs(info["available-bytes"] - known["MemAvailable"]) < 32 * MIB
    assert info["boot-id"] == guest.boot_id()
    assert info["psi"].keys() == {"some-total-us", "full-total-us"}
    assert info["holdable-bytes"] > HELD_MIB * MIB
    # What the kernel's configuration or its log says of these is found inside the unit as well.
    assert {"init-on-alloc", "init-on-free", "page-poisoning"} <= info.keys()


def test_hold(guest, agent):
    before = guest.meminfo()
    status = agent.hold(HELD_MIB)
    assert (status["state"], status["held-bytes"]) == ("held", HELD_MIB * MIB)
    during = guest.meminfo()
    assert before["MemAvailable"] - during["MemAvailable"] > (HELD_MIB - 16) * MIB
    (holder,) = pids(guest, "ballast-holder")
    assert int(process_status(guest, holder)["VmLck"].split()[0]) >= HELD_MIB * 1024
    assert len(pids(guest, "ballast-decoy")) == 8
    for pid in [holder, *pids(guest, "ballast-decoy")]:
        assert guest.shell(f"cat /proc/{pid}/oom_score_adj").strip() == "1000"
        assert guest.shell(f"cat /proc/{pid}/cgroup").strip() == f"0::{CGROUP}/ballast-holder"
    assert int(guest.shell(f"cat /proc/{property_of(guest, 'MainPID')}/oom_score_adj")) <= 0
    # Pressure is watched, which takes CAP_SYS_RESOURCE on this kernel.
    assert "/proc/pressure/memory" in guest.shell(f"ls -l /proc/{property_of(guest, 'MainPID')}/fd")
    held = agent.held_ranges()
    assert sum(length for _, length in held) == HELD_MIB * MIB

    agent.ask("guest-return-memory")
    assert agent.wait_state("idle")["reason"] == "request"
    assert pids(guest, "ballast-holder") == pids(guest, "ballast-decoy") == []
    assert before["MemAvailable"] - guest.meminfo()["MemAvailable"] < 16 * MIB


def make_cache(guest):
    guest.shell("dd if=/dev/zero of=/var/cache/filler bs=1M count=96 status=none && sync /var/cache/filler", timeout=60)


def test_trim_by_reclaim(guest, agent):
    make_cache(guest)
    before = guest.meminfo()["Cached"]
    done = agent.ask("guest-trim-page-cache", bytes=64 * MIB)
    assert done["method"] == "memory.reclaim"
    assert done["trimmed-bytes"] >= 32 * MIB
    assert before - guest.meminfo()["Cached"] >= 32 * MIB


def test_trim_by_drop_caches(guest):
    """The fall-back, for kernels without memory.reclaim."""
    drop_in = f"/run/systemd/system/{UNIT}.d/test.conf"
    write(guest, drop_in, "[Service]\nInaccessiblePaths=/sys/fs/cgroup/memory.reclaim\n")
    guest.shell("systemctl daemon-reload")
    try:
        restart(guest)
        make_cache(guest)
        host = connect(guest)
        done = host.ask("guest-trim-page-cache", bytes=64 * MIB)
        host.close()
        assert done["method"] == "drop_caches" and done["trimmed-bytes"] >= 64 * MIB
    finally:
        guest.shell(f"rm {drop_in}; systemctl daemon-reload")
        restart(guest)


def test_commands_outside_the_allow_list_are_refused(guest):
    kept = guest.shell(f"cat {CONFIG}")
    write(guest, CONFIG, "[agent]\nallow=guest-get-memory-info\n")
    try:
        restart(guest)
        host = connect(guest)
        assert host.ask("guest-get-memory-info")["held-bytes"] == 0
        for command, arguments in (("guest-hold-free-memory", {"bytes": 64 * MIB, "token": "t"}),
                                   ("guest-get-free-memory-ranges", {}), ("guest-trim-page-cache", {"bytes": MIB})):
            with pytest.raises(AgentError) as refused:
                host.ask(command, **arguments)
            assert refused.value.error_class == "CommandNotFound"
        host.close()
        assert pids(guest, "ballast-holder") == []
    finally:
        write(guest, CONFIG, kept)
        restart(guest)


def test_an_invalid_configuration_is_said_once(guest):
    kept = guest.shell(f"cat {CONFIG}")
    write(guest, CONFIG, "[agent]\nallows=guest-get-memory-info\n")
    try:
        guest.shell(f"systemctl restart {UNIT}", check=False)
        wait_until(lambda: property_of(guest, "ActiveState") == "failed", 10, "the unit has failed")
        assert "allows" in journal(guest, "-n 8")
        restarts = property_of(guest, "NRestarts")
    finally:
        write(guest, CONFIG, kept)
        restart(guest)
    assert restarts == "0"
    assert system_state(guest) == "running"


def test_the_agent_comes_back_and_held_memory_is_free(guest):
    host = connect(guest)
    host.hold(HELD_MIB)
    host.close()
    before = property_of(guest, "MainPID")
    guest.shell(f"kill -KILL {before}")
    wait_until(lambda: property_of(guest, "MainPID") not in ("0", before), 20, "systemd starts the agent again")
    wait_for_agent(guest)
    assert pids(guest, "ballast-holder") == []


def test_out_of_memory_takes_the_holder_alone(guest):
    """The unit goes on with the same agent."""
    host = connect(guest)
    before = property_of(guest, "MainPID")
    status = host.hold(4096, token="all")
    assert (status["state"], status["reason"]) == ("held", "headroom")
    guest.fill(status["held-bytes"] // MIB // 2 + 160, timeout=120)
    assert host.wait_state("idle")["reason"] in ("killed", "pressure")
    host.close()
    assert is_active(guest) and property_of(guest, "MainPID") == before
    assert property_of(guest, "Result") == "success"


def test_the_kernel_kills_the_holder(guest):
    """The unit goes on with the same agent, once systemd has heard of it as well."""
    host = connect(guest)
    before = property_of(guest, "MainPID")
    host.hold(HELD_MIB, token="killed")
    guest.shell("echo f >/proc/sysrq-trigger")
    assert host.wait_state("idle")["reason"] == "killed"
    host.close()
    wait_until(lambda: "killed by the OOM killer" in journal(guest, ""), 20, "systemd is told")
    assert is_active(guest) and property_of(guest, "MainPID") == before


def test_the_channel_starts_and_stops_it(guest):
    host = connect(guest)
    host.hold(HELD_MIB)
    unplug_channel(guest)
    wait_until(lambda: property_of(guest, "ActiveState") == "inactive", 20, "the unit is stopped with its port")
    host.close()
    assert pids(guest, "ballast-agent") == pids(guest, "ballast-holder") == []
    assert system_state(guest) == "running"

    plug_channel(guest)
    wait_for_agent(guest)
    host = connect(guest)
    assert host.hold(HELD_MIB)["state"] == "held"
    host.ask("guest-return-memory")
    host.wait_state("idle")
    host.close()


def test_removed_it_is_gone_and_installed_again_it_runs(guest):
    host = connect(guest)
    host.hold(HELD_MIB)
    held = guest.meminfo()["MemAvailable"]
    guest.shell("dpkg --remove ballast-guest-agent", timeout=60)
    host.close()
    assert pids(guest, "ballast-agent") == pids(guest, "ballast-holder") == []
    # dpkg leaves some of it in use.
    assert guest.meminfo()["MemAvailable"] - held > HELD_MIB * MIB * 3 // 4
    assert system_state(guest) == "running"
    guest.shell("dpkg --purge ballast-guest-agent", timeout=60)
    left = guest.shell("find / -xdev -iname '*ballast*' -not -path '/proc/*' -not -path '/sys/*'", timeout=60).split()
    # What apt and dpkg remember, and the bed's own.
    assert [path for path in left if not path.startswith(("/var/lib/dpkg/", "/var/log/", "/run/udev", "/dev/"))] == []

    guest.shell("dpkg --install /root/package.deb", timeout=60)
    wait_for_agent(guest)
    assert system_state(guest) == "running"
