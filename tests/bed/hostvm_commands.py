# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands and files in the host VM (hostvm.py), by its command port and the folder that both sides see."""

import itertools
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading

from .guest import Line
from .host import PACKAGED_BALLAST, CommandError, ballast_program, build_dir, host_environment, wait_until

# By meson's own prefix.
INSTALLED_BALLAST = "/usr/local/bin/ballast"


class VmProcess:
    """A command in the VM that was started with popen()."""

    def __init__(self, vm, argv, folder):
        self._vm = vm
        self.argv = argv
        self._folder = folder

    @property
    def pid(self):
        """Its pid in the VM."""
        return int(wait_until(lambda: self._read("pid"), 30, f"{self.argv[0]} starts in the host VM"))

    @property
    def stdout(self):
        """What it has written so far."""
        return self._read("out")

    @property
    def stderr(self):
        return self._read("err")

    def poll(self):
        """Its exit status (128 + N after signal N), or None while it runs."""
        status = self._read("status")
        return int(status) if status else None

    def wait(self, timeout=60):
        """A CompletedProcess, as of HostVm.run() without `check`; TimeoutError, and it goes on, after `timeout` s."""
        wait_until(lambda: self.poll() is not None, timeout, f"{self.argv[0]} ends in the host VM")
        return subprocess.CompletedProcess(self.argv, self.poll(), self.stdout, self.stderr)

    def send_signal(self, sig):
        self._vm.run(["kill", f"-{int(sig)}", str(self.pid)])

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def _read(self, name):
        return read_or_empty(os.path.join(self._folder, name))


class VmCommands:
    """What HostVm runs, reads and writes in the VM. It gives `name`, `shared` and _path()."""

    def __init__(self):
        self._numbers = (f"{random.randrange(1 << 32):x}.{n}" for n in itertools.count())
        self._turn = threading.Lock()
        self._line = None
        self._ballast = None

    def run(self, argv, check=True, timeout=60, input=None, env=None):
        """Runs a command to its end: a CompletedProcess with stdout and stderr as text.

        Raises CommandError when it fails and `check` holds; kills it and raises
        subprocess.TimeoutExpired after `timeout` seconds. Two threads take turns: use popen().
        """
        argv = [str(a) for a in argv]
        folder = self._command_folder(input)
        try:
            status = self._ask(f"{_shell(argv, env)} <{folder}/in >{folder}/out 2>{folder}/err", timeout)
        except TimeoutError as error:
            # What comes next ends what runs.
            self._ask("true", 10)
            raise subprocess.TimeoutExpired(argv, timeout) from error
        texts = [read_or_empty(os.path.join(folder, name)) for name in ("out", "err")]
        shutil.rmtree(folder)
        result = subprocess.CompletedProcess(argv, status, *texts)
        if check and status != 0:
            raise CommandError(self.name, argv, result)
        return result

    def popen(self, argv, env=None, input=None):
        """Starts a command: a VmProcess."""
        argv = [str(a) for a in argv]
        folder = self._command_folder(input)
        started = f"echo $$ >{folder}/pid; exec {_shell(argv, env)}"
        self._ask(f"(sh -c {shlex.quote(started)} <{folder}/in >{folder}/out 2>{folder}/err; echo $? >{folder}/new; "
                  f"mv {folder}/new {folder}/status) >/dev/null 2>&1 &", 30)
        return VmProcess(self, argv, folder)

    def virsh(self, *arguments, check=True, timeout=60):
        """Runs virsh in the VM; as run()."""
        return self.run(["virsh", "-q", "-c", "qemu:///system", *arguments], check=check, timeout=timeout)

    def ballast(self, *arguments, check=True, timeout=120, env=None):
        """Runs the command line `ballast` in the VM, the installed one when it is; as run()."""
        return self.run([self.ballast_path, *arguments], check=check, timeout=timeout, env=env)

    def ballast_popen(self, *arguments, env=None):
        """Starts `ballast`; as popen()."""
        return self.popen([self.ballast_path, *arguments], env=env)

    @property
    def ballast_path(self):
        return self._ballast or ballast_program()

    def read(self, inside):
        """Contents of a text file of the VM."""
        return self.run(["cat", inside]).stdout

    def write(self, inside, text):
        """Replaces a text file of the VM, making its folder when missing."""
        self.run(["sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0"', inside], input=text)

    def copy_in(self, path, inside):
        """Copies a file or folder of this machine to `inside`."""
        kept = tempfile.mkdtemp(prefix="copy.", dir=self.shared)
        subprocess.run(["cp", "-a", path, f"{kept}/it"], check=True)
        self.run(["cp", "-a", "--no-preserve=ownership", "-T", f"{kept}/it", inside], timeout=120)
        shutil.rmtree(kept)

    def copy_out(self, inside, path):
        """Copies a file or folder of the VM to `path` here."""
        kept = tempfile.mkdtemp(prefix="copy.", dir=self.shared)
        self.run(["cp", "-a", "-T", inside, f"{kept}/it"], timeout=120)
        subprocess.run(["cp", "-a", "-T", f"{kept}/it", path], check=True)
        shutil.rmtree(kept)

    def install_ballast(self):
        """Installs the build under test as a package would; it stays over a reboot."""
        kept = tempfile.mkdtemp(prefix="install.", dir=self.shared)
        # It becomes that of the VM's root.
        os.chmod(kept, 0o755)
        subprocess.run(["meson", "install", "-C", build_dir(), "--no-rebuild", "--quiet", "--destdir", kept], check=True)
        self.run(["cp", "-a", "--no-preserve=ownership", "--remove-destination", f"{kept}/.", "/"], timeout=120)
        # The build's prefix is /usr/local, but libvirt's hooks and the configuration are below /etc.
        self.run(["cp", "-a", "/usr/local/etc/.", "/etc"])
        self.run(["systemctl", "daemon-reload"])
        # It looks for hooks when it starts.
        self.run(["systemctl", "try-restart", "libvirtd"])
        self._ballast = INSTALLED_BALLAST
        shutil.rmtree(kept)

    def install_package(self, package):
        """Installs the deb of that file name, as run() does; what it depends on has to be there."""
        shutil.copy(package, self.shared)
        done = self.run(["dpkg", "--install", os.path.join(self.shared, os.path.basename(package))], timeout=180)
        self._ballast = PACKAGED_BALLAST
        return done

    def _command_folder(self, text):
        folder = os.path.join(self.shared, "commands", next(self._numbers))
        os.mkdir(folder)
        with open(os.path.join(folder, "in"), "w", encoding="utf-8") as stream:
            stream.write(text or "")
        return folder

    def _ask(self, command, timeout):
        """The exit status of a shell command in the VM. OSError and TimeoutError when it does not answer."""
        with self._turn:
            try:
                if self._line is None:
                    self._line = Line(self._path("commands"))
                return self._line.ask(next(self._numbers), command, timeout)[0]
            except (OSError, TimeoutError):
                self._disconnect()
                raise

    def _disconnect(self):
        if self._line is not None:
            self._line.close()
            self._line = None


def read_or_empty(path):
    """Contents of a text file of this machine; "" when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _shell(argv, env):
    """The shell's words for a command with the environment that a Host gives."""
    settings = [f"{name}={value}" for name, value in host_environment(env).items()]
    return "env -C / -i " + shlex.join(settings + argv)
