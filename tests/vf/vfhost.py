# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host VM with Ballast: what its command line says of VFs, and what libvirt, sysfs and the NIC say, to compare them."""

import json
import re
import xml.etree.ElementTree as ElementTree

from bed.host import wait_until
from bed.hostvm_daemon import HostVmDaemon
from domains import console_path, domain_uuid, domain_xml

VFS_PER_PF = 4
CAPACITY_MBPS = 1000

# An administrator's network configuration has the PFs up.
_LINK_RULE = 'ACTION=="add", SUBSYSTEM=="net", DRIVERS=="igb", RUN+="/usr/sbin/ip link set $name up"\n'

# What `ip -j link show PF` says of a VF and Ballast may set, but for the address: while it is zero the VF's own driver makes
# one up, another each time, and the NIC shows that.
_SETTINGS = ("vlan_list", "rate", "spoofchk", "trust", "link_state")


class VfHost:
    """`vm`, with Ballast installed and VFS_PER_PF idle VFs of each PF.

    kept: names of domains that cleanup() leaves alone
    """

    def __init__(self, vm):
        self.vm = vm
        self.kept = set()
        vm.write("/etc/udev/rules.d/80-bed-links.rules", _LINK_RULE)
        vm.run(["udevadm", "control", "--reload"])
        self.pfs = vm.pfs()
        for pf in self.pfs:
            vm.bring_up(pf)
        self.daemon = HostVmDaemon(vm, self.config())
        for pf in self.pfs:
            for vf in self.vfs(pf):
                vm.wait_driver(vf, "igbvf")
            wait_until(lambda: vm.carrier(pf), 30, f"{pf.name} has its link again")
        self._clean = self.settings()

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
        """PCI addresses of a PF's VFs."""
        shown = self.vm.run(["sh", "-c", f"readlink /sys/bus/pci/devices/{pf.address}/virtfn*"], check=False).stdout
        return sorted(line.rpartition("/")[2] for line in shown.splitlines())

    def drivers(self):
        """{PCI address of a VF: its driver}."""
        shown = self.vm.run(["sh", "-c", "for v in /sys/bus/pci/devices/*/virtfn*; do "
                             'echo "$(basename "$(readlink "$v")") $(basename "$(readlink "$v/driver")")"; done']).stdout
        return {words[0]: words[1] if len(words) > 1 else "" for words in map(str.split, shown.splitlines())}

    def settings(self):
        """{(PF's name, VF's number): what the NIC has for it}."""
        shown = json.loads(self.vm.run(["ip", "-j", "link", "show"]).stdout)
        return {(link["ifname"], vf["vf"]): {key: vf.get(key) for key in _SETTINGS}
                for link in shown for vf in link.get("vfinfo_list", [])}

    def vf_of(self, info):
        """All that `ip` says of a port's VF."""
        shown = json.loads(self.vm.run(["ip", "-j", "link", "show", info["pf"]]).stdout)
        return next(vf for vf in shown[0]["vfinfo_list"] if vf["vf"] == info["vf"])

    def domain_vfs(self):
        """{domain's UUID: {MAC address: PCI address}} of the VFs that running domains have, as libvirt says."""
        return {domain_uuid(name): self._hostdevs(name)
                for name in self.vm.virsh("list", "--name").stdout.split()}

    def _hostdevs(self, name):
        found = {}
        for interface in ElementTree.fromstring(self.xml(name)).iterfind("devices/interface[@type='hostdev']"):
            address = interface.find("source/address")
            parts = [int(address.get(key), 16) for key in ("domain", "bus", "slot", "function")]
            found[interface.find("mac").get("address")] = "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)
        return found

    def xml(self, name, *options):
        return self.vm.virsh("dumpxml", name, *options).stdout

    def snapshot(self):
        """All that a refusal must leave as it was."""
        return self.ports(), self.drivers(), self.settings(), self.domain_vfs()

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
        ports, drivers, settings, domains = self.snapshot()
        vfs = [port["vf-pci"] for port in ports.values()]
        assert len(set(vfs)) == len(vfs)
        for pf in self.pfs:
            taken = sum(port["bandwidth-mbps"] for port in ports.values() if port["pf"] == pf.name)
            assert self.residual()[pf.name] == CAPACITY_MBPS - taken >= 0
        attached = {(port["domain"], port["mac"]): port["vf-pci"] for port in ports.values() if port["state"] == "attached"}
        in_domains = {(uuid, mac): vf for uuid, macs in domains.items() for mac, vf in macs.items() if vf not in foreign}
        assert attached == in_domains
        for port in ports.values():
            if port["state"] == "attached":
                assert drivers[port["vf-pci"]] == "vfio-pci"
                assert settings[port["pf"], port["vf"]]["rate"]["max_tx"] == port["bandwidth-mbps"]
                assert self.vf_of(port)["address"] == port["mac"]
        for pf in self.pfs:
            for n, vf in enumerate(self.vfs(pf)):
                if vf not in foreign and vf not in vfs:
                    assert drivers[vf] == "igbvf", vf
                    assert settings[pf.name, n] == self._clean[pf.name, n]

    def wait_clean(self, timeout=60):
        """Waits until nothing is handed out, and checks that nothing was left behind."""
        wait_until(lambda: not self.ports(), timeout, "the ledger is empty")
        for vf in self.drivers():
            self.vm.wait_driver(vf, "igbvf")
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
        for vf in self.drivers():
            self.vm.wait_driver(vf, "igbvf")


def numbers(text):
    """The whole numbers in a message."""
    return [int(n) for n in re.findall(r"\b\d+\b", text)]
