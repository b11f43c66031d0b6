# SPDX-License-Identifier: LGPL-2.1-or-later
"""Agents and holders that die at any stage, a guest that needs its memory at once, agents that lie or say nothing."""

import json
import re

import pytest

from bed.host import wait_until

from failures import FREED_MIB, SLOW, Ballast, check_unharmed, go_faster, hold_status, migration, run
from support import MIB, held_bytes, matrix

# Each stage; those of one migration where one more death of the agent differs from none.
AGENT_STAGES = [["planned", "journal-written"], ["holding"], ["released", "migrating"], ["transferring"],
                ["transferred"], ["giving-back", "given-back"]]
HOLDER_STAGES = ["holding", "released", "transferring", "transferred"]
AFTER_SWITCH_OVER = ("transferred", "giving-back", "given-back")

# The holder is the only process of a test guest that locks memory.
KILL_HOLDER = "kill -9 $(grep -l '^VmLck:.* [1-9]' /proc/[0-9]*/status | cut -d/ -f3)"


def disturb_at(bed, guest, stages, disturb):
    """Runs a migration by hold and calls disturb() when it stands at `stages`; its Result, at the destination."""
    slow = SLOW if "transferring" in stages else ()
    with migration(guest, "hold", *slow, stop_at=stages) as ballast:
        for stage in stages:
            ballast.wait_at(stage)
            if stage in AFTER_SWITCH_OVER:
                guest.moved_to(bed.dst)
            disturb()
            if slow:
                assert "Outgoing migration" in guest.host.virsh("domjobinfo", guest.name).stdout
                go_faster(guest)
            ballast.go_on(stage)
        return ballast.finish()


@pytest.mark.parametrize("stages", matrix({"-".join(stages): [stages] for stages in AGENT_STAGES},
                                          ["planned-journal-written", "holding", "transferring",
                                           "giving-back-given-back"]))
def test_agent_killed(bed, dirty, stages):
    guest, before = dirty("hold")
    died = []

    def kill():
        died.append(wait_until(guest.agent_pid, 10, "the agent runs"))
        guest.shell(f"kill -9 {died[-1]}")

    result = disturb_at(bed, guest, stages, kill)

    # The next agent may answer for the dead one at once, or come too late.
    result.check(0, warnings=None)
    assert all("agent" in line or "gave the held memory back early" in line for line in result.warnings)
    assert len(result.warnings) <= 2
    check_unharmed(guest, before, bed.dst)
    assert guest.agent_pid() not in died
    assert len(died) == len(stages)


@pytest.mark.parametrize("stage", HOLDER_STAGES)
def test_holder_killed(bed, dirty, stage):
    guest, before = dirty("hold")

    def kill():
        wait_until(lambda: held_bytes(guest) > MIB, 10, "the holder holds something")
        guest.shell(KILL_HOLDER)
        wait_until(lambda: held_bytes(guest) < MIB, 10, "the holder is gone")

    result = disturb_at(bed, guest, [stage], kill)

    result.check(0, warnings=["the guest gave the held memory back early (killed)"] if stage == "holding" else [])
    check_unharmed(guest, before, bed.dst)


@pytest.mark.parametrize("agent_reacts", [True, False], ids=["pressure", "oom"])
def test_guest_suddenly_needs_its_memory(bed, dirty, agent_reacts):
    """The agent gives back when it sees pressure; one that sees nothing loses its holder to the OOM killer."""
    guest, before = dirty("hold")
    with migration(guest, "hold", stop_at=["released"]) as ballast:
        ballast.wait_at("released")
        left_mib = guest.meminfo()["MemAvailable"] // MIB
        assert held_bytes(guest) > 200 * MIB
        agent = guest.agent_pid()
        if not agent_reacts:
            guest.shell(f"kill -STOP {agent}")
        assert guest.verify_fill(left_mib + 150) == left_mib + 150
        wait_until(lambda: held_bytes(guest) < MIB, 10, "the holder is gone")
        guest.shell(f"kill -CONT {agent}")
        ballast.go_on("released")
        result = ballast.finish()

    result.check(0)
    guest.moved_to(bed.dst)
    victims = set(re.findall(r"Killed process \d+ \(([^)]*)\)", guest.shell("dmesg")))
    assert victims <= {"ballast-holder", "ballast-decoy"}
    if not agent_reacts:
        assert "ballast-holder" in victims
    assert guest.agent_pid() == agent
    check_unharmed(guest, before, bed.dst)


# A process in the agent's place. NUMBER is the request's id. While no host is there read() ends at once.
FAKE_AGENT = r"""
while pidof ballast-agent; do sleep 0.1; done
exec 3<>/dev/virtio-ports/org.ballast.guest_agent.0
touch /run/fake.ready
while :; do
    read -r line <&3 || { sleep 0.05; continue; }
    number=${line##*\"id\":}
    number=${number%%[!0-9-]*}
    case $line in
    *guest-sync-delimited*) SYNC ;;
    *guest-info*) INFO ;;
    *guest-get-memory-info*) MEMORY ;;
    *) OTHER ;;
    esac >&3
done
"""

GOOD_SYNC = r"""printf '\377{"return":%s}\n' $number"""
GARBAGE = r"""printf '\033[31mnot JSON \001\n'"""
SILENCE = "true"
FLOOD = "dd if=/dev/zero bs=1M count=3 | tr '\\0' a"

INFO = {"version": "0.1", "supported_commands": [
    {"name": "guest-" + name, "enabled": True}
    for name in ("info", "get-memory-info", "get-free-memory-ranges", "hold-free-memory", "get-hold-status",
                 "return-memory")]}

RANGES = {"ranges": [[16 * MIB, 400 * MIB]], "scanned-pages": 1, "elapsed-us": 1}

# The id of the request before.
OLD = "$((number - 1))"


def memory_info(free_mib):
    return {"total-bytes": 512 * MIB, "free-bytes": free_mib * MIB, "available-bytes": free_mib * MIB,
            "clean-cache-bytes": 0, "swap-total-bytes": 0, "swap-free-bytes": 0, "page-bytes": 4096,
            "block-bytes": 128 * MIB, "held-bytes": 0, "holdable-bytes": free_mib * MIB, "boot-id": "x",
            "overcommit-mode": 0, "panic-on-oom": 0, "oom-kill-allocating-task": False}


def reply(result, number="$number"):
    """Shell code that answers with `result`."""
    return f"""printf '%s\\n' '{{"return":{json.dumps(result)},"id":'{number}'}}'"""


def fake_agent(guest, **answers):
    """Puts a process into the agent's place that answers with this shell code; silence by default."""
    script = FAKE_AGENT
    for name in ("SYNC", "INFO", "MEMORY", "OTHER"):
        script = script.replace(name, answers.get(name.lower(), SILENCE))
    guest.agent_stop()
    guest.shell(f"cat >/run/fake <<'END'\n{script}\nEND\nsetsid sh /run/fake >/run/fake.log 2>&1 &")
    wait_until(lambda: guest.shell_status("test -e /run/fake.ready")[0] == 0, 10, "the fake agent is up")
    target = "devices/channel/target[@name='org.ballast.guest_agent.0']"
    wait_until(lambda: guest.xml().find(target).get("state") == "connected", 10, "libvirt sees the fake agent")


LIARS = {
    "never": {},
    "garbage": {"sync": GARBAGE, "info": GARBAGE, "other": GARBAGE},
    "garbage-after-sync": {"sync": GOOD_SYNC, "info": GARBAGE, "memory": GARBAGE, "other": GARBAGE},
    "too-much": {"sync": GOOD_SYNC, "info": FLOOD},
    "too-much-at-once": {"sync": FLOOD},
    # Who believes these has all that it needs for a hold.
    "stale-sync": {"sync": r"""printf '\377{"return":%s}\n' $((number - 1))""", "info": reply(INFO),
                   "memory": reply(memory_info(400)), "other": reply(RANGES)},
    "stale-only": {"sync": GOOD_SYNC, "info": reply(INFO, OLD), "memory": reply(memory_info(400), OLD),
                   "other": reply(RANGES, OLD)},
}


@pytest.mark.parametrize("name", matrix({name: [name] for name in LIARS}, ["never", "too-much-at-once", "stale-sync"]))
def test_agent_that_cannot_be_used(bed, dirty, name):
    guest, before = dirty("hold")
    fake_agent(guest, **LIARS[name])

    result = run(bed.src, "migrate", "--live", "--unsafe", guest.name, bed.dst.uri)

    result.check(0, warnings=["the guest agent cannot be used"])
    # The balloon does it instead.
    assert re.search(r"released .*, balloon 2\d\d\.\d MiB", result.out)
    assert "\033" not in result.out + result.err and "\001" not in result.out + result.err
    check_unharmed(guest, before, bed.dst, has_agent=False)


def test_stale_replies_are_not_believed(bed, dirty):
    """Each answer comes behind one to an earlier request, which tells of free memory that is not there."""
    guest, before = dirty("hold")
    fake_agent(guest,
               sync="\n".join([reply(memory_info(FREED_MIB), 1), r"""printf '\377{"return":%s}\n' 17""", GOOD_SYNC]),
               info=reply(memory_info(FREED_MIB), OLD) + "\n" + reply(INFO),
               memory=reply(memory_info(FREED_MIB), OLD) + "\n" + reply(memory_info(0)))

    result = run(bed.src, "--json", "migrate", "--live", "--unsafe", guest.name, bed.dst.uri)

    result.check(0)
    assert json.loads(result.out)["why-nothing"] == "nothing is free in the guest"
    check_unharmed(guest, before, bed.dst, has_agent=False)


@pytest.mark.parametrize("answer", matrix({"never": [SILENCE], "garbage": [GARBAGE], "too-much": [FLOOD]}, ["never"]))
def test_agent_that_fails_when_it_is_to_hold(bed, dirty, answer):
    guest, before = dirty("hold")
    fake_agent(guest, sync=GOOD_SYNC, info=reply(INFO), memory=reply(memory_info(400)),
               other=f"case $line in *ranges*) {reply(RANGES)} ;; *) {answer} ;; esac")

    result = run(bed.src, "migrate", "--live", "--unsafe", guest.name, bed.dst.uri)

    result.check(0, warnings=["the guest agent stopped while it was to hold memory",
                              "the guest takes its held memory back by itself"])
    check_unharmed(guest, before, bed.dst, has_agent=False)


def test_hold_ends_by_its_lease_when_ballast_is_gone(bed, dirty):
    guest, before = dirty("hold")
    with Ballast(bed.src, "release", guest.name) as ballast:
        ballast.finish().check(0)
    assert held_bytes(guest) > 200 * MIB

    wait_until(lambda: held_bytes(guest) < MIB, 40, "the lease ends")

    assert hold_status(guest)["reason"] == "silence"
    run(bed.src, "restore", guest.name).check(0)
    check_unharmed(guest, before, bed.src)
