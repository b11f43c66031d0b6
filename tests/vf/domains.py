# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inner domains: what runs in the host VM and gets VFs."""

import os
import uuid

from bed.guest_spec import AGENT_CHANNEL, TEST_CHANNEL

VF_NAMESPACE = "urn:x-ballast:vf:1"

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Python has what speaks with guest-tool.
_ASK = """\
import sys
sys.path.insert(0, sys.argv[1])
from bed.guest import Line
status, output = Line(sys.argv[2]).ask("1", sys.argv[3], float(sys.argv[4]))
print(output, end="")
sys.exit(status)
"""


def domain_uuid(name):
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def domain_xml(vm, name, interfaces="", metadata="", spare_ports=4, linux=False, address=None,
               ballast=False):
    """A domain's XML for the host VM.

    interfaces: its <interface> elements
    spare_ports: pcie-root-ports for hot-plug; without one libvirt has no place to attach a VF to
    linux: it boots the small test guest, which a hot-unplug needs and which takes a while; "ballast-guest-ready" is in
        its console then, and guest_shell() works. Otherwise it has no operating system.
    address: that of its interface (with a length, 10.78.0.9/24), where it echoes what is said on TCP port 7
    ballast: this Linux has what memory is released by: the agent and a balloon
    """
    boot = devices = ""
    if linux:
        boot = (f"<kernel>{vm.kernel}</kernel><initrd>{vm.initrd}</initrd>"
                "<cmdline>console=ttyS0 quiet panic=1 cryptomgr.notests"
                f"{'' if ballast else ' ballast.noagent'}{f' guest.address={address}' if address else ''}</cmdline>")
        devices = (f"<serial type='file'><source path='{console_path(vm, name)}' append='on'/>"
                   "<target type='isa-serial' port='0'/></serial>"
                   f"<channel type='unix'><source mode='bind' path='{_channel_path(name)}'/>"
                   f"<target type='virtio' name='{TEST_CHANNEL}'/></channel>")
    if ballast:
        devices += f"<channel type='unix'><target type='virtio' name='{AGENT_CHANNEL}'/></channel>"
    # The channels' controller takes a port as well, and the balloon.
    ports = "<controller type='pci' model='pcie-root-port'/>" * (spare_ports + linux + ballast + interfaces.count("<interface"))
    return f"""\
<domain type='kvm'>
  <name>{name}</name>
  <uuid>{domain_uuid(name)}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>{512 if ballast else 256 if linux else 64}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    {ports}
    <controller type='usb' model='none'/>
    <memballoon model='{'virtio' if ballast else 'none'}'/>
    {devices}
    {interfaces}
  </devices>
</domain>
"""


def interface_xml(address, mac, extra=""):
    """An <interface> that passes the VF at PCI address `address` through, managed by libvirt."""
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return (f"<interface type='hostdev' managed='yes'><mac address='{mac}'/><source><address type='pci' "
            f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source>{extra}</interface>")


def standby_xml(mac, alias="ua-standby0"):
    """The virtio half of a team, on br0."""
    return (f"<interface type='bridge'><source bridge='br0'/><mac address='{mac}'/><model type='virtio'/>"
            f"<alias name='{alias}'/><teaming type='persistent'/></interface>")


def metadata_xml(*ports):
    """Metadata that asks for ports, each the attributes of one as a dict."""
    attributes = (" ".join(f"{name}='{value}'" for name, value in port.items()) for port in ports)
    return (f"<vf:ports xmlns:vf='{VF_NAMESPACE}'>" + "".join(f"<vf:port {text}/>" for text in attributes)
            + "</vf:ports>")


def console_path(vm, name):
    """Where an inner Linux's console goes, here and in the VM."""
    return f"{vm.shared}/{name}.console"


def guest_shell(vm, name, command, timeout=30):
    """What a shell command says in the inner Linux `name`, which has to succeed."""
    return vm.run(["python3", "-c", _ASK, _TESTS, _channel_path(name), command, timeout], timeout=timeout + 30).stdout


def _channel_path(name):
    return f"/run/{name}.channel"
