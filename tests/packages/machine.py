# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host VM on which ballast-host comes and goes: what is asked of it, and a migration under way in it."""

import json
import os
import re
import xml.etree.ElementTree as ElementTree

from bed.host import wait_until
from bed.hostvm import HostVm
from domains import console_path, domain_uuid, domain_xml, guest_shell

SERVICE = "ballastd.service"
VF_CONFIG = "/etc/ballast/vf.conf"

_SECOND_URI = "qemu+tcp://127.0.0.1:16510/system"

# MiB/s: as slow as a test needs time.
_SLOW = "2"

# Of a restart of libvirt ballastd tells the end of the connection, or what it then found.
_RESTARTS = ("libvirt is away", "libvirt is away: neither libvirtd nor virtqemud runs")


class Machine(HostVm):
    """A host VM with one NIC that has VFs, and inner domains.

    agent: the program that the inner Linux runs
    """

    def __init__(self, agent):
        # With two emulated processors the VM's kernel has hung when an inner domain's memory was being logged for a migration.
        super().__init__(pfs=1, agent=agent, vcpus=1)
        self._second = None

    def run_qemu_as_debian_does(self):
        """As a user of its own, where the bed has root: so ballastd needs its capabilities."""
        self.run(["sed", "-i", 's/^user = .*/user = "libvirt-qemu"/; s/^group = .*/group = "kvm"/; '
                  "s/^dynamic_ownership = .*/dynamic_ownership = 1/", "/etc/libvirt/qemu.conf"])
        self.run(["systemctl", "restart", "libvirtd"])

    # Services and processes

    def main_pid(self, unit):
        return self.run(["systemctl", "show", "--value", "-p", "MainPID", unit]).stdout.strip()

    def is_active(self, unit):
        return self.run(["systemctl", "is-active", unit], check=False).stdout == "active\n"

    def domain_pid(self, name):
        return self.read(f"/run/libvirt/qemu/{name}.pid").strip()

    def warnings(self):
        """What ballastd's unit, and systemd about it, have complained of since the VM's boot, but for libvirt's restarts."""
        shown = self.run(["journalctl", "-b", "-q", "-o", "cat", "--no-pager", "-p", "warning", "-u", SERVICE]).stdout
        return [line for line in shown.splitlines() if line not in _RESTARTS]

    # Ballast

    def status(self):
        """What ballastd tells of domains and migrations."""
        return json.loads(self.ballast("status", "--json").stdout)["ballastd"]

    def state(self, name):
        """A domain's state, as ballastd has it; what it does not name is idle."""
        return next((one["state"] for one in self.status()["domains"] if one["domain"] == name), "idle")

    def ports(self):
        """{(domain's UUID, port): port info}."""
        shown = json.loads(self.ballast("vf", "list", "--json").stdout)
        return {(port["domain"], port["port"]): port for port in shown["ports"]}

    def wait_attached(self, name):
        """Waits until port net0 of a domain has its VF; the port info."""
        key = domain_uuid(name), "net0"
        wait_until(lambda: self.ports().get(key, {}).get("state") == "attached", 60, f"{name} has its VF")
        return self.ports()[key]

    def ledger(self):
        """(domain's UUID, port) of all that the ledger has, without a ballastd that tells."""
        taken = set()
        for line in self.read("/var/lib/ballast/vf/ledger").splitlines()[1:]:
            record = json.loads(line)
            port = record["put"]["request"] if "put" in record else record["remove"]
            (taken.add if "put" in record else taken.remove)((port["domain"], port["port"]))
        return taken

    def journal_files(self):
        """Of releases that are not given back."""
        return self.run(["find", "/var/lib/ballast/journal", "-type", "f"], check=False).stdout.split()

    # Domains

    def define(self, name, **arguments):
        """As domain_xml()."""
        self.write(f"/root/{name}.xml", domain_xml(self, name, **arguments))
        self.virsh("define", f"/root/{name}.xml")

    def boot(self, name):
        """Starts an inner Linux with the agent and a balloon, and waits until the agent has opened its channel."""
        self.define(name, linux=True, ballast=True)
        self.virsh("start", name)
        wait_until(lambda: "ballast-guest-ready" in self.read(console_path(self, name)), 180, f"the inner Linux {name} is up")
        wait_until(lambda: self._agent_connected(name), 60, f"the agent of {name} opens its channel")

    def _agent_connected(self, name):
        target = ElementTree.fromstring(self.xml(name)).find("devices/channel/target[@name='org.ballast.guest_agent.0']")
        return target.get("state") == "connected"

    def xml(self, name, *options):
        return self.virsh("dumpxml", name, *options).stdout

    def tags(self, name, *options):
        """Of Ballast's in a domain's metadata."""
        return set(re.findall(r"urn:x-ballast:[\w:]+", self.xml(name, *options)))

    def vf_of(self, name):
        """The PCI address of a running domain's VF, as libvirt's XML has it, or None."""
        address = ElementTree.fromstring(self.xml(name)).find("devices/interface[@type='hostdev']/source/address")
        return None if address is None else tuple(address.get(key) for key in ("domain", "bus", "slot", "function"))

    def balloon_kib(self, name):
        """(what the domain has by its balloon, all its memory)."""
        domain = ElementTree.fromstring(self.xml(name))
        return int(domain.findtext("currentMemory")), int(domain.findtext("memory"))

    def shell(self, name, command, timeout=60):
        """In an inner Linux."""
        return guest_shell(self, name, command, timeout)

    def meminfo(self, name, key):
        """A value of an inner Linux's /proc/meminfo, in bytes."""
        return int(re.search(rf"^{key}: *(\d+) kB", self.shell(name, "cat /proc/meminfo"), re.M)[1]) * 1024

    def held_bytes(self, name):
        """What the agent of an inner Linux holds: all that is locked in it."""
        return self.meminfo(name, "Mlocked")

    # Migrations

    def start_second_libvirtd(self):
        """Has a destination for SlowMigration, of which the first libvirtd and ballastd know nothing."""
        if self._second is not None:
            return
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "second-libvirtd")
        self._second = self.popen(["unshare", "--mount", "/bin/sh", script])
        wait_until(lambda: self._second.poll() is not None or self._second_answers(), 60, "the second libvirtd answers")
        assert self._second.poll() is None, self._second.stderr

    def _second_answers(self):
        return self.run(["virsh", "-c", _SECOND_URI, "list"], check=False).returncode == 0


class SlowMigration:
    """A plain `virsh migrate` of an inner domain under way, in which memory flows; it is cancelled in the end."""

    def __init__(self, machine, name):
        self._machine = machine
        self._name = name
        machine.start_second_libvirtd()
        self._process = machine.popen(["virsh", "migrate", "--live", "--unsafe", "--bandwidth", _SLOW, name, _SECOND_URI])

    def __enter__(self):
        wait_until(lambda: self._process.poll() is not None or self._flows(), 60, f"memory of {self._name} flows")
        assert self.runs(), self._process.stderr
        return self

    def __exit__(self, *exc_info):
        self._machine.virsh("domjobabort", self._name, check=False)
        assert self._process.wait(60).returncode != 0

    def _flows(self):
        return "Memory processed" in self._machine.virsh("domjobinfo", self._name, check=False).stdout

    def runs(self):
        return self._process.poll() is None
