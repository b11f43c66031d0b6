# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of all kinds: those that can give nothing up, must not, or do so only in part."""

import contextlib
import json
import os
import socket
import threading

import pytest

from bed.host import wait_until

from failures import FREED_MIB, free_garbage
from support import MIB, Memory, agent_connected, check_whole, held_bytes, migrate, wait_nothing_held


def fill(guest):
    """Has `guest` write and free memory, with a canary beside; what it then has."""
    free_garbage(guest)
    return Memory.of(guest)


def check_plain(run, why, warns=True):
    """Nothing was released; `why` stands in the report and, as the only line, on stderr when it is news."""
    assert run.released == {}
    assert why in run.report["why-nothing"]
    assert run.lines == ([f"ballast: warning: migrating plainly: {run.report['why-nothing']}"] if warns else [])
    assert run.report["warnings"] == [line.removeprefix("ballast: warning: ") for line in run.lines]


@pytest.mark.parametrize("name, value", [("overcommit_memory", 2), ("panic_on_oom", 1),
                                         ("oom_kill_allocating_task", 1)])
def test_guest_that_must_keep_its_memory(bed, dirty, name, value):
    guest, before = dirty("hold")
    guest.shell(f"echo {value} >/proc/sys/vm/{name}")

    run = migrate(bed, guest)

    check_plain(run, f"the guest runs with vm.{name}")
    assert run.wire > FREED_MIB * MIB
    guest.shell(f"echo 0 >/proc/sys/vm/{name}")
    check_whole(guest, before, FREED_MIB)


def test_guest_that_zeroes_what_it_frees(bed, boot):
    guest = boot(fresh=True, kernel_args="init_on_free=1")
    before = fill(guest)
    run = migrate(bed, guest)
    check_plain(run, "init_on_free", warns=False)
    check_whole(guest, before, FREED_MIB)


def test_guest_that_does_not_zero_what_it_hands_out(bed, boot):
    guest = boot(fresh=True, kernel_args="init_on_alloc=0")
    before = fill(guest)
    run = migrate(bed, guest)
    assert list(run.released) == ["hold"]
    assert run.wire < FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


def test_guest_without_pressure_information(bed, boot):
    guest = boot(fresh=True, kernel_args="psi=0")
    assert guest.shell_status("cat /proc/pressure/memory")[0] != 0
    before = fill(guest)

    run = migrate(bed, guest)
    assert list(run.released) == ["hold"]
    check_whole(guest, before, FREED_MIB)

    # The guest wants its memory back while it is held: the hold ends, and nobody is killed.
    bed.dst.ballast("release", guest.name)
    assert held_bytes(guest) > 100 * MIB
    guest.verify_fill(FREED_MIB)
    wait_nothing_held(guest, 5)
    guest.canary_check()
    bed.dst.ballast("restore", guest.name)
    check_whole(guest, before, FREED_MIB)


def test_nothing_is_pushed_into_swap(bed, boot):
    guest = boot(disk_mib=320)
    guest.shell("mkswap /dev/vda && swapon /dev/vda")
    guest.canary_start(8)
    guest.fill(200, hold=True)
    guest.fill(420)
    swapped = vmstat(guest, "pswpout")
    assert swapped * 4096 > 50 * MIB
    before = Memory.of(guest)

    run = migrate(bed, guest)

    assert list(run.released) == ["hold"]
    assert run.lines == []
    assert vmstat(guest, "pswpout") == swapped
    check_whole(guest, before, before.free // MIB - 64)


def test_container_that_swaps_at_its_own_limit(bed, boot):
    """The guest as a whole is not short: the hold stays, at least where the kernel has no PSI to say otherwise."""
    guest = boot(fresh=True, disk_mib=320, kernel_args="psi=0")
    guest.shell("mkswap /dev/vda && swapon /dev/vda")
    before = fill(guest)
    guest.shell("echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir /sys/fs/cgroup/small")
    guest.shell(f"echo {16 * MIB} >/sys/fs/cgroup/small/memory.high")
    guest.host.ballast("release", guest.name)
    held = held_bytes(guest)
    assert held > 100 * MIB
    swapped = vmstat(guest, "pswpout")

    guest.shell("echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec guest-tool fill 48 1", timeout=120)

    assert (vmstat(guest, "pswpout") - swapped) * 4096 > 20 * MIB
    assert held_bytes(guest) >= held
    guest.host.ballast("restore", guest.name)
    check_whole(guest, before, FREED_MIB)


def vmstat(guest, name):
    return int(guest.shell(f"awk '$1 == \"{name}\" {{ print $2 }}' /proc/vmstat"))


def stop_agent(guest):
    guest.agent_stop()
    wait_until(lambda: not agent_connected(guest), 10, "the agent's channel is closed")


def test_balloon_does_it_while_the_agent_is_stopped(bed, dirty):
    guest, before = dirty("hold")
    stop_agent(guest)
    check_balloon_does_it(bed, guest, before)


@pytest.mark.parametrize("fields", [{"channel": False}, {"agent": False, "autodeflate": True}],
                         ids=["no channel", "autodeflate"])
def test_balloon_does_it_without_an_agent(bed, boot, fields):
    guest = boot(fresh=True, **fields)
    check_balloon_does_it(bed, guest, fill(guest))


def check_balloon_does_it(bed, guest, before):
    run = migrate(bed, guest)
    assert list(run.released) == ["balloon"]
    assert run.lines == []
    assert run.wire < FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


def test_neither_agent_nor_balloon(bed, dirty):
    guest, before = dirty("hold", balloon="none")
    stop_agent(guest)
    check_neither(bed, guest, before)


def test_neither_channel_nor_balloon(bed, boot):
    guest = boot(fresh=True, balloon="none", channel=False)
    check_neither(bed, guest, fill(guest))


def check_neither(bed, guest, before):
    run = migrate(bed, guest)
    check_plain(run, "agent")
    assert run.wire > FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


def test_empty_range_list(bed, dirty):
    """Nothing free, says the agent: migrate straight away."""
    guest, before = dirty("hold")
    with agent_without_free_ranges(guest) as asked:
        run = migrate(bed, guest)
    assert asked
    check_plain(run, "nothing is free in the guest", warns=False)
    assert run.wire > FREED_MIB * MIB
    check_whole(guest, before, FREED_MIB)


@contextlib.contextmanager
def agent_without_free_ranges(guest):
    """Stands between the host and the guest's agent and answers for it that nothing is free; yields the requests."""
    path = guest.agent_socket_path()
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    # A unix socket's address is short: go through the folder's descriptor, as bed.guest does.
    ours = f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    os.rename(ours, ours + ".agent")
    asked = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(ours)
        listener.listen()
        thread = threading.Thread(target=_relay, args=(listener, ours + ".agent", asked))
        thread.start()
        try:
            yield asked
        finally:
            # Ends accept(), and with it the thread.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for name in (ours, ours + ".agent"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
            os.close(folder)


def _relay(listener, agent_path, asked):
    with contextlib.suppress(OSError):
        while True:
            client = listener.accept()[0]
            with client, socket.socket(socket.AF_UNIX) as agent:
                agent.connect(agent_path)
                _converse(client.makefile("rwb", buffering=0), agent.makefile("rwb", buffering=0), asked)


def _converse(client, agent, asked):
    for line in client:
        request = json.loads(line.lstrip(b"\xff"))
        if request["execute"] == "guest-get-free-memory-ranges":
            asked.append(request)
            answer = {"return": {"ranges": [], "scanned-pages": 1, "elapsed-us": 1}, "id": request["id"]}
            client.write(json.dumps(answer).encode() + b"\n")
        else:
            agent.write(line)
            client.write(agent.readline())


def test_guest_without_free_memory(bed, boot):
    guest = boot()
    guest.canary_start(8)
    guest.fill(guest.meminfo()["MemAvailable"] // MIB - 50, hold=True)
    before = Memory.of(guest)
    assert before.free < 64 * MIB
    run = migrate(bed, guest)
    check_plain(run, "too little of the guest's free memory", warns=False)
    check_whole(guest, before, 0)


def test_gain_below_what_is_worth_it(bed, dirty):
    guest, before = dirty("hold")
    bed.src.write("/tmp/ballast.conf", "[memory]\nmin-gain-mib=400\n")
    run = migrate(bed, guest, "--config", "/tmp/ballast.conf")
    check_plain(run, "too little of the guest's free memory", warns=False)
    check_whole(guest, before, 0)


def test_paused_guest(bed, dirty):
    guest, before = dirty("hold")
    bed.src.virsh("suspend", guest.name)

    run = migrate(bed, guest, follow=False)

    check_plain(run, "the guest does not run")
    guest.moved_to(bed.dst, wait=False)
    assert guest.state() == "paused"
    bed.dst.virsh("resume", guest.name)
    guest.wait_ready()
    check_whole(guest, before, FREED_MIB)


def test_small_guest(bed, boot):
    guest = boot(memory_mib=256)
    guest.canary_start(8)
    guest.fill("all")
    before = Memory.of(guest)

    run = migrate(bed, guest)

    # What it can spare above the headroom is hardly worth it: either way it comes out whole.
    assert run.lines == []
    assert run.report["released-bytes"] <= max(0, before.free - run.report["headroom-bytes"])
    check_whole(guest, before, before.available // MIB - 40)
