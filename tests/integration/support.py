# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of `ballast` share: what a guest must have again after a migration, and running one."""

import base64
import dataclasses
import json

import pytest

from bed.guest_spec import AGENT_CHANNEL
from bed.host import wait_until

MIB = 1 << 20
TAG_URI = "urn:x-ballast:memory:1"
WINDOW_TAG_URI = "urn:x-ballast:window:1"
JOURNAL = "/var/lib/ballast/journal"

# A guest's MemAvailable moves by this much from reading to reading, and 1 % of a small guest is
# less: per-processor lists, slabs, the test's own processes.
NOISE_BYTES = 12 * MIB

# Bytes on the wire that are no guest memory: markers of zero pages, device state, TCP's headers,
# libvirt's own talk, and what the canary rewrites while memory flows.
PROTOCOL_BYTES = 24 * MIB


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a guest has: as the guest itself says, and as libvirt does (KiB)."""

    total: int
    available: int
    free: int
    sizes: dict

    @classmethod
    def of(cls, guest):
        info = guest.meminfo()
        # Freed pages on a processor's own list, 54 MiB of them in a guest of 1 GiB, are in none of
        # the kernel's sums until it wants them.
        counts = guest.shell("awk '$1 == \"count:\" { print $2 }' /proc/zoneinfo").split()
        listed = 4096 * sum(map(int, counts))
        return cls(info["MemTotal"], info["MemAvailable"] + listed, info["MemFree"] + listed, sizes(guest.xml()))

    def used(self, guest):
        """RAM minus what is free."""
        return (guest.spec.memory_mib + guest.spec.virtio_mem_mib) * MIB - self.free


def sizes(domain):
    """Sizes in a domain's XML element: {"memory", "currentMemory", "requested N": KiB}."""
    found = {name: domain.findtext(name) for name in ("memory", "currentMemory")}
    for index, device in enumerate(domain.iterfind("devices/memory[@model='virtio-mem']/target")):
        found[f"requested {index}"] = device.findtext("requested")
    return found


def has_tag(host, name, *options):
    return TAG_URI in host.virsh("dumpxml", name, *options).stdout


def has_window_tag(guest):
    """Whether ballastd has marked the domain: a migration of it waits a moment for the source to release."""
    return WINDOW_TAG_URI in guest.host.virsh("dumpxml", guest.name).stdout


def journal_files(host):
    """Names of the journal's entries on a host."""
    return host.run(["find", JOURNAL, "-type", "f"], check=False).stdout.split()


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished `ballast migrate --json`."""

    status: int
    report: dict
    stderr: str
    wire: int  # bytes that the source's host sent meanwhile

    @property
    def lines(self):
        return self.stderr.splitlines()

    @property
    def released(self):
        """{mechanism: bytes}, those that released anything."""
        return {name: bytes_ for name, bytes_ in self.report["released"].items() if bytes_}


def matrix(cases, usual):
    """Parameters of a test, {id: values}: those that are not in `usual` run with --long alone."""
    assert set(usual) <= set(cases)
    return [pytest.param(*values, id=name, marks=() if name in usual else pytest.mark.long)
            for name, values in cases.items()]


def sent_by(bed, host):
    """Bytes that `host` has sent over the link so far."""
    return bed.wire_bytes()[0 if host is bed.src else 1]


def migrate(bed, guest, *options, expect=0, live=True, target=None, timeout=180, follow=True):
    """`ballast migrate` of `guest` to the other host; a Run. The guest has moved unless it failed.

    expect: the exit status, anything else fails the test; target: the destination's URI
    """
    source = guest.host
    destination = bed.other(source)
    before = sent_by(bed, source)
    result = source.ballast("migrate", *(["--live"] if live else []), "--unsafe", "--json", *options,
                            guest.name, target or destination.uri, check=False, timeout=timeout)
    wire = sent_by(bed, source) - before
    assert result.returncode == expect, f"exit status {result.returncode}: {result.stdout}{result.stderr}"
    run = Run(result.returncode, json.loads(result.stdout), result.stderr, wire)
    assert run.report["exit-code"] == expect
    if expect == 0 and follow:
        guest.moved_to(destination)
    return run


def plain_migrate(bed, guest, *options):
    """`virsh migrate` of `guest` to the other host; bytes that the source's host sent."""
    source = guest.host
    destination = bed.other(source)
    before = sent_by(bed, source)
    source.virsh("migrate", "--live", "--unsafe", *options, guest.name, destination.uri, timeout=180)
    wire = sent_by(bed, source) - before
    guest.moved_to(destination)
    return wire


def check_whole(guest, before, fill_mib=None):
    """The guest runs unharmed on guest.host with all the memory that `before` (a Memory) tells."""
    guest.canary_check()
    if fill_mib is None:
        fill_mib = max(0, before.available // MIB - 40)
    if fill_mib:
        guest.verify_fill(fill_mib)
    check_memory(guest, before)
    for host in guest.bed.hosts:
        assert journal_files(host) == []
    assert not has_tag(guest.host, guest.name)


def check_memory(guest, before):
    """The sizes are those of `before`, in the guest within 1 % or the noise of small guests."""
    now = Memory.of(guest)
    assert {name: now.sizes[name] for name in before.sizes} == before.sizes
    assert abs(now.total - before.total) <= before.total // 100
    assert now.available >= before.available - max(before.available // 100, NOISE_BYTES), \
        f"{before.available - now.available} bytes are not available any more"


def held_bytes(guest):
    """What processes of the guest keep locked: the agent's holder, but for a few pages nothing else."""
    return guest.meminfo()["Mlocked"]


def wait_nothing_held(guest, timeout=40):
    wait_until(lambda: held_bytes(guest) < MIB, timeout, f"guest {guest.name} takes its held memory back")


def agent_config(guest, text):
    """Has the guest's agent run with `text` as its configuration; it answers when this returns."""
    pid = guest.agent_pid()
    encoded = base64.b64encode(text.encode()).decode()
    guest.shell(f"echo {encoded} | base64 -d >/etc/ballast/ballast-agent.conf; kill {pid}")
    # QEMU tells of a port at most once a second: until the new agent answers, "connected" may be said
    # of the old one, and for a moment after that libvirt may yet say "disconnected".
    wait_until(lambda: guest.agent_pid() not in (None, pid)
               and guest.host.ballast("ranges", guest.name, check=False).returncode == 0
               and agent_connected(guest), 20,
               f"the agent of guest {guest.name} starts with another configuration")


def agent_connected(guest):
    """Whether libvirt says that the guest has opened the agent's channel."""
    return guest.xml().find(f"devices/channel/target[@name='{AGENT_CHANNEL}']").get("state") == "connected"
