# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test guests: a Guest to start, drive and watch one that is made as a GuestSpec says.

A guest runs guest-tool (tests/guest), which executes shell commands that arrive on a
virtio-serial port of its own, so a test can ask the guest anything, on whichever host it is.
"""

import base64
import itertools
import os
import random
import re
import select
import socket
import time
import xml.etree.ElementTree as ElementTree

from .guest_spec import AGENT_CHANNEL, TEST_CHANNEL
from .host import wait_until
from .kvm import domain_type

BOOT_TIMEOUT = 120


class GuestError(Exception):
    """A guest did not do what was asked. Attributes: status (of a command, else None), output."""

    def __init__(self, message, status=None, output=""):
        super().__init__(message)
        self.status = status
        self.output = output


def connect_unix(path):
    """A socket connected to the unix socket `path`, however long that is.

    Its address may not be longer than 107 bytes, a path in another mount namespace soon is: go
    through the folder's descriptor.
    """
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    except BaseException:
        connected.close()
        raise
    finally:
        os.close(folder)
    return connected


class Line:
    """Connection to a guest-tool server, by its unix socket."""

    def __init__(self, path):
        self._socket = connect_unix(path)
        self._received = b""

    def close(self):
        self._socket.close()

    def ask(self, number, command, timeout):
        """(status, output) of `command`; replies to anything but `number` are dropped."""
        encoded = base64.b64encode(command.encode()).decode()
        deadline = time.monotonic() + timeout
        # The leading newline ends whatever an earlier client left unfinished.
        self._socket.settimeout(timeout)
        self._socket.sendall(f"\n{number} {encoded}\n".encode())
        while True:
            while b"\n" in self._received:
                line, self._received = self._received.split(b"\n", 1)
                words = line.decode("ascii", "replace").split(" ")
                if len(words) == 3 and words[0] == number:
                    return int(words[1]), base64.b64decode(words[2]).decode("utf-8", "replace")
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("QEMU closed the connection")
            self._received += data


class Guest:
    """One domain. `host` is where it runs (None: nowhere); tell it with moved_to().

    canary_files: in the guest, one of each canary that runs
    """

    def __init__(self, bed, spec):
        self.bed = bed
        self.spec = spec
        self.name = spec.name
        self.host = None
        self._line = None
        self._numbers = (f"{random.randrange(1 << 32):x}.{n}" for n in itertools.count())
        self._canaries = itertools.count()
        self.canary_files = []

    def start(self, host, wait=True):
        """Boots the guest on `host`; it answers when this returns, unless `wait` is false."""
        xml = self._prepare()
        if self.spec.persistent:
            host.virsh("define", xml)
            host.virsh("start", self.name)
        else:
            host.virsh("create", xml)
        self.host = host
        if wait:
            self.wait_ready()
            if self.spec.virtio_mem_mib:
                wait_until(self._virtio_mem_settled, BOOT_TIMEOUT, f"guest {self.name} plugs its virtio-mem")
        return self

    def save(self, path):
        """Saves the running guest to a file in bed.shared; the domain is off then."""
        self.disconnect()
        self.host.virsh("save", self.name, path)

    def start_saved(self, host, path):
        """Starts a guest of the same spec from a file made by save(), leaving the file as it is."""
        xml = self._prepare()
        if self.spec.persistent:
            host.virsh("define", xml)
        host.virsh("restore", path)
        self.host = host
        self.wait_ready()
        return self

    def _prepare(self):
        """Makes the disk and the domain XML; returns the path of the latter."""
        if self.spec.has_disk:
            self._make_disk()
        path = os.path.join(self.bed.shared, self.name + ".xml")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(self.spec.domain_xml(self.bed, domain_type()))
        return path

    def _virtio_mem_settled(self):
        target = self.xml().find("devices/memory[@model='virtio-mem']/target")
        return target.findtext("current") == target.findtext("requested")

    def _make_disk(self):
        path = self.spec.disk_path(self.bed)
        hosts = [self.bed.src] if self.spec.shared_disk else self.bed.hosts
        for host in hosts:
            host.run(["mkdir", "-p", os.path.dirname(path)])
            contents = (["-F", "raw", "-b", self.spec.disk_image, path] if self.spec.disk_image
                        else [path, f"{self.spec.disk_mib}M"])
            host.run(["qemu-img", "create", "-q", "-f", "qcow2", *contents])

    def wait_ready(self, timeout=BOOT_TIMEOUT):
        """Waits until the guest executes commands."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                # Short, as what is sent before the guest has opened its port may be lost.
                self.shell("true", timeout=2)
                return
            except (GuestError, OSError) as error:
                if time.monotonic() > deadline:
                    raise GuestError(f"guest {self.name} does not answer; its console says:\n"
                                     f"{self.console()[-2000:]}") from error
                if self.state() not in ("running", "paused"):
                    raise GuestError(f"guest {self.name} is {self.state()}; its console says:\n"
                                     f"{self.console()[-2000:]}") from error
                time.sleep(0.1)

    def moved_to(self, host, wait=True):
        """The guest now runs on `host`; checks that it does and answers there."""
        self.disconnect()
        self.host = host
        if wait:
            self.wait_ready(30)
        return self

    def locate(self):
        """Follows the guest to the host where it is running, and returns that host or None."""
        for host in self.bed.hosts:
            if host.virsh("domstate", self.name, check=False).stdout.strip() == "running":
                if host is not self.host:
                    self.disconnect()
                    self.host = host
                return host
        return None

    def state(self):
        """libvirt's word for the domain's state on its host, "gone" without a domain."""
        result = self.host.virsh("domstate", self.name, check=False)
        return result.stdout.strip() or "gone"

    def disconnect(self):
        """Gives the test channel up, for instance before the guest is saved."""
        if self._line:
            self._line.close()
            self._line = None

    def reboot(self, reset=None):
        """The guest reboots itself, or by reset(); it answers again when this returns."""
        before = self.boot_id()
        if reset:
            reset()
        else:
            self._reboot_itself()
        wait_until(lambda: self._boot_id_or_none() not in (None, before), BOOT_TIMEOUT,
                   f"guest {self.name} is up again")
        self.canary_files = []

    def _reboot_itself(self):
        try:
            self.shell("reboot -f", timeout=1)
        except GuestError:
            pass

    def boot_id(self):
        """Differs from boot to boot."""
        return self.shell("cat /proc/sys/kernel/random/boot_id").strip()

    def _boot_id_or_none(self):
        try:
            return self.shell("cat /proc/sys/kernel/random/boot_id", timeout=2).strip()
        except GuestError:
            return None

    def destroy(self):
        """Ends and undefines the guest on both hosts and removes its files; never fails for what is not there."""
        self.disconnect()
        for host in self.bed.hosts:
            host.virsh("destroy", self.name, check=False)
            host.virsh("undefine", self.name, "--managed-save", "--snapshots-metadata", check=False)
            if self.spec.has_disk:
                host.run(["rm", "-f", self.spec.disk_path(self.bed)])
        try:
            os.unlink(self._console_path())
        except FileNotFoundError:
            pass
        self.host = None
        self.canary_files = []
        if self in self.bed.guests:
            self.bed.guests.remove(self)

    # What libvirt and the host's kernel know

    def xml(self, *options):
        """The live domain XML as an ElementTree element."""
        return ElementTree.fromstring(self.host.virsh("dumpxml", self.name, *options).stdout)

    def channel_path(self, channel):
        """The host's path of a channel's socket."""
        for element in self.xml().iterfind("devices/channel"):
            target = element.find("target")
            if target is not None and target.get("name") == channel:
                source = element.find("source")
                if source is not None and source.get("path"):
                    return source.get("path")
        raise GuestError(f"guest {self.name} has no channel {channel} on {self.host.name}")

    def agent_socket_path(self):
        """The path of the agent's socket as this process can open it."""
        return self.host.path(self.channel_path(AGENT_CHANNEL))

    @property
    def qemu_pid(self):
        """QEMU's pid as its host sees it."""
        for folder in ("/run/libvirt/qemu", "/var/run/libvirt/qemu"):
            pid = self.host.pid_of(f"{folder}/{self.name}.pid")
            if pid is not None:
                return pid
        raise GuestError(f"guest {self.name} has no QEMU on {self.host.name}")

    def rss_bytes(self):
        """Resident memory of the guest's QEMU."""
        status = self.host.read(f"/proc/{self.qemu_pid}/status")
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024

    def qmp(self, json_command):
        """Sends one QMP command through libvirt (taints the domain) and returns the text of the answer."""
        return self.host.virsh("qemu-monitor-command", self.name, json_command).stdout

    def _console_path(self):
        return os.path.join(self.bed.shared, self.name + ".console")

    def console(self):
        """All that the guest has written to its serial console."""
        try:
            with open(self._console_path(), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""

    # What the guest knows

    def agent_log(self):
        """What the agent has written in this boot."""
        return self.shell("cat /run/ballast-agent.log 2>/dev/null || true")

    def agent_pid(self):
        """The agent's pid in the guest, None when it does not run. Killed, it is started again at once."""
        # The oldest: a holder process has the same name.
        pids = self.shell("pidof ballast-agent || true").split()
        return min(map(int, pids)) if pids else None

    def agent_stop(self):
        """Ends the agent and keeps it from being started again until agent_start()."""
        self.shell("touch /run/ballast-agent.stop; killall ballast-agent || true")

    def agent_start(self):
        self.shell("rm -f /run/ballast-agent.stop")

    def shell(self, command, timeout=30, check=True):
        """Runs a shell command in the guest and returns its output (stdout and stderr together).

        Raises GuestError when it fails and `check` holds, and when no answer comes in time.
        A command that gave no answer may or may not have run; the next one ends it.
        """
        status, output = self.shell_status(command, timeout)
        if check and status != 0:
            raise GuestError(f"guest {self.name}: {command}: exit status {status}\n{output}", status, output)
        return output

    def shell_status(self, command, timeout=30):
        """(exit status, output) of a shell command in the guest."""
        try:
            if not self._line:
                self._line = Line(self.host.path(self.channel_path(TEST_CHANNEL)))
            return self._line.ask(next(self._numbers), command, timeout)
        except (OSError, TimeoutError) as error:
            self.disconnect()
            if isinstance(error, TimeoutError):
                raise GuestError(f"guest {self.name}: {command}: no answer within {timeout} s") from error
            raise GuestError(f"guest {self.name}: {command}: {error}") from error

    def meminfo(self):
        """/proc/meminfo as a dict of bytes (MemTotal, MemFree, MemAvailable, ...)."""
        values = {}
        for line in self.shell("cat /proc/meminfo").splitlines():
            match = re.match(r"(\S+):\s+(\d+)( kB)?", line)
            if match:
                values[match[1]] = int(match[2]) * (1024 if match[3] else 1)
        return values

    def fill(self, mib, seed=None, hold=False, fragment=False, timeout=300):
        """Writes `mib` MiB ("all": down to a small reserve) of incompressible data, then frees them.

        hold: a process keeps them; fragment: it keeps 64 of every 256 KiB. Both return its pid.
        Without either returns the MiB written.
        """
        if seed is None:
            seed = random.randrange(1 << 63)
        options = (" --hold" if hold else "") + (" --fragment" if fragment else "")
        return int(self.shell(f"guest-tool fill {mib} {seed}{options}", timeout=timeout))

    def verify_fill(self, mib, seed=None, timeout=300):
        """Writes as fill() does and reads everything back; raises GuestError when it differs."""
        if seed is None:
            seed = random.randrange(1 << 63)
        return int(self.shell(f"guest-tool fill {mib} {seed} --verify", timeout=timeout))

    def canary_start(self, mib, rewrites=1):
        """Starts a process that keeps rewriting and verifying `mib` MiB, about `rewrites` times 6 MB/s."""
        path = f"/run/canary.{next(self._canaries)}"
        self.shell(f"guest-tool canary {mib} {random.randrange(1 << 63)} {path} {rewrites}", timeout=60)
        self.canary_files.append(path)

    def stall_start(self):
        """Starts a process that notes how long it was kept from running at worst, instead of an earlier one."""
        self.shell("kill $(cat /run/stall.pid 2>/dev/null) 2>/dev/null; guest-tool stall /run/stall >/run/stall.pid")

    def worst_stall(self):
        """(ms, s since it was started) of that: by the guest's clock, which stands while QEMU has stopped the guest."""
        gap_us, at_us = map(int, self.shell("cat /run/stall").split())
        return gap_us / 1000, at_us / 1e6

    def canary_check(self, timeout=60):
        """Every canary has found its memory whole, in a full round begun after this call."""
        for path in self.canary_files:
            first = self._canary_rounds(path)
            # The round under way began earlier; the one after it did not.
            wait_until(lambda: self._canary_rounds(path) >= first + 2, timeout,
                       f"canary {path} of guest {self.name} goes on", interval=0.2)

    def _canary_rounds(self, path):
        status = self.shell(f"cat {path}").strip()
        match = re.fullmatch(r"ok (\d+)", status)
        if not match:
            raise AssertionError(f"guest {self.name}: memory is damaged: {status}")
        return int(match[1])
