# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballastd on a host of the bed, and its hook."""

import os
import signal
import tempfile

from .host import build_dir, wait_until

PROGRAM = "ballast-hook-memory"
HOOK = "/etc/libvirt/hooks/qemu.d/50-ballast-memory"


def install_hook(host):
    """libvirtd looks for hooks when it starts."""
    host.run(["install", "-D", f"{build_dir()}/host-hook/{PROGRAM}", HOOK])
    host.restart_libvirtd()


def remove_hook(host):
    host.run(["rm", HOOK])
    host.restart_libvirtd()


class Daemon:
    """ballastd on one host.

    stop_at: breakpoints where it stands still
    config: keys of [memory]
    within: a command that runs it
    """

    def __init__(self, host, stop_at=(), config=(), within=()):
        self.host = host
        self._folder = tempfile.mkdtemp(prefix="ballastd.", dir=host.bed.shared)
        for name in stop_at:
            with open(f"{self._folder}/{name}", "w", encoding="ascii"):
                pass
        self._configure(config)
        with open(f"{self._folder}/log", "w", encoding="utf-8") as log:
            self._process = host.popen([*within, *self._argv()], stderr=log, env={"BALLAST_BREAKPOINT_DIR": self._folder})
        self.wait_for_log("connected to libvirt")

    def _argv(self):
        return [f"{build_dir()}/host-hook/ballastd", "--config", f"{self._folder}/ballast.conf"]

    def _configure(self, config):
        with open(f"{self._folder}/ballast.conf", "w", encoding="ascii") as file:
            file.write("\n".join(["[memory]", *config]))

    def reload(self, config):
        self._configure(config)
        self._process.send_signal(signal.SIGHUP)

    def log(self):
        with open(f"{self._folder}/log", encoding="utf-8") as log:
            return log.read()

    def wait_for_log(self, text, timeout=10, times=1):
        wait_until(lambda: self.log().count(text) >= times, timeout,
                   f"ballastd on {self.host.name} says \"{text}\"")

    def wait_at(self, name):
        wait_until(lambda: os.path.exists(f"{self._folder}/{name}.hit"), 40, f"breakpoint {name}", interval=0.01)

    def stand_still(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        # nsenter stops with its child, and has it go on as well.
        os.kill(self._process.pid, signal.SIGCONT)

    def sigkill(self):
        self._process.kill()
        self._process.wait(10)

    def stop(self):
        """Ends it; it has to go at once."""
        if self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(10) == 0


class PackagedDaemon(Daemon):
    """The ballastd of a host's package, with the configuration that comes with it."""

    def _argv(self):
        return ["/usr/sbin/ballastd"]
