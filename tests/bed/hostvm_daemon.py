# SPDX-License-Identifier: LGPL-2.1-or-later
"""ballastd in a host VM, run by the unit that comes with it, and its breakpoints."""

import json
import os

from .host import wait_until

_UNIT = "ballastd.service"
_CONFIG = "/etc/ballast/vf.conf"

# A loop of kills is not to end in a unit that systemd has given up.
_DROP_IN = """\
[Unit]
StartLimitIntervalSec=0
[Service]
Environment=BALLAST_BREAKPOINT_DIR={folder}
# Bound, as its own /var/tmp is another.
BindPaths={folder}
"""


class HostVmDaemon:
    """Ballast is installed in `vm`, with `config` as its vf.conf, and ballastd runs, also after each boot of the VM."""

    def __init__(self, vm, config):
        self.vm = vm
        self._folder = os.path.join(vm.shared, f"breakpoints.{vm.name}")
        os.mkdir(self._folder)
        vm.install_ballast()
        vm.write(f"/etc/systemd/system/{_UNIT}.d/bed.conf", _DROP_IN.format(folder=self._folder))
        vm.write(_CONFIG, config)
        vm.run(["systemctl", "daemon-reload"])
        vm.run(["systemctl", "enable", "--now", _UNIT], timeout=120)

    def start(self):
        """It answers when this returns."""
        self.vm.run(["systemctl", "start", _UNIT])

    def stop(self):
        self.vm.run(["systemctl", "stop", _UNIT])

    def restart(self):
        self.vm.run(["systemctl", "restart", _UNIT])

    def sigkill(self):
        """As a crash would, where it stands; systemd starts it again, and it answers when this returns."""
        before = self._property("MainPID")
        self.vm.run(["kill", "-KILL", before])
        self.clear()
        wait_until(lambda: self._property("MainPID") not in ("0", before)
                   and self._property("ActiveState") == "active", 60, "ballastd runs again")

    def configure(self, config):
        """It reads another vf.conf."""
        self.vm.write(_CONFIG, config)
        self.vm.run(["systemctl", "reload", _UNIT])

    def records(self, *matches):
        """What it has written to the journal since the VM's boot, with the fields that are asked for; as journalctl -o json."""
        shown = self.vm.run(["journalctl", "-b", "-u", _UNIT, "-o", "json", "--no-pager", *matches]).stdout
        return [json.loads(line) for line in shown.splitlines()]

    # Breakpoints, as host-hook/breakpoint.h has them

    def stop_at(self, *names):
        """It stands still at each of these breakpoints."""
        for name in names:
            with open(os.path.join(self._folder, name), "w", encoding="ascii"):
                pass

    def is_at(self, name):
        return os.path.exists(os.path.join(self._folder, f"{name}.hit"))

    def wait_at(self, name, timeout=60):
        wait_until(lambda: self.is_at(name), timeout, f"breakpoint {name}")

    def clear(self):
        """No breakpoint is left; it goes on where it stands."""
        for name in os.listdir(self._folder):
            os.unlink(os.path.join(self._folder, name))

    def _property(self, name):
        return self.vm.run(["systemctl", "show", "--value", "-p", name, _UNIT]).stdout.strip()
