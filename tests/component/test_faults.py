# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls that fail under the agent and under ballastd's ledger, as a machine without memory, processes or disk
lets them."""

import errno
import os
import resource

import pytest
import vf_client
from agent_process import AgentError, children, wait_for
from vf_peer import uuid

MIB = 1 << 20
# The holder and its decoys.
CHILDREN = 9


def nothing_left(process, descriptors):
    wait_for(lambda: not children(process.pid), "no child is left")
    assert len(os.listdir(f"/proc/{process.pid}/fd")) == descriptors


@pytest.mark.parametrize("call, at, number", [
    ("socketpair", 1, errno.EMFILE), ("pidfd_open", 1, errno.ENOMEM),
    *(("fork", at, errno.EAGAIN) for at in range(1, CHILDREN + 1)),
])
def test_hold_that_cannot_begin(agent, failing, call, at, number):
    """It is refused with a sentence, leaves nothing behind, and the next one works."""
    failing(call, at, 1, number)
    process = agent()
    descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
    with pytest.raises(AgentError) as refused:
        process.host.hold(16)
    assert refused.value.error_class == "HoldRefused"
    assert os.strerror(number) in refused.value.desc and "nothing is held" in refused.value.desc
    nothing_left(process, descriptors)
    assert process.host.status()["state"] == "idle"
    assert process.host.hold(16)["held-bytes"] == 16 * MIB


@pytest.mark.parametrize("call", ["mlock2", "madvise", "mmap"])
def test_holder_that_gets_no_memory(agent, failing, call):
    """Nothing is held, the hold ends by itself, and the agent lives on."""
    failing(call, times=1000)
    process = agent()
    descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
    status = process.host.hold(64)
    assert process.host.wait_state("idle")["held-bytes"] == 0
    assert status["reason"] == "failed"
    nothing_left(process, descriptors)
    assert process.host.ask("guest-return-memory")["state"] == "idle"


@pytest.mark.parametrize("call", ["mlock2", "madvise"])
def test_holder_that_gets_no_more_memory(agent, failing, call):
    """What it has it keeps, and gives back."""
    failing(call, at=2, times=1000)
    process = agent()
    status = process.host.hold(512)
    assert (status["state"], status["reason"]) == ("held", "failed")
    assert 0 < status["held-bytes"] < 512 * MIB
    process.host.ask("guest-return-memory")
    assert process.host.wait_state("idle")["held-bytes"] == 0


def test_holder_without_address_space(agent):
    """By the real limit, which the children have from the agent."""
    process = agent()
    if process.has_checker:
        pytest.skip("the checker would fail before the agent does")
    resource.prlimit(process.pid, resource.RLIMIT_AS, (256 * MIB, 256 * MIB))
    assert process.host.hold(64)["reason"] == "failed"
    assert process.host.wait_state("idle")["held-bytes"] == 0
    assert process.host.ask("guest-ping") == {}


def test_order_that_does_not_reach_the_holder(agent, failing):
    """The first order of a hold: it is told, and the lease gives back what may be there."""
    failing("send", number=errno.EAGAIN)
    process = agent("[hold]\nlease-s=1\n")
    with pytest.raises(AgentError):
        process.host.hold(16)
    # In silence, as each question renews the lease; by a name that the child may not have yet it is not looked for.
    wait_for(lambda: children(process.pid) == [], "the holder is gone")
    assert process.host.wait_state("idle")["reason"] == "silence"


@pytest.mark.parametrize("times", [1, 2])
def test_ledger_on_a_disk_that_fails(vf_host, failing, times):
    """Nothing is handed out that is not written; once it can be, all goes on."""
    first = vf_host()
    first.allocate(1)
    first.kill()
    failing("fsync", times=times, number=errno.EIO)
    peer = vf_host()
    with pytest.raises(vf_client.VfError) as refused:
        peer.allocate(2)
    assert refused.value.error_class == "VfLedger" and "Input/output error" in str(refused.value)
    assert set(peer.ports()) == {(uuid(1), "net0")}
    peer.allocate(3)
    assert set(peer.ports()) == {(uuid(1), "net0"), (uuid(3), "net0")}
    peer.kill()
    again = vf_host()
    assert set(again.ports()) == {(uuid(1), "net0"), (uuid(3), "net0")}
