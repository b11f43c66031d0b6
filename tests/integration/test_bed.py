# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bed's own promises, those that other tests would not notice being broken."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bed import GuestError, GuestSpec
from bed.host import wait_until

MIB = 1 << 20
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_canary_notices_a_changed_byte(guest):
    guest.canary_start(8)
    guest.canary_check()

    # The canary's memory is its biggest mapping.
    guest.shell("""
        pid=$(pidof guest-tool | tr ' ' '\\n' | sort -n | tail -1)
        best=0
        while read -r range rest; do
            start=$((0x${range%-*})); size=$((0x${range#*-} - start))
            [ $size -gt $best ] && best=$size && at=$start
        done </proc/$pid/maps
        # Two blocks, as one may just be written anew; eight bytes, as one may be what was there. Stopped, as
        # it ends when it notices, and a write to a process that ends does not.
        kill -STOP $pid
        for block in 20 76; do
            printf XXXXXXXX | dd of=/proc/$pid/mem bs=1 seek=$((at + block * 65536 + 19264)) conv=notrunc
        done
        kill -CONT $pid""")

    with pytest.raises(AssertionError, match="CORRUPT block (20|76) "):
        guest.canary_check()


def test_stopped_canary_is_noticed(guest):
    guest.canary_start(1)
    guest.shell("kill -STOP $(pidof guest-tool | tr ' ' '\\n' | sort -n | tail -1)")
    with pytest.raises(TimeoutError):
        guest.canary_check(timeout=3)


def test_probe_sees_a_stall_and_no_pause(bed, guest):
    """Time by the guest's clock does not pass while QEMU has stopped the guest, as at a switch-over."""
    guest.stall_start()
    bed.src.virsh("suspend", guest.name)
    time.sleep(3)
    bed.src.virsh("resume", guest.name)
    assert guest.worst_stall()[0] < 2500

    bed.src.kill(guest.qemu_pid, signal.SIGSTOP)
    time.sleep(3)
    bed.src.kill(guest.qemu_pid, signal.SIGCONT)
    assert guest.worst_stall()[0] > 2900

    guest.stall_start()
    assert guest.worst_stall()[0] < 2500


def test_commands_report_status_and_output(guest):
    assert guest.shell_status("echo out; echo err >&2; exit 7") == (7, "out\nerr\n")
    with pytest.raises(GuestError, match="exit status 1"):
        guest.shell("false")


def test_command_without_an_answer_is_given_up_and_the_next_one_runs(guest):
    with pytest.raises(GuestError, match="no answer"):
        guest.shell("sleep 1000", timeout=0.5)
    assert guest.shell("echo next") == "next\n"
    assert "sleep 1000" not in guest.shell("ps")


def test_background_process_does_not_hold_a_command_up(guest):
    assert guest.shell("sleep 1000 & echo started") == "started\n"


def test_fill_all_takes_nearly_everything_and_kills_nobody(guest):
    written = guest.fill("all")
    memory = guest.meminfo()
    assert written * MIB > 0.85 * memory["MemTotal"]
    assert memory["MemFree"] > 0.85 * memory["MemTotal"]
    assert guest.rss_bytes() > written * MIB
    assert "oom" not in guest.shell("dmesg").lower()


def test_fragmented_memory_is_a_quarter_used(guest):
    before = guest.meminfo()["MemFree"]
    pid = guest.fill(200, fragment=True)
    used = before - guest.meminfo()["MemFree"]
    assert 45 * MIB < used < 60 * MIB
    guest.shell(f"kill {pid}")


def test_virtio_mem_is_plugged_when_the_guest_is_up(boot):
    for fresh in True, False:
        guest = boot(fresh=fresh, memory_mib=512, virtio_mem_mib=512, name="vm")
        # The kernel's own tables are not in MemTotal.
        assert guest.meminfo()["MemTotal"] > 900 * MIB
        guest.verify_fill(600)
        guest.destroy()


def test_disk_swap_works(boot):
    guest = boot(disk_mib=256)
    guest.shell("mkswap /dev/vda && swapon /dev/vda")
    guest.fill(500, hold=True)
    memory = guest.meminfo()
    assert memory["SwapTotal"] - memory["SwapFree"] > 50 * MIB


def test_link_limit_and_link_down(bed):
    megabytes = 20
    bed.dst.run(["rm", "-f", "/tmp/got"])
    bed.limit_mbit(100)
    try:
        began = time.monotonic()
        _send(bed, megabytes)
        # 20 MB at 100 Mbit/s are 1.6 s; a burst of a few hundred kB goes at once.
        assert time.monotonic() - began > 1.4
    finally:
        bed.limit_mbit(None)

    bed.set_link(False)
    try:
        assert bed.src.run(["ip", "-o", "link", "show", "eth0"]).stdout.find("state DOWN") > 0
    finally:
        bed.set_link(True)
    _send(bed, 1)


def _send(bed, megabytes):
    receive = ("import socket; s = socket.create_server(('10.77.0.2', 4000)); print('up', flush=True)\n"
               "c = s.accept()[0]\nn = 0\nwhile d := c.recv(65536): n += len(d)\nprint(n)")
    send = (f"import socket; c = socket.create_connection(('dst', 4000)); c.sendall(bytes({megabytes}*10**6)); c.close()")
    with bed.dst.popen(["/usr/bin/python3", "-c", receive], stdout=subprocess.PIPE) as receiver:
        assert receiver.stdout.readline() == "up\n"
        before = bed.wire_bytes()[0]
        bed.src.run(["/usr/bin/python3", "-c", send])
        assert receiver.stdout.readline() == f"{megabytes * 10**6}\n"
        assert bed.wire_bytes()[0] - before > megabytes * 10**6


def test_guest_survives_a_crash_of_libvirtd(bed, guest):
    bed.src.kill_libvirtd()
    bed.src.start_libvirtd()
    assert guest.state() == "running"
    assert guest.shell("echo alive") == "alive\n"


def test_guest_reboots(guest):
    before = guest.boot_id()
    guest.reboot()
    assert guest.boot_id() != before


def test_copies_of_a_booted_guest_are_separate(bed):
    spec = GuestSpec("copy")
    for _ in range(2):
        guest = bed.booted_guest(spec)
        try:
            assert guest.shell_status("ls /run/touched")[0] == 1
            guest.shell("touch /run/touched")
            guest.canary_start(8)
            guest.verify_fill(300)
            guest.canary_check()
        finally:
            guest.destroy()


def test_guest_is_saved_and_restored(bed, guest):
    guest.canary_start(8)
    saved = f"{bed.shared}/{guest.name}.save"
    guest.save(saved)
    assert guest.state() == "shut off"
    bed.src.virsh("restore", saved)
    guest.moved_to(bed.src)
    guest.canary_check()


def test_guest_is_snapshotted_and_reverted(bed, boot):
    guest = boot(disk_mib=64)
    bed.src.virsh("snapshot-create-as", guest.name, "before")
    guest.shell("touch /run/later")
    bed.src.virsh("snapshot-revert", guest.name, "before")
    guest.moved_to(bed.src)
    assert guest.shell_status("ls /run/later")[0] == 1


def test_signals_reach_the_command_inside(bed):
    process = bed.src.popen(["/bin/sh", "-c", "trap 'echo got it; exit 5' INT; echo up; while :; do sleep 0.1; done"],
                            stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=10)[0] == "got it\n"
            assert process.returncode == 5
        finally:
            # Else one that does not heed it is waited for without end.
            process.kill()


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_test_process_dies(tmp_path, sig):
    """A second bed, while the session's holds the lock: allowed here as it starts no QEMU."""
    folder = tmp_path / "bed"
    program = ("from bed import Bed\nimport time\n"
               "with Bed() as bed:\n"
               "    print(bed.src.init_pid, bed.dst.init_pid, flush=True)\n"
               "    time.sleep(1000)\n")
    environment = {**os.environ, "PYTHONPATH": TESTS, "BALLAST_BED_DIR": str(folder), "BALLAST_QEMU_LOCK_HELD": "1"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        pids = process.stdout.readline().split()
        assert len(pids) == 2
        process.send_signal(sig)
        process.wait(30)

    wait_until(lambda: not folder.exists(), 20, "the bed's folder is removed")
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    with open("/proc/mounts", encoding="utf-8") as mounts:
        assert str(folder) not in mounts.read()


def test_bed_that_cannot_be_made_leaves_nothing(tmp_path):
    folder = tmp_path / "bed"
    program = "from bed import Bed\nwith Bed(root='/nonexistent'): pass\n"
    environment = {**os.environ, "PYTHONPATH": TESTS, "BALLAST_BED_DIR": str(folder), "BALLAST_QEMU_LOCK_HELD": "1"}
    result = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "BedError: the hosts of the test bed could not be made" in result.stderr
    assert not folder.exists()
