# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host VM itself, and what its NICs can do and cannot."""

import json
import os
import signal
import subprocess
import sys

import pytest

from bed.host import CommandError, wait_until

# A run that gets as far as QEMU and no further.
_RUN = """\
import sys, time
sys.path.insert(0, sys.argv[1])
from bed.hostvm import HostVm
def say(vm):
    print(vm.dir, vm.qemu_pid, flush=True)
    time.sleep(60)
HostVm.wait_ready = say
with HostVm():
    pass
"""


def vf_settings(vm, pf, index):
    shown = json.loads(vm.run(["ip", "-j", "link", "show", pf.name]).stdout)
    return next(vf for vf in shown[0]["vfinfo_list"] if vf["vf"] == index)


def test_everything_in_it_has_started(vm):
    assert vm.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    assert vm.virsh("list", "--name").stdout == ""
    assert "ballast" in vm.ballast("--help").stdout


def test_a_command_has_its_own_output_and_status(vm):
    done = vm.run(["sh", "-c", "cat; echo $BALLAST_X >&2; exit 3"], check=False, input="in\n", env={"BALLAST_X": "x y"})
    assert (done.returncode, done.stdout, done.stderr) == (3, "in\n", "x y\n")
    with pytest.raises(CommandError):
        vm.run(["false"])


def test_a_command_that_hangs_is_killed(vm):
    with pytest.raises(subprocess.TimeoutExpired):
        vm.run(["sleep", "777"], timeout=1)
    assert vm.run(["pgrep", "-fx", "sleep 777"], check=False).returncode == 1


def test_a_started_command_runs_beside_others(vm):
    started = vm.popen(["sh", "-c", "echo begun; sleep 778; true"])
    wait_until(lambda: started.stdout == "begun\n", 10, "the command writes")
    assert started.poll() is None
    assert vm.read(f"/proc/{started.pid}/comm") == "sh\n"
    started.send_signal(signal.SIGTERM)
    assert started.wait(10).returncode == 128 + signal.SIGTERM


def test_files_come_and_go(vm, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(os.urandom(100000))
    vm.copy_in(tmp_path / "folder", "/root/folder")
    vm.copy_out("/root/folder/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "folder" / "file").read_bytes()


def test_each_nic_has_seven_vfs_in_iommu_groups_of_their_own(vm):
    pfs = vm.pfs()
    assert len(pfs) == 2
    groups = []
    for pf in pfs:
        assert vm.read(f"/sys/bus/pci/devices/{pf.address}/sriov_totalvfs") == "7\n"
        for vf in vm.set_vfs(pf, 7, with_driver=False):
            assert vm.driver(vf) == ""
            groups.append(vm.run(["readlink", f"/sys/bus/pci/devices/{vf}/iommu_group"]).stdout)
    assert len(set(groups)) == 14


def test_speed_and_cable(vm):
    pf, other = vm.pfs()
    vm.bring_up(pf)
    assert vm.read(f"/sys/class/net/{pf.name}/speed") == "1000\n"
    vm.set_link(pf, False)
    wait_until(lambda: not vm.carrier(pf), 30, "the link is down")
    vm.bring_up(other)
    assert not vm.carrier(pf)


def test_vf_settings_that_igb_has(vm):
    pf = vm.pfs()[0]
    vm.bring_up(pf)
    vm.set_vfs(pf, 2, with_driver=False)
    for setting in (["mac", "52:54:00:00:00:42"], ["vlan", "42"], ["max_tx_rate", "300"], ["spoofchk", "off"],
                    ["trust", "on"]):
        vm.run(["ip", "link", "set", pf.name, "vf", "1", *setting])
    shown = vf_settings(vm, pf, 1)
    assert shown["address"] == "52:54:00:00:00:42"
    assert shown["vlan_list"][0]["vlan"] == 42
    assert shown["rate"]["max_tx"] == 300
    assert shown["spoofchk"] is False and shown["trust"] is True
    assert vf_settings(vm, pf, 0)["address"] == "00:00:00:00:00:00"


@pytest.mark.parametrize("setting", [["state", "disable"], ["min_tx_rate", "100"]])
def test_vf_settings_that_igb_refuses(vm, setting):
    pf = vm.pfs()[0]
    vm.bring_up(pf)
    vm.set_vfs(pf, 1, with_driver=False)
    done = vm.run(["ip", "link", "set", pf.name, "vf", "0", *setting], check=False)
    assert done.returncode != 0
    assert "not supported" in done.stderr or "Invalid argument" in done.stderr


def test_an_installed_ballast_stays_over_power_loss_and_reboot(vm):
    vm.install_ballast()
    vm.run(["sync"])
    vm.reset()
    vm.ballast("--help")
    vm.run(["test", "-x", "/etc/libvirt/hooks/qemu.d/50-ballast-memory"])
    vm.reboot()
    assert vm.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    assert len(vm.pfs()) == 2


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_behind(host_vm, sig):
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # This run holds the QEMU lock already.
    with subprocess.Popen([sys.executable, "-c", _RUN, tests], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, env={**os.environ, "BALLAST_QEMU_LOCK_HELD": "1"}) as run:
        folder, pid = run.stdout.readline().split()
        wait_until(lambda: os.path.exists(f"{folder}/qmp"), 10, "QEMU is up")
        run.send_signal(sig)
        try:
            run.wait(30)
        finally:
            run.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") and not os.path.exists(folder), 10, "all is gone")
