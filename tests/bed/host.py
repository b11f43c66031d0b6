# SPDX-License-Identifier: LGPL-2.1-or-later
"""One host of the test bed: running commands in it, its libvirtd, its files and its link."""

import os
import shutil
import signal
import subprocess
import time
import uuid

ADDRESSES = {"src": "10.77.0.1", "dst": "10.77.0.2"}

#: where the package ballast-host has the command line
PACKAGED_BALLAST = "/usr/bin/ballast"

_LIBVIRTD_CONF = """\
host_uuid = "{host_uuid}"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
listen_tls = 0
listen_tcp = 1
listen_addr = "{address}"
auth_tcp = "none"
log_filters = "3:util 1:qemu.qemu_migration 2:qemu"
log_outputs = "2:file:/var/log/libvirt/{daemon}.log"
"""

_QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
migration_address = "0.0.0.0"
migration_host = "{address}"
"""


# What runs on a host, the one that has QEMU's driver last. A proxy serves remote clients of modular daemons.
_MONOLITHIC = (("libvirtd", "--daemon", "--listen"),)
_MODULAR = (("virtproxyd", "--daemon"), ("virtqemud", "--daemon"))


class BedError(Exception):
    """The bed cannot do what was asked; one sentence."""


class CommandError(Exception):
    """A command on a host failed. Attributes: argv, returncode, stdout, stderr."""

    def __init__(self, host, argv, result):
        super().__init__(f"{host}: {' '.join(argv)}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
        self.argv = argv
        self.returncode = result.returncode
        self.stdout = result.stdout
        self.stderr = result.stderr


def wait_until(condition, timeout, what, interval=0.05):
    """Polls `condition` until it returns something true, which is returned; TimeoutError after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(interval)


def host_environment(added=None):
    """The environment of a command on a host: its own, what ours says about the programs under test, and `added`."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}
    for name, value in os.environ.items():
        if name.startswith(("BALLAST_", "G_", "ASAN_", "UBSAN_", "LSAN_")):
            environment[name] = value
    environment.update(added or {})
    return environment


class HostProcess(subprocess.Popen):
    """A command that runs inside a host. Signals reach the command, not the nsenter around it."""

    def inner_pid(self):
        """The command's pid as this machine sees it, or None once it has ended."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as stream:
                children = stream.read().split()
        except FileNotFoundError:
            return None
        return int(children[0]) if children else None

    def send_signal(self, sig):
        # Between fork and exec nsenter has no child yet.
        deadline = time.monotonic() + 5
        while self.poll() is None and time.monotonic() < deadline:
            pid = self.inner_pid()
            if pid is not None:
                os.kill(pid, sig)
                return
            time.sleep(0.01)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Host:
    """One of the two hosts. Made by Bed."""

    def __init__(self, bed, name, init_pid):
        self.bed = bed
        self.name = name
        self.address = ADDRESSES[name]
        self.uri = f"qemu+tcp://{name}/system"
        self.init_pid = init_pid
        self._daemons = _MODULAR if bed.daemons_folder else _MONOLITHIC
        self._libvirtd_pid_file = f"/run/{self._daemons[-1][0]}.pid"
        self._has_package = False

    def __repr__(self):
        return f"<Host {self.name}>"

    def path(self, inside):
        """Where this process finds the host's file `inside` (an absolute path there).

        An absolute symbolic link on the way would lead to this machine's files instead.
        """
        return f"/proc/{self.init_pid}/root{inside}"

    def read(self, inside):
        """Contents of a text file of the host."""
        with open(self.path(inside), encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def write(self, inside, text):
        """Replaces a text file of the host, making its folder when missing."""
        os.makedirs(os.path.dirname(self.path(inside)), exist_ok=True)
        with open(self.path(inside), "w", encoding="utf-8") as stream:
            stream.write(text)

    def _nsenter(self, argv):
        # pdeathsig: killing nsenter, which is all that a SIGKILL can hit, ends the command too.
        return ["nsenter", "-t", str(self.init_pid), "-m", "-u", "-n", "-i", "-p", "-r", "-w", "--",
                "setpriv", "--pdeathsig", "KILL", "--", *[str(a) for a in argv]]

    def popen(self, argv, env=None, **kwargs):
        """Starts a command (a HostProcess, text mode); other arguments as for subprocess.Popen."""
        kwargs.setdefault("text", True)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return HostProcess(self._nsenter(argv), env=host_environment(env), **kwargs)

    def run(self, argv, check=True, timeout=60, input=None, env=None):
        """Runs a command to its end: a CompletedProcess with stdout and stderr as text.

        Raises CommandError when it fails and `check` holds; kills it and raises
        subprocess.TimeoutExpired after `timeout` seconds.
        """
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        with self.popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except BaseException:
                process.kill()
                raise
        result = subprocess.CompletedProcess(argv, process.returncode, out, err)
        if check and result.returncode != 0:
            raise CommandError(self.name, [str(a) for a in argv], result)
        return result

    def virsh(self, *arguments, check=True, timeout=60):
        """Runs virsh on the host against its own libvirtd; as run()."""
        return self.run(["virsh", "-q", "-c", "qemu:///system", *arguments], check=check, timeout=timeout)

    def ballast(self, *arguments, check=True, timeout=120, env=None):
        """Runs the command line `ballast` on the host, the installed one when it is; as run()."""
        return self.run([self._ballast_path, *arguments], check=check, timeout=timeout, env=env)

    def ballast_popen(self, *arguments, **kwargs):
        """Starts the command line `ballast`; as popen()."""
        return self.popen([self._ballast_path, *arguments], **kwargs)

    def install_package(self, package):
        """Installs the deb of that file name; what it depends on has to be there. libvirtd sees its hooks then."""
        shutil.copy(package, self.bed.shared)
        self.run(["dpkg", "--install", os.path.join(self.bed.shared, os.path.basename(package))])
        self._has_package = True
        self.restart_libvirtd()

    @property
    def _ballast_path(self):
        return PACKAGED_BALLAST if self._has_package else ballast_program()

    def pid_of(self, pidfile):
        """The pid in a pid file of the host, as the host sees it; None without file or process."""
        try:
            pid = int(self.read(pidfile))
        except (OSError, ValueError):
            return None
        return pid if os.path.isdir(self.path(f"/proc/{pid}")) else None

    def outer_pid(self, pid):
        """This machine's number for the host's process `pid`."""
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/status", encoding="utf-8", errors="replace") as stream:
                    line = next((l for l in stream if l.startswith("NSpid:")), "")
                same = os.readlink(f"/proc/{entry}/ns/pid") == os.readlink(f"/proc/{self.init_pid}/ns/pid")
            except OSError:
                continue
            if same and line.split()[-1] == str(pid):
                return int(entry)
        raise BedError(f"there is no process {pid} on {self.name}")

    def kill(self, pid, sig=signal.SIGKILL):
        """Sends `sig` to the host's process `pid`."""
        os.kill(self.outer_pid(pid), sig)

    def configure(self):
        """Writes the daemons' configuration."""
        values = {"host_uuid": uuid.uuid4(), "address": self.address}
        for daemon, *_ in self._daemons:
            self.write(f"/etc/libvirt/{daemon}.conf", _LIBVIRTD_CONF.format(daemon=daemon, **values))
        self.write("/etc/libvirt/qemu.conf", _QEMU_CONF.format(**values))

    def start_libvirtd(self):
        """Starts libvirtd, or virtqemud in its place (as below); it answers when this returns."""
        for daemon, *arguments in self._daemons:
            is_proxy = daemon != self._daemons[-1][0]
            if not (is_proxy and self.pid_of(f"/run/{daemon}.pid")):
                self.run([os.path.join(self.bed.daemons_folder or "/usr/sbin", daemon), *arguments], timeout=60)

    def libvirtd_pid(self):
        """Its pid as the host sees it, or None."""
        return self.pid_of(self._libvirtd_pid_file)

    def stop_libvirtd(self, sig=signal.SIGTERM):
        """Ends libvirtd and waits until it is gone. Guests stay."""
        pid = self.libvirtd_pid()
        if pid is None:
            return
        self.kill(pid, sig)
        wait_until(lambda: not self._alive(pid), 30, f"libvirtd on {self.name} ends")

    def kill_libvirtd(self):
        """As a crash would: SIGKILL."""
        self.stop_libvirtd(signal.SIGKILL)

    def ensure_libvirtd(self):
        """Starts libvirtd unless it runs."""
        if self.libvirtd_pid() is None:
            self.start_libvirtd()

    def restart_libvirtd(self):
        self.stop_libvirtd()
        self.start_libvirtd()

    def _alive(self, pid):
        try:
            return "\nState:\tZ" not in self.read(f"/proc/{pid}/status")
        except OSError:
            return False

    def link_counters(self):
        """(bytes received, bytes sent) by the host over the link so far, headers included."""
        with open(f"/proc/{self.init_pid}/net/dev", encoding="ascii") as stream:
            for line in stream:
                device, _, counters = line.partition(":")
                if device.strip() == "eth0":
                    fields = counters.split()
                    return int(fields[0]), int(fields[8])
        raise BedError(f"{self.name} has no link")

    def logs(self):
        """{path: text} of libvirtd's and QEMU's logs."""
        found = {}
        for folder in ("/var/log/libvirt", "/var/log/libvirt/qemu"):
            try:
                names = os.listdir(self.path(folder))
            except OSError:
                continue
            for name in sorted(names):
                if name.endswith(".log"):
                    found[f"{self.name}:{folder}/{name}"] = self.read(f"{folder}/{name}")
        return found


def build_dir():
    """The meson build folder with the programs under test ($BALLAST_BUILD), or None."""
    path = os.environ.get("BALLAST_BUILD")
    return os.path.abspath(path) if path else None


def ballast_program():
    if not build_dir():
        raise BedError("BALLAST_BUILD is not set: it names the meson build folder with host-hook/ballast")
    return os.path.join(build_dir(), "host-hook", "ballast")


def agent_program():
    """The built agent, or None when there is no build."""
    path = os.path.join(build_dir() or "/nonexistent", "guest-agent", "ballast-agent")
    return path if os.path.exists(path) else None
