# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two libvirt hosts, "src" and "dst", on one machine.

Each host is a set of namespaces (mount, UTS, network, IPC, PID) with a libvirtd of its own;
one veth pair joins them. supervisor.sh is their parent and cleans up when this process ends,
however it ends. All state is in a fresh folder below /var/tmp (or $BALLAST_BED_DIR, which
must not exist yet), removed at the end.

Only one bed is up at a time on a machine: a Bed holds an exclusive flock on
/run/ballast-qemu.lock for its life (BALLAST_QEMU_LOCK_HELD=1: a caller holds it already).
"""

import errno
import fcntl
import os
import select
import shutil
import subprocess
import tempfile

from . import image, modular, roots
from .host import ADDRESSES, BedError, Host, agent_program, build_dir, wait_until

LOCK_PATH = "/run/ballast-qemu.lock"

_HERE = os.path.dirname(os.path.abspath(__file__))
_TREE = os.path.dirname(os.path.dirname(_HERE))


class Bed:
    """Both hosts, from enter to exit.

    root: "backports" (see roots.py), or the folder of another Debian whose libvirt and QEMU
        the hosts shall run
    agent: the agent's program for the guests (default: the one in $BALLAST_BUILD)
    guest_files: {path in the guests: bytes or file name here}, added to their initramfs
    """

    def __init__(self, root="/", agent=None, guest_files=None, modular=False):
        self.root = roots.root_path(root)
        self._modular = modular
        self.daemons_folder = None
        self.agent = agent or agent_program()
        self.guest_files = dict(guest_files or {})
        self.guests = []
        self._booted = {}
        self.dir = None
        self.src = self.dst = None
        self._lock = None
        self._supervisor = None

    @property
    def hosts(self):
        return (self.src, self.dst)

    def other(self, host):
        return self.dst if host is self.src else self.src

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    def _start(self):
        self._base = image.base_image()
        if self._modular:
            self.daemons_folder = modular.daemons_folder()
        self._lock = take_lock()
        self.dir = os.environ.get("BALLAST_BED_DIR")
        if self.dir:
            self.dir = os.path.abspath(self.dir)
            os.makedirs(self.dir)
        else:
            self.dir = tempfile.mkdtemp(prefix="ballast-bed.", dir="/var/tmp")
        for name in ADDRESSES:
            for folder in ("root", "scratch"):
                os.makedirs(os.path.join(self.dir, name, folder))
        os.mkdir(self.shared)
        self.kernel = self._base.kernel
        self.initrd = os.path.join(self.dir, "initrd")
        image.build_initrd(self._base, self.initrd, self.agent, self.guest_files)

        pids = self._start_hosts()
        self.src, self.dst = (Host(self, name, pids[name]) for name in ("src", "dst"))
        self._join_hosts()
        for host in self.hosts:
            host.configure()
            host.start_libvirtd()

    @property
    def shared(self):
        """A folder that both hosts and this process see at this path."""
        return os.path.join(self.dir, "shared")

    def _start_hosts(self):
        binds = [_TREE, image.cache_dir()]
        if build_dir():
            binds.append(build_dir())
        keep = () if self._lock is None else (self._lock,)
        self._supervisor = subprocess.Popen(
            ["/bin/sh", os.path.join(_HERE, "supervisor.sh"), self.dir, self.root, *binds],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=keep, start_new_session=True)

        unshare = {}
        ready = set()
        while len(ready) < len(ADDRESSES):
            if not select.select([self._supervisor.stdout], [], [], 30)[0]:
                raise BedError("the hosts of the test bed did not come up within 30 s")
            words = os.read(self._supervisor.stdout.fileno(), 4096).decode().split()
            if not words or "failed" in words:
                raise BedError(f"the hosts of the test bed could not be made: {self._init_logs()}")
            for name, value in zip(words[::2], words[1::2]):
                if value == "ready":
                    ready.add(name)
                else:
                    unshare[name] = int(value)
        return {name: _only_child(pid) for name, pid in unshare.items()}

    def _init_logs(self):
        texts = []
        for name in ADDRESSES:
            with open(os.path.join(self.dir, name, "init.log"), encoding="utf-8") as stream:
                texts.append(stream.read().strip())
        return " ".join(texts)

    def _join_hosts(self):
        subprocess.run(["ip", "link", "add", "name", "eth0", "netns", str(self.src.init_pid), "type", "veth",
                        "peer", "name", "eth0", "netns", str(self.dst.init_pid)], check=True)
        for host in self.hosts:
            host.run(["ip", "link", "set", "lo", "up"])
            host.run(["ip", "address", "add", f"{host.address}/24", "dev", "eth0"])
            host.run(["ip", "link", "set", "eth0", "up"])

    def close(self):
        """Ends everything and removes it; safe to call more than once."""
        if self._supervisor is not None:
            self._supervisor.stdin.close()
            self._supervisor.wait(60)
            self._supervisor.stdout.close()
            self._supervisor = None
        elif self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        self.dir = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def guest(self, spec):
        """A Guest for `spec`, not started."""
        from .guest import Guest
        guest = Guest(self, spec)
        self.guests.append(guest)
        return guest

    def booted_guest(self, spec, prepare=None):
        """A guest on src as if just booted, then prepared by prepare(guest); only the first one
        of each spec and `prepare` really boots.

        The others are loaded from its saved memory, which takes a fourth of the time. What
        differs from a boot: the guest's clock lags by the age of the file, all copies have
        the same boot id and random state, and memory that the guest never wrote may be
        mapped in QEMU (to the zero page). Tests of what backs a guest's memory boot.
        """
        guest = self.guest(spec)
        if (spec, prepare) not in self._booted:
            saved = os.path.join(self.shared, f"booted.{len(self._booted)}")
            guest.start(self.src)
            if prepare:
                prepare(guest)
            canary_files = guest.canary_files
            guest.save(saved)
            guest.destroy()
            self.guests.append(guest)
            self._booted[spec, prepare] = saved, canary_files
        saved, canary_files = self._booted[spec, prepare]
        guest.start_saved(self.src, saved)
        guest.canary_files = list(canary_files)
        return guest

    def reset(self):
        """Back to a fresh bed: no guests, cable in, no limit, both libvirtds running, Ballast's journals empty."""
        self.set_link(True)
        self.limit_mbit(None)
        for host in self.hosts:
            host.ensure_libvirtd()
            shutil.rmtree(host.path("/var/lib/ballast/journal"), ignore_errors=True)
        for guest in list(self.guests):
            guest.destroy()

    def wire_bytes(self):
        """Bytes that crossed the link so far: (from src to dst, from dst to src)."""
        received, sent = self.src.link_counters()
        return sent, received

    def set_link(self, up):
        """Plugs the cable in or pulls it."""
        self.src.run(["ip", "link", "set", "eth0", "up" if up else "down"])

    def limit_mbit(self, mbit):
        """Limits the link to `mbit` Mbit/s each way; None: no limit."""
        for host in self.hosts:
            if mbit is None:
                host.run(["tc", "qdisc", "del", "dev", "eth0", "root"], check=False)
            else:
                # The burst is 10 ms worth: the timer of a busy machine is no finer.
                burst = max(mbit * 1000000 // 8 // 100, 64 * 1024)
                host.run(["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{mbit}mbit",
                          "burst", str(burst), "latency", "50ms"])


def _only_child(pid):
    def read():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            return stream.read().split()
    return int(wait_until(read, 10, "the host's first process starts")[0])


def take_lock():
    """Waits for the machine's QEMU lock: a descriptor that holds it, or None when a caller of ours does."""
    if os.environ.get("BALLAST_QEMU_LOCK_HELD") == "1":
        return None
    lock = os.open(LOCK_PATH, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        print(f"bed: waiting for {LOCK_PATH}, another run is using QEMU", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock
