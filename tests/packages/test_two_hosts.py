# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts of Debian 12's libvirt and QEMU, with Ballast from its package, and a Debian guest with the agent from its own."""

import json
import os

import pytest

from automatic import PlainMigration, wait_marked, wait_nothing_released, window_is_open
from bed.daemon import PackagedDaemon
from bed.host import wait_until
from domains import VF_NAMESPACE
from failures import FREED_MIB, free_garbage
from guests import start_debian, wait_for_agent
from support import MIB, PROTOCOL_BYTES, Memory, check_memory, journal_files, migrate, sent_by

HOOKS = "/etc/libvirt/hooks/qemu.d"

# Two guests' worth of garbage would do; what a bare Debian has written besides is left out by this.
HEADROOM_BYTES = 128 * MIB


@pytest.fixture(scope="module")
def hosts(bed, debs):
    """Both, with the package installed."""
    for host in bed.hosts:
        host.install_package(debs.host)
    return bed.hosts


@pytest.fixture(scope="module")
def guest(bed, hosts, debs):
    """It has written and freed much memory."""
    running = start_debian(bed, debs.guest, memory_mib=768)
    free_garbage(running)
    return running


@pytest.fixture
def daemons(hosts):
    running = [PackagedDaemon(host) for host in hosts]
    yield running
    for one in running:
        print(f"ballastd on {one.host.name}:\n{one.log()}")
        one.stop()


def check_unharmed(guest, before):
    """The guest is whole on guest.host, with the agent that it had, and nothing is left of the release."""
    wait_for_agent(guest)
    guest.canary_check()
    check_memory(guest, before)
    for host in guest.bed.hosts:
        assert journal_files(host) == []


def test_the_build_tree_is_out_of_it(hosts):
    for host in hosts:
        assert host.run(["readlink", "-f", *(f"{HOOKS}/{name}" for name in sorted(os.listdir(host.path(HOOKS))))]).stdout \
            == "/usr/sbin/ballast-hook-memory\n/usr/sbin/ballast-hook-vf\n"
        for program in ("/usr/bin/ballast", "/usr/sbin/ballastd", "/usr/sbin/ballast-hook-memory", "/usr/sbin/ballast-hook-vf"):
            # Breakpoints are the test build's.
            assert host.run(["grep", "-c", "BALLAST_BREAKPOINT", program], check=False).stdout == "0\n"
        assert host.run(["dpkg", "--verify", "ballast-host"]).stdout == ""
        assert host.ballast("check-config").returncode == 0


def test_ballast_migrate(bed, guest):
    before = Memory.of(guest)
    run = migrate(bed, guest)
    assert run.lines == []
    assert list(run.released) == ["hold"]
    assert run.released["hold"] > FREED_MIB * MIB * 3 // 4
    assert run.wire < before.used(guest) + HEADROOM_BYTES + PROTOCOL_BYTES
    print(f"ballast migrate: {run.wire // MIB} MiB sent, {run.released['hold'] // MIB} MiB released")
    check_unharmed(guest, before)


def test_automatic(bed, guest, daemons):
    """A plain `virsh migrate`; the destination's hook has it wait for the release."""
    wait_for_agent(guest)
    # What it wrote before is not backed on a host that it came to.
    guest.fill(FREED_MIB)
    before = Memory.of(guest)
    source = guest.host
    wait_marked(guest)

    sent = sent_by(bed, source)
    with PlainMigration(guest) as running:
        wait_until(lambda: window_is_open(bed.other(source)), 10, "the hook waits at the destination")
        running.wait_for_memory()
        running.complete()
    wire = sent_by(bed, source) - sent
    guest.moved_to(bed.other(source))

    wait_nothing_released(bed, guest)
    wait_until(lambda: "sent-bytes" in last_migration(source), 10, "libvirt's figures arrive")
    seen = last_migration(source)
    print(f"virsh migrate: {wire // MIB} MiB sent, {seen['released-bytes'] // MIB} MiB released, gain "
          f"{seen['gain-bytes'] // MIB} MiB")
    assert (seen["outcome"], seen["released-by"], seen["hold-ended"]) == ("left", "ballastd", None)
    assert seen["released-bytes"] > FREED_MIB * MIB * 3 // 4
    assert wire < before.used(guest) + HEADROOM_BYTES + PROTOCOL_BYTES
    check_unharmed(guest, before)


def last_migration(host):
    return json.loads(host.ballast("status", "--json").stdout)["ballastd"]["migrations"][-1]


def test_the_hook_of_vfs_is_asked(bed, hosts):
    """Libvirt runs it by its link: a start that asks for a VF is refused, by nobody or by ballastd."""
    host = bed.src
    host.write("/root/vf.xml", f"""\
<domain type='qemu'><name>vf</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<metadata><vf:ports xmlns:vf='{VF_NAMESPACE}'><vf:port id='net0' bandwidth='1Gbit' required='yes'/></vf:ports></metadata>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>
""")
    refused = host.virsh("create", "/root/vf.xml", check=False)
    assert refused.returncode != 0 and "ballast-hook-vf: " in refused.stderr and "ballastd" in refused.stderr
    running = PackagedDaemon(host)
    asked = host.virsh("create", "/root/vf.xml", check=False)
    running.stop()
    assert asked.returncode != 0 and "1000 Mbit/s" in asked.stderr
