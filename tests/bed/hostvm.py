# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host VM: an emulated machine with SR-IOV NICs (igb), an IOMMU, systemd and libvirt, for tests of VFs.

    with HostVm() as vm:
        vm.virsh("list")
        vm.run(["ip", "link", "set", vm.pfs()[0].name, "vf", "0", "vlan", "7"])

    with HostVm() as src, HostVm("dst", beside=src) as dst:
        src.virsh("migrate", "--live", "web1", dst.uri)

It takes the QEMU of roots.py's "backports" (QEMU 7.2 has no igb) and the disk of hostvm_image.py, over which each VM has
a layer that is thrown away at the end. hostvm-janitor.sh cleans up when this process ends, however it ends. All state is
in a fresh folder below /var/tmp. Commands and files in it are in hostvm_commands.py. It runs while the QEMU lock is held, as every bed (hosts.py).

This machine's tree, build folder and guest image are seen inside at their own paths, read-only; `shared` is, writable.

Its NICs with SR-IOV are on one switch, with an ordinary one that is in the VM's bridge br0; a cable joins the
switches of two VMs. So an inner guest is reached from both, by a VF or by a virtio interface on br0.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid

from . import hostvm_image, image, roots
from .guest import connect_unix
from .host import BedError, agent_program, build_dir, wait_until
from .hosts import take_lock
from .hostvm_commands import VmCommands, read_or_empty

#: of host VMs on br0, by name; tests/hostvm/setup has them in /etc/hosts
ADDRESSES = {"src": "10.78.0.1", "dst": "10.78.0.2"}

BOOT_TIMEOUT = 300
POWEROFF_TIMEOUT = 90

_HERE = os.path.dirname(os.path.abspath(__file__))
_TREE = os.path.dirname(os.path.dirname(_HERE))

# A guest kernel that is emulated does without five levels of page tables and their slower walks. With less than 36 bits of
# physical addresses the firmware puts no BARs above 4 GiB: QEMU 10.0 drops the upper half of a VF's, and its registers
# would be nowhere.
_CPU = "max,la57=off,phys-bits=35"
_CMDLINE = ("console=ttyS0 quiet intel_iommu=on iommu=pt mitigations=off cryptomgr.notests panic=0 "
            "systemd.show_status=no")

# What a failed test's report shows of it.
_LOGS = {
    "journal": "journalctl --no-pager --lines 40",
    "ballastd's journal": "journalctl -b --no-pager --lines 40 -o short-monotonic -u ballastd",
    "libvirtd's journal": "journalctl -b --no-pager --lines 30 -o short-monotonic -u libvirtd",
    "libvirt's logs": "tail -v -n 15 /var/log/libvirt/*.log /var/log/libvirt/qemu/*.log",
}


@dataclasses.dataclass(frozen=True)
class Pf:
    """A NIC with SR-IOV inside the VM. address: PCI, as 0000:01:00.0; netdev: QEMU's, for HostVm.set_link()."""

    name: str
    address: str
    netdev: str


class HostVm(VmCommands):
    """The VM, booted, from enter to exit.

    pfs: how many NICs with SR-IOV
    memory_mib: QEMU backs only what is used of it
    agent, guest_files: as for Bed, for the initramfs of inner guests
    name: "src" or "dst", which find each other by it
    beside: the other one, booted already: this one is at the other end of its cable, and has the same `shared`, so that
        what a domain's definition names is at the same place
    """

    def __init__(self, name="src", pfs=2, memory_mib=3072, vcpus=2, agent=None, guest_files=None, beside=None):
        super().__init__()
        self.name = name
        self.address = ADDRESSES[name]
        #: libvirt's connection URI in a VM beside this one
        self.uri = f"qemu+tcp://{name}/system"
        self._pf_count = pfs
        self._memory_mib = memory_mib
        self._vcpus = vcpus
        self._agent = agent
        self._guest_files = dict(guest_files or {})
        self._beside = beside
        self._lock = None
        self._janitor = None
        self.qemu_pid = None
        self.dir = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    @property
    def shared(self):
        """A folder that the VM and this process see at this path."""
        return os.path.join((self._beside or self).dir, "shared")

    @property
    def initrd(self):
        """What inner guests boot from, with `kernel`; as Bed's."""
        return os.path.join(self.shared, "initrd")

    def _start(self):
        base = image.base_image()
        disk = hostvm_image.disk_image()
        root = roots.root_path("backports")
        self._lock = self._beside.share_lock() if self._beside else take_lock()
        self.dir = tempfile.mkdtemp(prefix="ballast-hostvm.", dir="/var/tmp")
        self.kernel = base.kernel
        if not self._beside:
            os.makedirs(os.path.join(self.shared, "commands"))
            files = {"etc/boot-commands": os.path.join(hostvm_image.SOURCES, "guest-boot-commands"), **self._guest_files}
            image.build_initrd(base, self.initrd, self._agent or agent_program(), files)
        own_initrd = os.path.join(self.dir, "initrd")
        image.build_initrd(base, own_initrd, files={"init": os.path.join(hostvm_image.SOURCES, "init")})

        keep = () if self._lock is None else (self._lock,)
        self._janitor = subprocess.Popen(
            ["/bin/sh", os.path.join(_HERE, "hostvm-janitor.sh"), self.dir, root,
             *self._qemu_arguments(disk, own_initrd)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=keep, start_new_session=True)
        self.qemu_pid = int(self._janitor.stdout.readline())
        self.wait_ready()

    def share_lock(self):
        """Another descriptor of the QEMU lock that this VM holds; None when a caller of ours holds it."""
        return None if self._lock is None else os.dup(self._lock)

    def _qemu_arguments(self, disk, initrd):
        arguments = [
            "-name", self.name, "-uuid", str(uuid.uuid4()), "-no-user-config", "-nodefaults", "-display", "none",
            "-M", "q35,kernel-irqchip=off", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", _CPU,
            "-smp", str(self._vcpus), "-m", str(self._memory_mib),
            "-device", "intel-iommu,caching-mode=on",
            # Nor is Linux to put any there.
            "-global", "q35-pcihost.pci-hole64-size=0",
            "-drive", f"if=none,id=disk,file={disk},format=raw,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk",
            "-serial", "file:" + self._path("console"),
            "-qmp", f"unix:{self._path('qmp')},server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=commands,path={self._path('commands')},server=on,wait=off",
            "-device", "virtserialport,chardev=commands,name=org.ballast.test.0",
            "-netdev", f"stream,id=cable,addr.type=unix,addr.path={(self._beside or self).cable},"
                       f"server={'off' if self._beside else 'on'}",
            "-netdev", "hubport,id=uplink,hubid=0,netdev=cable",
            "-netdev", "hubport,id=own,hubid=0",
            "-device", f"virtio-net-pci,netdev=own,mac=52:54:00:bb:00:{self._number:02x},romfile=",
        ]
        for n in range(self._pf_count):
            arguments += [
                "-netdev", f"hubport,id=pf{n},hubid=0",
                "-device", f"pcie-root-port,id=port{n},chassis={n + 1},slot={n + 1}",
                "-device", f"igb,bus=port{n},netdev=pf{n},mac=52:54:00:ba:{self._number:02x}:{n:02x},romfile="]
        cmdline = f"{_CMDLINE} systemd.hostname={self.name} bed.address={self.address}/24"
        for n, (path, mode) in enumerate(self._shares()):
            arguments += ["-fsdev", f"local,id=share{n},path={path},security_model=none,multidevs=remap"
                          + (",readonly=on" if mode == "ro" else ""),
                          "-device", f"virtio-9p-pci,fsdev=share{n},mount_tag=share{n}"]
            cmdline += f" bed.share=share{n}:{path}:{mode}"
        return [*arguments, "-kernel", self.kernel, "-initrd", initrd, "-append", cmdline]

    def _shares(self):
        yield self.shared, "rw"
        yield _TREE, "ro"
        if build_dir() and not build_dir().startswith(_TREE + "/"):
            yield build_dir(), "ro"
        yield os.path.dirname(self.kernel), "ro"

    @property
    def _number(self):
        return list(ADDRESSES).index(self.name)

    @property
    def cable(self):
        """The socket that a VM beside this one connects to."""
        return self._path("cable")

    def _path(self, name):
        return os.path.join(self.dir, name)

    def wait_ready(self, timeout=BOOT_TIMEOUT):
        """Waits until the VM has booted: systemd has started all that it starts."""
        deadline = time.monotonic() + timeout
        while True:
            if not self._runs():
                raise BedError(f"the host VM's QEMU has ended: {read_or_empty(self._path('qemu.log'))[-2000:]}")
            try:
                # Short, as what is sent before the VM has opened its port may be lost.
                self._ask("true", 3)
                break
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise BedError(f"the host VM does not answer; its console says:\n{self.console()[-2000:]}") from error
                time.sleep(0.1)
        self.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=deadline - time.monotonic())

    def close(self):
        """Ends the VM, as a pulled plug would, and removes it; safe to call more than once."""
        self._disconnect()
        if self._janitor is not None:
            self._janitor.stdin.close()
            self._janitor.wait(60)
            self._janitor.stdout.close()
            self._janitor = None
        elif self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        self.dir = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # The machine

    def pfs(self):
        """Its NICs with SR-IOV, in the order of their PCI addresses."""
        names = self.run(["sh", "-c", "for f in /sys/class/net/*/device/sriov_totalvfs; do f=${f%/sriov*}; "
                          'echo "$(basename "$(readlink "$f")") $(basename "${f%/device}")"; done']).stdout
        return [Pf(name, address, f"pf{n}")
                for n, (address, name) in enumerate(sorted(line.split() for line in names.splitlines()))]

    def bring_up(self, pf):
        """Has a PF up with its link; without, its speed is unknown, and VFs get no rate, and from libvirt nothing."""
        self.run(["ip", "link", "set", pf.name, "up"])
        wait_until(lambda: self.carrier(pf), 30, f"{pf.name} has a link")

    def carrier(self, pf):
        """Whether a PF is up and has a link."""
        return self.run(["cat", f"/sys/class/net/{pf.name}/carrier"], check=False).stdout == "1\n"

    def set_vfs(self, pf, count, with_driver=True):
        """Gives an idle PF `count` VFs; returns their PCI addresses in order.

        with_driver: they are on igbvf when this returns, which takes a while
        """
        device = f"/sys/bus/pci/devices/{pf.address}"
        has_link = self.carrier(pf)
        self.write(f"{device}/sriov_numvfs", "0")
        if count:
            self.write(f"{device}/sriov_drivers_autoprobe", f"{with_driver:d}")
            self.write(f"{device}/sriov_numvfs", str(count))
            # Left at 0, it would keep igbvf off them for ever.
            self.write(f"{device}/sriov_drivers_autoprobe", "1")
        vfs = [self.run(["readlink", f"{device}/virtfn{n}"]).stdout.strip()[3:] for n in range(count)]
        if with_driver:
            for vf in vfs:
                self.wait_driver(vf, "igbvf")
        if has_link:
            # igb starts again when the number changes, and takes the link down for that.
            self.bring_up(pf)
        return vfs

    def driver(self, address):
        """The driver of a PCI device, "" without one."""
        link = self.run(["readlink", f"/sys/bus/pci/devices/{address}/driver"], check=False).stdout
        return os.path.basename(link.strip())

    def wait_driver(self, address, driver):
        """Waits until a PCI device has that driver, and udev has done with what comes from it."""
        wait_until(lambda: self.driver(address) == driver, 60, f"{address} is on {driver}")
        self.run(["udevadm", "settle"])

    def set_link(self, pf, up):
        """Plugs a PF's cable in or pulls it."""
        self.qmp("set_link", name=pf.netdev, up=up)

    def reboot(self):
        """Has the VM shut down and boot again; it is ready when this returns."""
        before = self.boot_id()
        self.run(["systemctl", "reboot", "--no-block"])
        self._wait_other_boot(before)

    def reset(self):
        """Power loss: the VM boots again without having shut down, with what was on its disk; then as reboot()."""
        before = self.boot_id()
        self.qmp("system_reset")
        self._wait_other_boot(before)

    def poweroff(self):
        """Has the VM shut down and waits until it is off."""
        self.run(["systemctl", "poweroff", "--no-block"])
        wait_until(lambda: not self._runs(), POWEROFF_TIMEOUT, "the host VM is off")

    def boot_id(self):
        """Differs from boot to boot."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def _wait_other_boot(self, before):
        def booted():
            try:
                return self._ask(f"! grep -q {before} /proc/sys/kernel/random/boot_id", 3) == 0
            except (OSError, TimeoutError):
                return False
        wait_until(booted, BOOT_TIMEOUT, "the host VM boots again", interval=0.2)
        self.wait_ready()

    def qmp(self, command, **arguments):
        """Sends the VM's own QEMU a command and returns what it answers."""
        with connect_unix(self._path("qmp")) as connected, connected.makefile("rw", encoding="utf-8") as stream:
            connected.settimeout(20)
            json.loads(stream.readline())
            for execute, given in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": execute, "arguments": given}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                if "error" in answer:
                    raise BedError(f"the host VM's QEMU refuses {execute}: {answer['error']['desc']}")
            return answer["return"]

    def _runs(self):
        try:
            with open(f"/proc/{self.qemu_pid}/stat", encoding="ascii") as stream:
                return stream.read().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    # For reports of failed tests

    def console(self):
        """All that the VM has written to its serial console."""
        return read_or_empty(self._path("console"))

    def logs(self):
        """{name: text} of all there is to read about the VM, whether it still answers or not."""
        found = {f"console of {self.name}": self.console(), f"QEMU of {self.name}": read_or_empty(self._path("qemu.log"))}
        for name in sorted(os.listdir(self.shared)):
            if name.endswith(".console"):
                found[name] = read_or_empty(os.path.join(self.shared, name))
        for name, show in _LOGS.items():
            try:
                found[f"{name} in {self.name}"] = self.run(["sh", "-c", show], check=False, timeout=30).stdout
            except (OSError, TimeoutError, subprocess.TimeoutExpired) as error:
                found[f"{name} in {self.name}"] = f"it does not answer: {error}"
                break
        return found
