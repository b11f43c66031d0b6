# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain migrations under ballastd in which something dies, is cancelled or comes to a halt, at either end."""

import functools
import os
import re
import signal
import time

import pytest

from bed.host import wait_until

from automatic import PlainMigration, check_settled, job_phase, wait_marked, window_is_open
from failures import FREED_MIB, go_faster
from support import MIB, agent_config, held_bytes, journal_files

MIGRATES = ("migration out", "perform3")
SENT = ("migration out", "perform3_done")


def test_destination_daemon_dies_with_its_window_open(bed, dirty, daemon):
    """The hook ends with it, and the migration goes on at once."""
    daemon(bed.src)
    killed = daemon(bed.dst, config=["window-ms=10000"])
    guest, before = dirty("hold")
    wait_marked(guest)
    with PlainMigration(guest) as running:
        wait_until(lambda: window_is_open(bed.dst), 10, "the window is open")
        assert job_phase(bed.dst, guest.name) is None
        killed.sigkill()
        wait_until(lambda: not window_is_open(bed.dst), 2, "the hook ends")
        daemon(bed.dst)
        running.wait_for_hold()
        running.complete()
    check_settled(guest, before, bed.dst)


def test_destination_daemon_dies_in_the_transfer(bed, dirty, daemon):
    daemon(bed.src)
    killed = daemon(bed.dst)
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        killed.sigkill()
        daemon(bed.dst)
        running.complete()
    check_settled(guest, before, bed.dst)


def test_destination_qemu_is_killed(bed, dirty, daemons):
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        bed.dst.kill(bed.dst.pid_of(f"/run/libvirt/qemu/{guest.name}.pid"))
        assert running.finish()[0] != 0
    check_settled(guest, before, bed.src)


@pytest.mark.parametrize("way", [(), ("--p2p",)], ids=["direct", "p2p"])
def test_destination_libvirtd_restarts_in_the_transfer(bed, dirty, daemons, way):
    """It destroys the half-made guest; afterwards both daemons serve the next migration."""
    guest, before = dirty("hold")
    with PlainMigration(guest, *way) as running:
        running.wait_for_hold()
        bed.dst.restart_libvirtd()
        go_faster(guest)
        assert running.finish()[0] != 0
    check_settled(guest, before, bed.src)
    daemons[1].wait_for_log("connected to libvirt", times=2)
    guest.fill(FREED_MIB)
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        running.complete()
    check_settled(guest, before, bed.dst)


def check_cancelled(running):
    status, out = running.finish()
    assert status == 1 and out.endswith("canceled by client")


def test_cancelled_with_the_window_open(bed, dirty, daemon):
    """libvirt answers at once, and ends the migration when the window is over."""
    daemon(bed.src)
    daemon(bed.dst, config=["window-ms=3000"])
    guest, before = dirty("hold")
    wait_marked(guest)
    with PlainMigration(guest) as running:
        wait_until(lambda: window_is_open(bed.dst), 10, "the window is open")
        guest.host.virsh("domjobabort", guest.name)
        assert window_is_open(bed.dst)
        assert job_phase(bed.src, guest.name) == ("migration out", "begin3")
        check_cancelled(running)
    check_settled(guest, before, bed.src)


def remaining_bytes(guest):
    statistics = guest.host.virsh("domjobinfo", guest.name, "--rawstats").stdout
    return int(re.search(r"memory_remaining: (\d+)", statistics)[1])


def test_cancelled_just_before_the_switch_over(bed, dirty, daemons):
    """So slow that the canary's memory alone keeps it from converging."""
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        guest.host.virsh("migrate-setmaxdowntime", guest.name, "1")
        guest.host.virsh("migrate-setspeed", guest.name, "64")
        wait_until(lambda: remaining_bytes(guest) < 12 * MIB, 60, "hardly anything is left to send")
        assert job_phase(bed.src, guest.name) == MIGRATES
        guest.host.virsh("domjobabort", guest.name)
        check_cancelled(running)
    check_settled(guest, before, bed.src)


def test_cancelled_after_the_transfer(bed, dirty, daemons):
    """All is sent and the guest stands still at both ends: libvirt takes the request and completes the migration."""
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        running.stand_still()
        go_faster(guest)
        wait_until(lambda: job_phase(bed.src, guest.name) == SENT, 30, "all is sent")
        guest.host.virsh("domjobabort", guest.name)
        running.go_on()
        assert running.finish() == (0, "")
    check_settled(guest, before, bed.dst)


@pytest.mark.parametrize("way", [(), ("--p2p",)], ids=["direct", "p2p"])
def test_destination_libvirtd_dies_between_finish_and_confirm(bed, dirty, daemons, way):
    """Who drives the migration, virsh or the source's libvirtd, stands still meanwhile."""
    guest, before = dirty("hold")
    libvirtd = bed.src.outer_pid(bed.src.libvirtd_pid())
    with PlainMigration(guest, *way) as running:
        stop, go_on = running.stand_still, running.go_on
        if way:
            stop, go_on = (functools.partial(os.kill, libvirtd, sig) for sig in (signal.SIGSTOP, signal.SIGCONT))
        running.wait_for_hold()
        go_faster(guest)
        wait_until(lambda: job_phase(bed.dst, guest.name) == ("migration in", "finish3"), 30, "phase finish",
                   interval=0.002)
        stop()
        try:
            wait_until(lambda: job_phase(bed.dst, guest.name) == ("none", None), 30, "the destination has finished")
            bed.dst.kill_libvirtd()
            assert job_phase(bed.src, guest.name) == SENT
        finally:
            go_on()
        assert running.finish() == (0, "")
    bed.dst.start_libvirtd()
    check_settled(guest, before, bed.dst)


def state_and_reason(host, guest):
    return host.virsh("domstate", "--reason", guest.name, check=False).stdout.strip()


@pytest.fixture
def impatient_tcp(bed):
    """A connection without answers is given up after 3 s instead of 15 minutes."""
    path = "/proc/sys/net/ipv4/tcp_retries2"
    before = bed.src.run(["cat", path]).stdout.strip()
    for host in bed.hosts:
        host.run(["sh", "-c", f"echo 3 >{path}"])
    yield
    for host in bed.hosts:
        host.run(["sh", "-c", f"echo {before} >{path}"])


def test_link_fails_in_post_copy(bed, dirty, daemons, impatient_tcp):
    """Half of the guest is at either end: nobody touches it until the migration was resumed."""
    guest, before = dirty("hold")
    with PlainMigration(guest, "--postcopy", "--postcopy-bandwidth", "16") as running:
        running.wait_for_hold()
        bed.src.virsh("migrate-postcopy", guest.name)
        wait_until(lambda: state_and_reason(bed.dst, guest) == "running (post-copy)", 10, "post-copy begins")
        # At first QEMU's main thread wants pages for the devices; without them it never answers again.
        guest.moved_to(bed.dst).disconnect()
        bed.set_link(False)
        wait_until(lambda: state_and_reason(bed.src, guest) == "paused (post-copy failed)", 20, "the source gives up")
        # The destination has nothing to send, so that its TCP would never notice.
        bed.dst.run(["ss", "--kill", "--tcp", "state", "established", "sport >= :49152"])
        wait_until(lambda: state_and_reason(bed.dst, guest) == "running (post-copy failed)", 20,
                   "the destination gives up")
        assert running.finish()[0] != 0
    bed.set_link(True)
    assert len(journal_files(bed.src)) == 1
    assert not any("nothing of it is released" in daemon.log() for daemon in daemons)
    bed.src.virsh("migrate", "--live", "--unsafe", "--postcopy", "--postcopy-resume", guest.name, bed.dst.uri)
    check_settled(guest, before, bed.dst)


def test_guest_that_arrives_paused(bed, dirty, daemons):
    """Its memory comes back when it is resumed, long before the hold's lease is over."""
    guest, before = dirty("hold")
    with PlainMigration(guest, "--suspend") as running:
        running.wait_for_hold()
        running.complete()
    guest.moved_to(bed.dst, wait=False)
    assert guest.state() == "paused"
    guest.host.virsh("resume", guest.name)
    guest.wait_ready()
    check_settled(guest, before, bed.dst)


@pytest.mark.parametrize("way", ["reboot", "reset"])
def test_guest_reboots_in_the_transfer(bed, dirty, daemons, way):
    """The reset is QEMU's: libvirt's own fails after 30 s, as the migration's job holds the domain."""
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        if way == "reset":
            guest.reboot(lambda: guest.qmp('{"execute": "system_reset"}'))
        else:
            guest.reboot()
        assert job_phase(bed.src, guest.name) == MIGRATES
        running.complete()
    check_settled(guest, before, bed.dst)


def test_guest_needs_its_memory_in_the_transfer(bed, dirty, daemons):
    """The hold is given back early, and nothing of the guest's own is killed."""
    guest, before = dirty("hold")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        left_mib = guest.meminfo()["MemAvailable"] // MIB
        assert guest.verify_fill(left_mib + 150) == left_mib + 150
        assert held_bytes(guest) < MIB
        assert job_phase(bed.src, guest.name) == MIGRATES
        running.complete()
    guest.moved_to(bed.dst)
    victims = set(re.findall(r"Killed process \d+ \(([^)]*)\)", guest.shell("dmesg")))
    assert victims <= {"ballast-holder", "ballast-decoy"}
    check_settled(guest, before, bed.dst)


def test_source_host_stands_still_in_the_transfer(bed, dirty, daemons):
    """As a host that is suspended, but that clocks go on, past the hold's lease: the guest may have its memory again."""
    guest, before = dirty("hold")
    agent_config(guest, "[hold]\nlease-s=3\n")
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        stopped = (bed.src.libvirtd_pid(), guest.qemu_pid)
        try:
            running.stand_still()
            daemons[0].stand_still()
            for pid in stopped:
                bed.src.kill(pid, signal.SIGSTOP)
            time.sleep(5)
        finally:
            for pid in stopped:
                bed.src.kill(pid, signal.SIGCONT)
            daemons[0].go_on()
            running.go_on()
        assert job_phase(bed.src, guest.name) == MIGRATES
        running.complete()
    check_settled(guest, before, bed.dst)


def test_tag_of_somebody_else_stays(bed, dirty, daemon):
    guest, before = dirty("hold")
    guest.host.virsh("metadata", guest.name, "--live", "--uri", "urn:test:other", "--key", "other", "--set",
                     "<one><two/></one>")
    daemon(bed.src)
    daemon(bed.dst)
    wait_marked(guest)
    with PlainMigration(guest) as running:
        running.wait_for_hold()
        running.complete()
    check_settled(guest, before, bed.dst)
    wait_marked(guest)
    assert "<two/>" in guest.host.virsh("metadata", guest.name, "--live", "--uri", "urn:test:other").stdout
