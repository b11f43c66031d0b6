# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host VM with Ballast: what its command line says of VFs, and what libvirt, sysfs and the NIC say, to compare them."""

import dataclasses
import json
import os
import re
import xml.etree.ElementTree as ElementTree

from bed.host import wait_until
from bed.hostvm_daemon import HostVmDaemon
from domains import console_path, domain_uuid, domain_xml

VFS_PER_PF = 4
CAPACITY_MBPS = 1000

#: the shortest reservation-expiry-s that there is
EXPIRY_S = 10

# An administrator's network configuration has the PFs up.
_LINKS = """\
#!/bin/sh
udevadm settle
for file in /sys/class/net/*/device/sriov_totalvfs; do
    device=${file%/device/*}
    ip link set "${device##*/}" up
done
"""
_LINKS_UNIT = """\
[Unit]
Description=Network of the test bed
After=systemd-udevd.service systemd-udev-trigger.service
Before=network.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/bed-links
[Install]
WantedBy=multi-user.target
"""

# What `ip -j link show PF` says of a VF and Ballast may set, but for the address: while it is zero the VF's own driver makes
# one up, another each time, and the NIC shows that.
_SETTINGS = ("vlan_list", "rate", "spoofchk", "trust", "link_state")


# stat fails when there are no VFs, or one has no driver.
_DRIVERS = "{ stat -c %N /sys/bus/pci/devices/*/virtfn* /sys/bus/pci/devices/*/virtfn*/driver 2>/dev/null; true; }"

_LOOK = f"""\
"$0" vf list --json && echo @@ && ip -j link show && echo @@ && {_DRIVERS} && echo @@
for domain in $(virsh -q list --name); do
    virsh -q dumpxml "$domain" && echo @
done
"""


@dataclasses.dataclass
class Seen:
    """What there is to be seen of VFs.

    pfs, ports: as Ballast says, by interface, and by (domain's UUID, port)
    vfs: as `ip -j link` says, by (PF's interface, number)
    drivers: by PCI address
    domains: {UUID: {MAC address: PCI address}} of the VFs that running domains have, as libvirt says
    """

    pfs: dict
    ports: dict
    vfs: dict
    drivers: dict
    domains: dict

    def settings(self):
        """What the NIC has for each VF and Ballast may set."""
        return {key: {name: vf.get(name) for name in _SETTINGS} for key, vf in self.vfs.items()}


class VfHost:
    """`vm`, with Ballast installed and VFS_PER_PF idle VFs of each PF.

    kept: names of domains that cleanup() leaves alone
    """

    def __init__(self, vm):
        self.vm = vm
        self.kept = set()
        vm.write("/usr/local/sbin/bed-links", _LINKS)
        vm.run(["chmod", "755", "/usr/local/sbin/bed-links"])
        vm.write("/etc/systemd/system/bed-links.service", _LINKS_UNIT)
        vm.run(["systemctl", "enable", "bed-links"])
        self.pfs = vm.pfs()
        for pf in self.pfs:
            vm.bring_up(pf)
        self.daemon = HostVmDaemon(vm, self.config())
        self.wait_drivers()
        for pf in self.pfs:
            wait_until(lambda: vm.carrier(pf), 30, f"{pf.name} has its link again")
        seen = self.look()
        self._clean = seen.settings()
        self._vfs = {(pf["pf"], vf["vf"]): vf["vf-pci"] for pf in seen.pfs.values() for vf in pf["vfs"]}

    def config(self, *keys):
        """A vf.conf, with more keys for its group [vf]."""
        pfs = "".join(f"[pf {pf.name}]\nnumvfs={VFS_PER_PF}\n" for pf in self.pfs)
        return "\n".join(["[vf]", *keys, pfs])

    # What is told

    def vf(self, *arguments, check=True, timeout=120):
        """Runs `ballast vf`; as HostVm.run()."""
        return self.vm.ballast("vf", *arguments, check=check, timeout=timeout)

    def vf_popen(self, *arguments):
        return self.vm.ballast_popen("vf", *arguments)

    def listed(self):
        return json.loads(self.vf("list", "--json").stdout)

    def ports(self):
        """{(domain's UUID, port): port info}."""
        return {(port["domain"], port["port"]): port for port in self.listed()["ports"]}

    def port(self, domain, port="net0"):
        """Port info, or None."""
        return self.ports().get((domain_uuid(domain), port))

    def state(self, domain, port="net0"):
        found = self.port(domain, port)
        return found and found["state"]

    def wait_state(self, state, domain, port="net0", timeout=60):
        """Waits for a port's state (None: for its end); its port info."""
        wait_until(lambda: self.state(domain, port) == state, timeout, f"port {port} of {domain} is {state or 'gone'}")
        return self.port(domain, port)

    def residual(self):
        """{PF's name: Mbit/s left}."""
        return {pf["pf"]: pf["residual-mbps"] for pf in self.listed()["pfs"]}

    def allocate(self, domain, bandwidth, *options, port="net0"):
        """Port info of a port that is attached when this returns."""
        return json.loads(self.vf("allocate", "--domain", domain, "--port", port, "--bandwidth", bandwidth, "--json",
                                  *options).stdout)["port"]

    def told(self, *arguments):
        """What `ballast vf` says as it refuses: one sentence."""
        done = self.vf(*arguments, check=False)
        assert done.returncode != 0, done.stdout
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def refused(self, *arguments):
        """As told(); nothing that can be seen has changed then."""
        before = self.snapshot()
        said = self.told(*arguments)
        assert self.snapshot() == before
        return said

    # What is so

    def vfs(self, pf):
        """PCI addresses of a PF's VFs, by number."""
        return [address for (name, _), address in sorted(self._vfs.items()) if name == pf.name]

    def look(self):
        """All that there is to be seen, at one go, as each command takes its time in an emulated machine."""
        listed, links, drivers, domains = self.vm.run(["sh", "-c", _LOOK, self.vm.ballast_path]).stdout.split("@@\n")
        listed, links = json.loads(listed), json.loads(links)
        return Seen(
            pfs={pf["pf"]: pf for pf in listed["pfs"]},
            ports={(port["domain"], port["port"]): port for port in listed["ports"]},
            vfs={(link["ifname"], vf["vf"]): vf for link in links for vf in link.get("vfinfo_list", [])},
            drivers=_drivers(drivers),
            domains=dict(map(_hostdevs, domains.split("@\n")[:-1])))

    def drivers(self):
        """{PCI address of a VF: its driver}."""
        return _drivers(self.vm.run(["sh", "-c", _DRIVERS], check=False).stdout)

    def vf_of(self, info):
        """What `ip` says of a port's VF."""
        return self.look().vfs[info["pf"], info["vf"]]

    def xml(self, name, *options):
        return self.vm.virsh("dumpxml", name, *options).stdout

    def snapshot(self):
        """All that a refusal must leave as it was."""
        seen = self.look()
        return seen.ports, seen.drivers, seen.settings(), seen.domains

    # Domains

    def define(self, name, **arguments):
        """As domain_xml()."""
        self.vm.write(f"/root/{name}.xml", domain_xml(self.vm, name, **arguments))
        self.vm.virsh("define", f"/root/{name}.xml")
        return name

    def start(self, name, **arguments):
        """As domain_xml()."""
        self.define(name, **arguments)
        self.vm.virsh("start", name)
        return name

    def boot(self, name, **arguments):
        """Starts an inner Linux and waits until it is up; as domain_xml()."""
        console = console_path(self.vm, name)
        self.vm.run(["rm", "-f", console])
        self.start(name, linux=True, **arguments)
        wait_until(lambda: "ballast-guest-ready" in self.vm.read(console), 120, f"the inner Linux {name} is up")
        return name

    def qemu_pid(self, name):
        return self.vm.read(f"/run/libvirt/qemu/{name}.pid").strip()

    # What has to be

    def check(self, foreign=()):
        """The ledger, libvirt, sysfs and the NIC agree with each other.

        foreign: PCI addresses of VFs that somebody else uses
        """
        seen = self.look()
        taken = [port["vf-pci"] for port in seen.ports.values()]
        assert len(set(taken)) == len(taken)
        for pf in self.pfs:
            mbps = sum(port["bandwidth-mbps"] for port in seen.ports.values() if port["pf"] == pf.name)
            assert seen.pfs[pf.name]["residual-mbps"] == CAPACITY_MBPS - mbps >= 0
        attached = {(domain, port["mac"]): port["vf-pci"] for (domain, _), port in seen.ports.items()
                    if port["state"] == "attached"}
        assert attached == {(domain, mac): vf for domain, macs in seen.domains.items() for mac, vf in macs.items()
                            if vf not in foreign}
        for port in seen.ports.values():
            if port["state"] == "attached":
                assert seen.drivers[port["vf-pci"]] == "vfio-pci"
                vf = seen.vfs[port["pf"], port["vf"]]
                assert (vf["rate"]["max_tx"], vf["address"]) == (port["bandwidth-mbps"], port["mac"])
        for key, vf in self._vfs.items():
            if vf not in foreign and vf not in taken:
                assert seen.drivers[vf] == "igbvf", vf
                assert seen.settings()[key] == self._clean[key], vf

    def wait_drivers(self):
        """Waits until all VFs are there and on igbvf, and udev has done with their interfaces."""
        all_idle = ["igbvf"] * VFS_PER_PF * len(self.pfs)
        wait_until(lambda: list(self.drivers().values()) == all_idle, 60, "all VFs are on igbvf")
        self.vm.run(["udevadm", "settle"])

    def wait_clean(self, timeout=60):
        """Waits until nothing is handed out, and checks that nothing was left behind."""
        wait_until(lambda: not self.ports(), timeout, "the ledger is empty")
        self.wait_drivers()
        self.check()

    def cleanup(self):
        """Back to idle VFs and no domains but the kept ones, whatever state things are in."""
        self.daemon.clear()
        self.daemon.start()
        for name in self.vm.virsh("list", "--all", "--name").stdout.split():
            if name not in self.kept:
                self.vm.virsh("destroy", name, check=False)
                self.vm.virsh("undefine", name, check=False)
        try:
            for domain, port in self.ports():
                if domain in map(domain_uuid, self.kept):
                    self.vf("release", "--domain", domain, "--port", port)
            self.wait_clean()
        except BaseException:
            self._start_afresh()
            raise

    def _start_afresh(self):
        """So that the next test does not suffer."""
        self.daemon.stop()
        self.vm.run(["sh", "-c", "rm -rf /var/lib/ballast/vf"])
        for pf in self.pfs:
            self.vm.set_vfs(pf, 0)
        self.daemon.start()
        self.wait_drivers()


def _drivers(shown):
    """From lines as: '/sys/.../virtfn0' -> '../0000:01:10.0', and for each that has a driver one with /driver."""
    links = dict(re.findall(r"'(.*)' -> '(.*)'", shown))
    return {os.path.basename(target): os.path.basename(links.get(f"{path}/driver", ""))
            for path, target in links.items() if not path.endswith("/driver")}


def _hostdevs(xml):
    """(domain's UUID, {MAC address: PCI address}) of the VFs in a domain's XML."""
    domain = ElementTree.fromstring(xml)
    found = {}
    for interface in domain.iterfind("devices/interface[@type='hostdev']"):
        address = interface.find("source/address")
        parts = [int(address.get(key), 16) for key in ("domain", "bus", "slot", "function")]
        found[interface.find("mac").get("address")] = "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)
    return domain.findtext("uuid"), found


def numbers(text):
    """The whole numbers in a message."""
    return [int(n) for n in re.findall(r"\b\d+\b", text)]
